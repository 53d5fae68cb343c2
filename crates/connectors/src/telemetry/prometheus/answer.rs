//! The query API's JSON, decoded strictly. Source: prometheus.io/docs/prometheus/latest/querying/api.

use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// An answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum Reply {
    Success {
        data: Data,
    },
    Error {
        #[serde(rename = "errorType")]
        error_type: String,
        error: String,
    },
}

/// The kinds of result that queries of ours have; a scalar or a string is a mistake in the query.
#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "snake_case")]
pub(super) enum Data {
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
}

impl Data {
    pub fn into_series(self) -> Vec<Series> {
        match self {
            Data::Vector(found) => found.into_iter().map(Series::from).collect(),
            Data::Matrix(found) => found.into_iter().map(Series::from).collect(),
        }
    }
}

/// One series with its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970 and value, oldest first. Values may be NaN or infinite.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The label `service`, if it is there and not empty.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.labels.get("service").map(String::as_str).filter(|service| !service.is_empty())
    }

    /// The newest point.
    #[must_use]
    pub fn last(&self) -> Option<(f64, f64)> {
        self.points.last().copied()
    }
}

/// `[1435781451.781, "0.25"]`
#[derive(Debug, Deserialize)]
struct Point(f64, #[serde(deserialize_with = "number")] f64);

#[derive(Debug, Deserialize)]
pub(super) struct Instant {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Debug, Deserialize)]
pub(super) struct Range {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

impl From<Instant> for Series {
    fn from(found: Instant) -> Self {
        Self { labels: found.metric, points: vec![(found.value.0, found.value.1)] }
    }
}

impl From<Range> for Series {
    fn from(found: Range) -> Self {
        let points = found.values.into_iter().map(|point| (point.0, point.1));
        Self { labels: found.metric, points: points.collect() }
    }
}

/// Values are strings, since JSON has no NaN.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    text.parse().map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a number in quotes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Series>, String> {
        match serde_json::from_str(text) {
            Ok(Reply::Success { data }) => Ok(data.into_series()),
            Ok(Reply::Error { error_type, error }) => Err(format!("{error_type}: {error}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn answers_of_the_documentation_are_read() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"service":"a"},"value":[1435781451.781,"1"]},{"metric":{},"value":[1,"NaN"]}]},"warnings":["w"]}"#;
        let series = read(vector).expect("a vector");
        assert_eq!((series[0].service(), series[0].last()), (Some("a"), Some((1_435_781_451.781, 1.0))));
        assert!(series[1].last().is_some_and(|(_, value)| value.is_nan()));

        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"service":"a"},"values":[[1,"0.5"],[2,"+Inf"]]}]}}"#;
        assert_eq!(read(matrix).expect("a matrix")[0].points, [(1.0, 0.5), (2.0, f64::INFINITY)]);

        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert_eq!(read(refused), Err("bad_data: parse error".to_owned()));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "<html>",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,2]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"one"]}]}}"#,
            r#"{"status":"maybe"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
