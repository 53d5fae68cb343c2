//! Forecasts while time goes on: what is kept of every service, what may be said of it, and which alarms that raises.
//!
//! Owns: the live window, what is usual and what is promised, the gates between a probability and an alarm, the ledger that
//! grades forecasts by what happened, and how far today's readings are from those of the reference. Must never: act, or say
//! more than its gates let it.

mod alarm;
mod config;
mod drift;
mod judge;
mod ledger;
mod live;
mod objective;
mod usual;
mod what_if;
mod witness;

pub use alarm::{Alarms, Standing, Turn};
pub use config::{ForesightConfig, ForesightConfigError, Settings};
pub use drift::{Drift, Inputs, QuantityDrift, inputs};
pub use judge::{Held, Judged, judge};
pub use ledger::{AlarmGrade, Earned, GradedAlarm, Grades, Ledger, LedgerRow, Summary, wilson_low};
pub use live::{Live, Read, Remembered};
pub use objective::ObjectiveConfig;
pub use what_if::{Changed, RemovedEdge, WhatIf, WhatIfError};
pub use witness::{Beyond, beyond, neighbours};
