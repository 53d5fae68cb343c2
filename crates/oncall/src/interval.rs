//! Time intervals with Alertmanager's semantics: what is given must all hold, of each list one entry.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use midwatch_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Times of a day, `HH:MM`; the end is not part of it. `24:00` is the end of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRangeConfig {
    pub start_time: String,
    pub end_time: String,
}

/// A stretch of time that comes back, as it is written. An absent list sets no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeIntervalConfig {
    pub times: Option<Vec<TimeRangeConfig>>,
    /// `monday`, `monday:friday`. The week begins on Sunday.
    pub weekdays: Option<Vec<String>>,
    /// `1:5`, `-3:-1` (the last three days).
    pub days_of_month: Option<Vec<String>>,
    /// `january`, `1:3`, `may:august`.
    pub months: Option<Vec<String>>,
    /// `2026`, `2026:2028`.
    pub years: Option<Vec<String>>,
    /// IANA name such as `Europe/Berlin`; UTC if absent.
    #[serde(alias = "location")]
    pub time_zone: Option<String>,
}

/// A stretch of time that comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeInterval {
    /// Minutes of the day, the end excluded.
    times: Option<Vec<std::ops::Range<i32>>>,
    weekdays: Option<Vec<RangeInclusive<i32>>>,
    /// Days of the month; negative ones count from its end, -1 being the last.
    days: Option<Vec<(i32, i32)>>,
    months: Option<Vec<RangeInclusive<i32>>>,
    years: Option<Vec<RangeInclusive<i32>>>,
    zone: TimeZone,
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// # Errors
    /// Which part cannot be used, and how it is written.
    pub fn new(config: &TimeIntervalConfig) -> Result<Self, String> {
        let zone = match config.time_zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("time_zone `{name}` is not known; use an IANA name such as Europe/Berlin")
            })?,
        };
        Ok(Self {
            times: each(config.times.as_ref(), times)?,
            weekdays: each(config.weekdays.as_ref(), |text| range(text, weekday))?,
            days: each(config.days_of_month.as_ref(), |text| days(text))?,
            months: each(config.months.as_ref(), |text| range(text, month))?,
            years: each(config.years.as_ref(), |text| range(text, |year| number(year, "a year")))?,
            zone,
        })
    }

    /// Whether the interval contains a moment.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let weekday = i32::from(local.weekday().since(Weekday::Sunday));
        let (day, last) = (i32::from(local.day()), i32::from(local.days_in_month()));
        any(self.times.as_ref(), |range| range.contains(&minute))
            && any(self.days.as_ref(), |range| has_day(*range, day, last))
            && any(self.months.as_ref(), |range| range.contains(&i32::from(local.month())))
            && any(self.weekdays.as_ref(), |range| range.contains(&weekday))
            && any(self.years.as_ref(), |range| range.contains(&i32::from(local.year())))
    }
}

fn any<T>(list: Option<&Vec<T>>, holds: impl Fn(&T) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(holds))
}

/// Days beyond the end of a shorter month are cut to it; a range that begins beyond it has no day in this month.
fn has_day((begin, end): (i32, i32), day: i32, last: i32) -> bool {
    let from_start = |n: i32| if n < 0 { last + n + 1 } else { n };
    let (begin, end) = (from_start(begin), from_start(end));
    begin <= last && (begin.max(-last)..=end.clamp(-last, last)).contains(&day)
}

fn each<T, U>(
    list: Option<&Vec<T>>,
    read: impl Fn(&T) -> Result<U, String>,
) -> Result<Option<Vec<U>>, String> {
    list.map(|list| list.iter().map(read).collect()).transpose()
}

fn number(text: &str, what: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("`{text}` is not {what}"))
}

fn weekday(text: &str) -> Result<i32, String> {
    let found = WEEKDAYS.iter().position(|name| *name == text);
    found.and_then(|index| i32::try_from(index).ok()).ok_or_else(|| format!("`{text}` is not a weekday"))
}

fn month(text: &str) -> Result<i32, String> {
    let by_name =
        MONTHS.iter().position(|name| *name == text).and_then(|index| i32::try_from(index + 1).ok());
    let month = by_name.map_or_else(|| number(text, "a month"), Ok)?;
    if (1..=12).contains(&month) { Ok(month) } else { Err(format!("`{text}` is not a month")) }
}

fn parts<'a>(text: &'a str, what: &str) -> Result<(&'a str, &'a str), String> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [one] => Ok((one, one)),
        [begin, end] => Ok((begin, end)),
        _ => Err(format!("`{text}` is not {what}; write one value or begin:end")),
    }
}

fn range(text: &str, read: impl Fn(&str) -> Result<i32, String>) -> Result<RangeInclusive<i32>, String> {
    let lower = text.to_lowercase();
    let (begin, end) = parts(&lower, "a range")?;
    let (begin, end) = (read(begin)?, read(end)?);
    if begin > end { Err(format!("`{text}` ends before it begins")) } else { Ok(begin..=end) }
}

