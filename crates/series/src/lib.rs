//! Rolling statistics and trends over plain numbers, and templates of log lines.
//!
//! Owns: the arithmetic that every detector and forecast rests on: rolling and exponentially weighted mean and
//! variance, a robust trend test, how new a number is to a series, and a miner of log templates. Must never know what a number or a line means: no metric, no
//! service, no clock, no I/O.

mod baseline;
mod ewma;
mod novelty;
mod rolling;
mod share;
mod templates;
mod trend;

pub use baseline::Baseline;
pub use ewma::Ewma;
pub use novelty::{Novel, Novelty, View};
pub use rolling::{DEFAULT_CAPACITY, Rolling};
pub use share::wilson_low;
pub use templates::{Template, TemplateId, TemplateMiner};
pub use trend::{TREND_POINTS_MIN, Trend, trend};

/// What became of a number that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It is part of the statistics now.
    Counted,
    /// It was NaN or infinite, and nothing changed.
    IgnoredNotFinite,
}

/// Largest distance that a z-score states. A series without any spread puts every other value at infinity, which
/// neither JSON nor a person can read; a million standard deviations says the same.
pub const Z_MAX: f64 = 1e6;

/// Distance of `value` from `mean` in units of `std`, or of `std_floor` where that is larger.
fn z_score(value: f64, mean: f64, std: f64, std_floor: f64) -> f64 {
    let distance = value - mean;
    if distance == 0.0 || distance.is_nan() {
        return 0.0;
    }
    (distance / std.max(std_floor)).clamp(-Z_MAX, Z_MAX)
}
