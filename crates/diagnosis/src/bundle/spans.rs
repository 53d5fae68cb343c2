//! Spans as series: how long each component worked by itself, and whether a failure began at it.

use super::{Series, TraceSpan};
use std::collections::{BTreeMap, HashMap};

/// The file that these series are of.
pub const SOURCE: &str = super::FILES[3];

/// Words of them are words of the field, so that they mean what they are.
const SELF_TIME: &str = "span self latency ms";
const ORIGIN: &str = "span error origin";

/// Two series per component: a sample for each of its spans.
pub fn series(spans: &[TraceSpan]) -> Vec<Series> {
    let index: HashMap<(&str, &str), usize> = spans
        .iter()
        .enumerate()
        .map(|(at, span)| ((span.trace_id.as_str(), span.span_id.as_str()), at))
        .collect();
    let mut children: Vec<Vec<&TraceSpan>> = vec![Vec::new(); spans.len()];
    for span in spans {
        let parent =
            span.parent_id.as_deref().and_then(|parent| index.get(&(span.trace_id.as_str(), parent)));
        if let Some(parent) = parent {
            children[*parent].push(span);
        }
    }
    let mut samples: BTreeMap<(&str, &str), Vec<(i64, f64)>> = BTreeMap::new();
    for (span, children) in spans.iter().zip(&children) {
        let mut add =
            |metric, value| samples.entry((&span.component, metric)).or_default().push((span.at, value));
        add(SELF_TIME, self_time(span, children));
        add(ORIGIN, f64::from(u8::from(began_here(span, children))));
    }
    samples.into_iter().map(|((component, metric), samples)| one(component, metric, samples)).collect()
}

fn one(component: &str, metric: &str, mut samples: Vec<(i64, f64)>) -> Series {
    samples.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (at, values) = samples.into_iter().unzip();
    Series { source: SOURCE, component: component.to_owned(), metric: metric.to_owned(), at, values }
}

/// Time in which none of its children worked.
fn self_time(span: &TraceSpan, children: &[&TraceSpan]) -> f64 {
    let (start, end) = (span.at as f64, span.at as f64 + span.duration_ms);
    let mut busy: Vec<(f64, f64)> = children
        .iter()
        .map(|child| ((child.at as f64).max(start), (child.at as f64 + child.duration_ms).min(end)))
        .filter(|(from, to)| to > from)
        .collect();
    busy.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut covered, mut until) = (0.0, start);
    for (from, to) in busy {
        covered += (to - from.max(until)).max(0.0);
        until = until.max(to);
    }
    (span.duration_ms - covered).max(0.0)
}

/// Whether it failed and nothing that it called failed before; who is cut off while still at work did not fail.
fn began_here(span: &TraceSpan, children: &[&TraceSpan]) -> bool {
    let end = span.at as f64 + span.duration_ms;
    let failed_before = |child: &&&TraceSpan| child.failed && child.at as f64 + child.duration_ms <= end;
    let cut_off = span.details.iter().any(|detail| detail.to_lowercase().contains("cancel"));
    span.failed && !cut_off && !children.iter().any(|child| failed_before(&child))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(
        id: &str,
        parent: Option<&str>,
        component: &str,
        at: i64,
        duration_ms: f64,
        failed: bool,
    ) -> TraceSpan {
        TraceSpan {
            trace_id: "t".into(),
            span_id: id.into(),
            parent_id: parent.map(str::to_owned),
            component: component.into(),
            name: String::new(),
            at,
            duration_ms,
            failed,
            details: vec![],
        }
    }

    fn of<'a>(series: &'a [Series], component: &str, metric: &str) -> &'a [f64] {
        &series.iter().find(|s| s.component == component && s.metric == metric).expect("a series").values
    }

    #[test]
    fn children_that_overlap_are_counted_once_and_failures_begin_at_the_deepest() {
        let spans = [
            span("a", None, "web", 0, 100.0, true),
            span("b", Some("a"), "cart", 10, 40.0, true),
            span("c", Some("a"), "ads", 30, 40.0, false),
        ];
        let series = series(&spans);
        assert_eq!(of(&series, "web", SELF_TIME), [40.0]);
        assert_eq!((of(&series, "web", ORIGIN), of(&series, "cart", ORIGIN)), (&[0.0][..], &[1.0][..]));
    }

    #[test]
    fn who_gives_up_is_where_the_failure_began() {
        let spans = [span("a", None, "web", 0, 50.0, true), span("b", Some("a"), "db", 0, 90.0, true)];
        assert_eq!(of(&series(&spans), "web", ORIGIN), [1.0]);
    }
}
