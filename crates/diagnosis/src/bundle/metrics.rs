//! `metrics.csv`: `timestamp,service,metric,value`, in any order of rows.

use super::{BundleError, Fault, Ms, Note};
use std::collections::HashMap;

const FILE: &str = super::FILES[1];
const HEADER: &str = "timestamp,service,metric,value";

/// Nothing that is measured is beyond this, and squares of it are still finite.
const VALUE_MAX: f64 = 1e100;

/// One series: times ascending and distinct, values finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The file that it is of: spans make series, too.
    pub source: &'static str,
    pub component: String,
    /// `name` or `name:statistic`.
    pub metric: String,
    pub at: Vec<Ms>,
    pub values: Vec<f64>,
}

/// All series, by component and metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    pub series: Vec<Series>,
}

#[derive(Default)]
struct Dropped {
    not_finite: u64,
    repeated: u64,
}

pub(super) fn parse(text: &str, notes: &mut Vec<Note>) -> Result<Metrics, BundleError> {
    if text.trim().is_empty() {
        return Ok(Metrics::default());
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|why| at_header(Fault::Csv(why.to_string())))?.clone();
    let found = header.iter().map(str::trim).collect::<Vec<_>>().join(",");
    if found != HEADER {
        return Err(at_header(Fault::Header { expected: HEADER, found: found.chars().take(120).collect() }));
    }
    let mut table = Table::default();
    let mut record = csv::StringRecord::new();
    let mut dropped = Dropped::default();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(why) => return Err(BundleError::new(FILE, Fault::Csv(why.to_string()))),
        }
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != 4 && !text.ends_with('\n') && reader.position().byte() >= text.len() as u64 {
            notes.push(Note { file: FILE, what: format!("line {line} is cut off and was left out") });
            break;
        }
        table.row(&record, &mut dropped).map_err(|fault| BundleError::at(FILE, line, fault))?;
    }
    Ok(table.finish(dropped, notes))
}

fn at_header(fault: Fault) -> BundleError {
    BundleError::at(FILE, 1, fault)
}

#[derive(Default)]
struct Table {
    series: Vec<Series>,
    index: HashMap<String, HashMap<String, usize>>,
}

impl Table {
    fn row(&mut self, record: &csv::StringRecord, dropped: &mut Dropped) -> Result<(), Fault> {
        if record.len() != 4 {
            return Err(Fault::Csv(format!("{} values instead of 4", record.len())));
        }
        let at = super::time::parse(&record[0])?;
        let component = super::name(&record[1])?;
        let metric = super::name(&record[2])?;
        let series = self.find(component, metric);
        match value(&record[3])? {
            Some(value) => {
                self.series[series].at.push(at);
                self.series[series].values.push(value);
            }
            None => dropped.not_finite += 1,
        }
        Ok(())
    }

    fn find(&mut self, component: &str, metric: &str) -> usize {
        if let Some(found) = self.index.get(component).and_then(|metrics| metrics.get(metric)) {
            return *found;
        }
        let new = self.series.len();
        self.index.entry(component.to_owned()).or_default().insert(metric.to_owned(), new);
        let (component, metric) = (component.to_owned(), metric.to_owned());
        self.series.push(Series { source: FILE, component, metric, at: Vec::new(), values: Vec::new() });
        new
    }

    fn finish(mut self, mut dropped: Dropped, notes: &mut Vec<Note>) -> Metrics {
        for series in &mut self.series {
            dropped.repeated += order(series);
        }
        // The order of the rows must not matter, nor that of equal scores later on.
        self.series.sort_by(|a, b| (&a.component, &a.metric).cmp(&(&b.component, &b.metric)));
        self.series.retain(|series| !series.values.is_empty());
        if dropped.not_finite > 0 {
            let what = format!("{} values that are no numbers were left out", dropped.not_finite);
            notes.push(Note { file: FILE, what });
        }
        if dropped.repeated > 0 {
            let what = format!(
                "{} samples have the time of another one of their series; their mean was taken",
                dropped.repeated
            );
            notes.push(Note { file: FILE, what });
        }
        Metrics { series: self.series }
    }
}

/// `None` where nothing was measured.
fn value(text: &str) -> Result<Option<f64>, Fault> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    let value: f64 = text.parse().map_err(|_| Fault::Value(text.chars().take(64).collect()))?;
    Ok((value.is_finite() && value.abs() <= VALUE_MAX).then_some(value))
}

/// Sorts a series by time and merges samples of one time into their mean; says how many were merged.
fn order(series: &mut Series) -> u64 {
    if series.at.is_sorted_by(|a, b| a < b) {
        return 0;
    }
    let mut samples: Vec<(Ms, f64)> = series.at.iter().copied().zip(series.values.iter().copied()).collect();
    samples.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let before = samples.len();
    series.at.clear();
    series.values.clear();
    for group in samples.chunk_by(|a, b| a.0 == b.0) {
        series.at.push(group[0].0);
        series.values.push(group.iter().map(|s| s.1).sum::<f64>() / group.len() as f64);
    }
    (before - series.at.len()) as u64
}
