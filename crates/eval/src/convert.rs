//! Third-party data sets become incident bundles with a truth beside each.
//!
//! Owns: the formats of others. Must never: let a label into an input. What a set calls the answer goes to `truth.json`
//! and nowhere else; names of folders are numbered where theirs would tell.

mod loghub;
mod nab;
mod nezha;
mod nezha_forecast;
mod opensre;
mod petshop;
mod rootcausebench;
mod runbooks;
mod storms;
#[cfg(test)]
mod tests;
mod writer;

use anyhow::{Result, bail};
use std::path::Path;

/// A data set that can be converted.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Set {
    /// amazon-science/petshop-root-cause-analysis
    Petshop,
    /// IntelligentDDS/Nezha
    Nezha,
    /// IntelligentDDS/Nezha, its minutes, to foresee when the front service gets slow
    NezhaForecast,
    /// edgedelta/root-cause-bench
    #[value(name = "rootcausebench")]
    RootCauseBench,
    /// Tracer-Cloud/opensre
    Opensre,
    /// logpai/loghub
    Loghub,
    /// prometheus-operator/runbooks
    Runbooks,
    /// numenta/NAB
    Nab,
    /// itbench-hub/ITBench, its alert scenarios
    Storms,
}

/// Converts a set and says how many bundles it made.
pub fn run(set: Set, from: &Path, to: &Path) -> Result<String> {
    if !from.is_dir() {
        bail!("{} is not a folder; name the one that holds the data set", from.display());
    }
    let made = match set {
        Set::Petshop => petshop::convert(from, to)?,
        Set::Nezha => nezha::convert(from, to)?,
        Set::NezhaForecast => nezha_forecast::convert(from, to)?,
        Set::RootCauseBench => rootcausebench::convert(from, to)?,
        Set::Opensre => opensre::convert(from, to)?,
        Set::Loghub => loghub::convert(from, to)?,
        Set::Storms => storms::convert(from, to)?,
        Set::Nab => nab::convert(from, to)?,
        Set::Runbooks => runbooks::convert(from, to)?,
    };
    if made == 0 {
        bail!("nothing in {} looks like this data set", from.display());
    }
    Ok(format!("{made} cases in {}", to.display()))
}

/// Converts every known set that lies in a folder under its usual name.
pub fn known(data: &Path, to: &Path) -> Result<()> {
    let sets = [
        (Set::Petshop, "petshop", "petshop"),
        (Set::Nezha, "nezha-online-boutique", "nezha"),
        (Set::RootCauseBench, "rootcausebench", "rootcausebench"),
        (Set::Opensre, "opensre", "opensre"),
    ];
    let mut found = 0;
    for (set, folder, name) in sets {
        if data.join(folder).is_dir() {
            run(set, &data.join(folder), &to.join(name))?;
            found += 1;
        }
    }
    if found == 0 {
        bail!(
            "there is no known data set in {}; name a folder of bundles, or one of data sets with --data",
            data.display()
        );
    }
    Ok(())
}
