//! What the search for secrets costs: bytes that are looked at, counted in tests only. Time says less, and not the same
//! twice.

#[cfg(test)]
thread_local! {
    static BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts bytes that were looked at.
#[inline]
pub fn looked_at(bytes: usize) {
    #[cfg(test)]
    BYTES.with(|sum| sum.set(sum.get() + bytes));
    #[cfg(not(test))]
    let _ = bytes;
}

/// Bytes that are looked at meanwhile.
#[cfg(test)]
pub fn during(what: impl FnOnce()) -> usize {
    BYTES.with(|sum| sum.set(0));
    what();
    BYTES.with(std::cell::Cell::get)
}
