//! When a notification that did not arrive is tried again.

/// Seconds before the second attempt.
const FIRST_S: f64 = 1.0;
/// Longest wait between two attempts: a receiver that is back after an outage hears within minutes.
const LONGEST_S: f64 = 300.0;

/// Longest wait that a receiver can ask for, seconds.
const ASKED_MAX_S: f64 = 3600.0;

/// Seconds until the next attempt after `attempts` failed ones: doubled each time. What the receiver asks for
/// (`Retry-After`, seconds) is waited for at least, up to an hour. `jitter` is 0 to 1 and takes up to a fifth off what nobody
/// asked for, so that many notifications do not come back at the same moment.
#[must_use]
pub fn retry_after_s(attempts: u32, asked_s: Option<f64>, jitter: f64) -> f64 {
    let doubled = FIRST_S * 2f64.powi(i32::try_from(attempts.saturating_sub(1).min(30)).unwrap_or(30));
    let wait = doubled.min(LONGEST_S) * (1.0 - 0.2 * jitter.clamp(0.0, 1.0));
    wait.max(asked_s.unwrap_or(0.0).min(ASKED_MAX_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<f64> = (1..=10).map(|n| retry_after_s(n, None, 0.0)).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]);
        assert_eq!(retry_after_s(1, Some(30.0), 0.0), 30.0);
        assert_eq!(retry_after_s(1, Some(30.0), 1.0), 30.0, "not a second sooner than asked");
        assert_eq!(retry_after_s(1, Some(1e9), 0.0), 3600.0);
        assert_eq!(retry_after_s(u32::MAX, None, 1.0), 240.0);
    }
}
