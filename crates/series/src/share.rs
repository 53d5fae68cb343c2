//! Shares of few: what a count proves at least.

/// The 97.5 % quantile of the normal distribution: both ends of an interval of 95 %.
const Z: f64 = 1.959_964;

/// The lower end of Wilson's interval of 95 % for a share (E. B. Wilson, JASA 22, 1927).
#[must_use]
pub fn wilson_low(part: u64, all: u64) -> Option<f64> {
    if all == 0 {
        return None;
    }
    let (n, share) = (all as f64, part as f64 / all as f64);
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(((middle - spread) / (1.0 + Z * Z / n)).max(0.0))
}
