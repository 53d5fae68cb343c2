//! Headers as a lookup that shows repetitions.

use super::Refused;

/// A request's headers.
pub trait Headers {
    /// Every value under a name, whatever its case.
    fn values(&self, name: &str) -> Vec<&[u8]>;
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.iter().filter(|(own, _)| own.as_ref().eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_ref()).collect()
    }
}

/// The name of a header that somebody configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

/// Why a name cannot be a header's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a header: use letters, digits and `-`")]
pub struct HeaderError(String);

impl HeaderName {
    /// # Errors
    /// When it is empty or holds anything but letters, digits, `-` and `_`.
    pub fn new(name: &str) -> Result<Self, HeaderError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(HeaderError(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// A name that is known to be one.
    pub(super) fn of(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The one value of a header, as visible ASCII.
pub(super) fn only<'a>(headers: &'a dyn Headers, name: &str) -> Result<&'a str, Refused> {
    match headers.values(name).as_slice() {
        [] => Err(Refused::Missing { header: name.to_owned() }),
        [value] => {
            let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
            let text = std::str::from_utf8(value).ok().filter(|_| value.iter().all(plain));
            // Blanks around a value are no part of it (RFC 9110), so whoever reads headers has taken them off.
            text.filter(|text| !text.is_empty() && text.trim() == *text)
                .ok_or_else(|| malformed(name, "a line of visible characters"))
        }
        _ => Err(Refused::Repeated { header: name.to_owned() }),
    }
}

/// The one value of a header, as any bytes: secrets may hold what is not ASCII.
pub(super) fn only_bytes<'a>(headers: &'a dyn Headers, name: &str) -> Result<&'a [u8], Refused> {
    match headers.values(name).as_slice() {
        [] => Err(Refused::Missing { header: name.to_owned() }),
        [value] => Ok(value),
        _ => Err(Refused::Repeated { header: name.to_owned() }),
    }
}

/// A number of seconds since 1970, digits and nothing else, so that it has one spelling.
pub(super) fn seconds(headers: &dyn Headers, name: &str) -> Result<(String, i64), Refused> {
    let text = only(headers, name)?;
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits);
    let seconds = seconds.ok_or_else(|| malformed(name, "a number of seconds since 1970"))?;
    Ok((text.to_owned(), seconds))
}

pub(super) fn malformed(header: &str, expected: &'static str) -> Refused {
    Refused::Malformed { header: header.to_owned(), expected }
}
