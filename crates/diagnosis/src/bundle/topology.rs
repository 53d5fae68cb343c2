//! `topology.csv`: `caller,callee`.

use super::{BundleError, Fault};
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = super::FILES[4];
const HEADER: &str = "caller,callee";

/// Who calls whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallGraph {
    edges: BTreeSet<(String, String)>,
}

impl CallGraph {
    /// Adds a call; nobody calls itself.
    pub fn add(&mut self, caller: &str, callee: &str) {
        if caller != callee {
            self.edges.insert((caller.to_owned(), callee.to_owned()));
        }
    }

    /// Every call, as caller and callee, in order.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.edges.iter().map(|(caller, callee)| (caller.as_str(), callee.as_str()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Callees of each caller.
    #[must_use]
    pub fn callees(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (caller, callee) in self.edges() {
            all.entry(caller).or_default().push(callee);
        }
        all
    }
}

pub(super) fn parse(text: &str) -> Result<CallGraph, BundleError> {
    let mut graph = CallGraph::default();
    if text.trim().is_empty() {
        return Ok(graph);
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|why| BundleError::at(FILE, 1, Fault::Csv(why.to_string())))?;
    let found = header.iter().map(str::trim).collect::<Vec<_>>().join(",");
    if found != HEADER {
        return Err(BundleError::at(FILE, 1, Fault::Header { expected: HEADER, found }));
    }
    for record in reader.records() {
        let record = record.map_err(|why| BundleError::new(FILE, Fault::Csv(why.to_string())))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |fault| BundleError::at(FILE, line, fault);
        if record.len() != 2 {
            return Err(wrong(Fault::Csv(format!("{} values instead of 2", record.len()))));
        }
        graph.add(super::name(&record[0]).map_err(wrong)?, super::name(&record[1]).map_err(wrong)?);
    }
    Ok(graph)
}