fn days(text: &str) -> Result<(i32, i32), String> {
    let (begin, end) = parts(text, "a range of days")?;
    let (begin, end) = (number(begin, "a day")?, number(end, "a day")?);
    let is_day = |n: i32| n != 0 && (-31..=31).contains(&n);
    if !is_day(begin) || !is_day(end) {
        return Err(format!("`{text}`: days of a month are 1 to 31 and -31 to -1"));
    }
    if begin < 0 && end > 0 {
        return Err(format!("`{text}`: the end must be negative, too, if the start is"));
    }
    // The shortest month has 28 days: what is in order there is in order everywhere.
    let in_shortest = |n: i32| if n < 0 { 28 + n } else { n };
    if in_shortest(begin) > in_shortest(end) {
        return Err(format!("`{text}` always ends before it begins"));
    }
    Ok((begin, end))
}

fn times(range: &TimeRangeConfig) -> Result<std::ops::Range<i32>, String> {
    let (start, end) = (minutes(&range.start_time)?, minutes(&range.end_time)?);
    if start >= end {
        return Err(format!("start_time {} is not before end_time {}", range.start_time, range.end_time));
    }
    Ok(start..end)
}

fn minutes(text: &str) -> Result<i32, String> {
    let wrong = || format!("`{text}` is not a time of day; write HH:MM, 00:00 to 24:00");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return Err(wrong());
    }
    let (hours, minutes) = (number(hours, "an hour")?, number(minutes, "a minute")?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > 24 * 60 { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> Result<TimeInterval, String> {
        let config: TimeIntervalConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        TimeInterval::new(&config)
    }

    fn check(text: &str, at: &str, inside: bool) {
        let interval = interval(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(interval.contains(at.parse().expect("a time")), inside, "{text} at {at}");
    }

    #[test]
    fn all_that_is_given_must_hold() {
        check("", "2026-11-22T03:00:00Z", true);
        let nights =
            "times = [{start_time='22:00', end_time='24:00'}, {start_time='00:00', end_time='06:00'}]";
        check(nights, "2026-11-22T03:00:00Z", true);
        check(nights, "2026-11-22T06:00:00Z", false);
        check(nights, "2026-11-22T23:59:59Z", true);
        // 2026-11-22 is a Sunday.
        check("weekdays = ['sunday']", "2026-11-22T03:00:00Z", true);
        check("weekdays = ['Monday:Friday']", "2026-11-22T03:00:00Z", false);
        check("weekdays = ['sunday', 'saturday']\nmonths = ['december']", "2026-11-22T03:00:00Z", false);
        check("months = ['10:12']\nyears = ['2026']", "2026-11-22T03:00:00Z", true);
        check("years = ['2024:2025', '2027']", "2026-11-22T03:00:00Z", false);
        check("times = []", "2026-11-22T03:00:00Z", false);
    }

    #[test]
    fn days_may_count_from_the_end_of_the_month() {
        check("days_of_month = ['-1']", "2026-02-28T12:00:00Z", true);
        check("days_of_month = ['-3:-1']", "2026-11-28T00:00:00Z", true);
        check("days_of_month = ['-3:-1']", "2026-11-27T23:59:00Z", false);
        check("days_of_month = ['29:31']", "2026-02-28T12:00:00Z", false);
        check("days_of_month = ['27:31']", "2026-02-28T12:00:00Z", true);
        check("days_of_month = ['1:5', '20']", "2026-11-20T12:00:00Z", true);
    }

    #[test]
    fn a_time_zone_moves_day_and_hour() {
        let berlin = "time_zone = 'Europe/Berlin'\nweekdays = ['monday']\ntimes = [{start_time='00:00', end_time='01:00'}]";
        check(berlin, "2026-11-22T23:30:00Z", true);
        check(berlin, "2026-11-23T00:30:00Z", false);
        check(berlin, "2026-07-05T22:30:00Z", true);
    }

    #[test]
    fn what_can_never_be_is_refused() {
        for (text, part) in [
            ("times = [{start_time='10:00', end_time='10:00'}]", "not before"),
            ("times = [{start_time='9:00', end_time='10:00'}]", "HH:MM"),
            ("times = [{start_time='09:00', end_time='24:01'}]", "HH:MM"),
            ("weekdays = ['friday:monday']", "ends before it begins"),
            ("weekdays = ['someday']", "not a weekday"),
            ("days_of_month = ['0']", "1 to 31"),
            ("days_of_month = ['-1:5']", "must be negative"),
            ("days_of_month = ['10:-20']", "always ends before"),
            ("months = ['13']", "not a month"),
            ("years = ['2027:2026']", "ends before it begins"),
            ("time_zone = 'Mars/Olympus'", "IANA"),
            ("weekdays = ['monday:tuesday:friday']", "begin:end"),
        ] {
            let error = interval(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
