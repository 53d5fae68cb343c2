//! Datadog's webhooks integration. Its payload is whatever the user writes into it; `docs/sources.md` has the template to
//! configure, whose names are those of Datadog's variables in small letters. Datadog's default payload is read, too, but
//! has nothing that says which alert it is: then the title does.

use super::wire::{Moment, Text, put, put_some, put_tags};
use super::{Parsed, PayloadError, Source, Standing, Told, decode};
use crate::source::told::Unreadable;
use midwatch_model::Labels;
use serde::Deserialize;

#[derive(Deserialize)]
struct Payload {
    #[serde(default, alias = "ALERT_ID")]
    alert_id: Text,
    /// One monitor's alert from its trigger to its end.
    #[serde(default, alias = "ALERT_CYCLE_KEY")]
    alert_cycle_key: Text,
    #[serde(default, alias = "AGGREG_KEY")]
    aggreg_key: Text,
    #[serde(default, alias = "ALERT_TRANSITION")]
    alert_transition: Text,
    #[serde(default, alias = "ALERT_TYPE")]
    alert_type: Text,
    #[serde(default, alias = "ALERT_PRIORITY")]
    alert_priority: Text,
    #[serde(default, alias = "ALERT_TITLE")]
    alert_title: Text,
    #[serde(default, alias = "ALERT_SCOPE")]
    alert_scope: Text,
    #[serde(default, alias = "ALERT_STATUS")]
    alert_status: Text,
    #[serde(default, alias = "ALERT_METRIC")]
    alert_metric: Text,
    #[serde(default, alias = "ALERT_QUERY")]
    alert_query: Text,
    /// The event's, with the transition in front: `[Triggered on {host:a}] CPU is high`.
    #[serde(default, alias = "TITLE")]
    title: Text,
    #[serde(default, alias = "EVENT_TITLE")]
    event_title: Text,
    #[serde(default)]
    body: Text,
    #[serde(default, alias = "TEXT_ONLY_MSG")]
    text_only_msg: Text,
    #[serde(default, alias = "EVENT_MSG")]
    event_msg: Text,
    #[serde(default, alias = "HOSTNAME")]
    hostname: Text,
    #[serde(default, alias = "TAGS")]
    tags: Tags,
    #[serde(default, alias = "LINK")]
    link: Text,
    #[serde(default, alias = "DATE")]
    date: Text,
    #[serde(default, alias = "LAST_UPDATED")]
    last_updated: Text,
    /// The event's own id.
    #[serde(default, alias = "ID")]
    id: Text,
}

/// `$TAGS` is one text with commas; some templates make a list of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<Text>),
    Line(Text),
}

impl Default for Tags {
    fn default() -> Self {
        Tags::Line(Text::default())
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let payload: Payload = decode(Source::Datadog, body)?;
    let event_ids = known(&payload.id).map(ToOwned::to_owned).into_iter().collect();
    let Some(told) = payload.told() else {
        let reason = "it has neither `alert_id` nor `title`; configure the payload of docs/sources.md";
        return Err(super::malformed(Source::Datadog, reason));
    };
    Ok(Parsed { told: vec![told], event_ids, ..Parsed::default() })
}

/// A value that Datadog has filled in. A variable that it does not know stays as it was written.
fn known(text: &Text) -> Option<&str> {
    let text = text.0.as_str();
    (!text.is_empty() && !text.starts_with('$') && !matches!(text, "null" | "None" | "N/A")).then_some(text)
}

impl Payload {
    fn told(&self) -> Option<Told> {
        let (prefix, plain_title) =
            split_title(known(&self.event_title).or(known(&self.title)).unwrap_or_default());
        let name = known(&self.alert_title).unwrap_or(plain_title);
        if name.is_empty() && known(&self.alert_id).is_none() {
            return None;
        }
        let transition = known(&self.alert_transition).unwrap_or(prefix).to_lowercase();
        let ended = known(&self.alert_transition).is_none() && known(&self.alert_type) == Some("success");
        let resolved = transition.contains("recovered") || ended;
        let moment = |text: &Text| Moment::read(known(text).unwrap_or_default());
        let at = moment(&self.date).or(moment(&self.last_updated));
        let mut told = Told {
            id: self.identity(),
            occurred_at: moment(&self.last_updated).or(moment(&self.date)).at,
            labels: self.labels(name),
            annotations: self.annotations(plain_title),
            standing: if resolved { Standing::Resolved } else { Standing::Firing },
            generator_url: known(&self.link).unwrap_or_default().to_owned(),
            severity: self.severity(&transition),
            ..Told::default()
        };
        if resolved {
            (told.ends_at, told.unreadable) = (at.at, Unreadable { starts_at: None, ends_at: at.unreadable });
        } else {
            (told.starts_at, told.unreadable) =
                (at.at, Unreadable { starts_at: at.unreadable, ends_at: None });
        }
        Some(told)
    }

    /// A monitor may alert for each of its groups, which the monitor's id alone does not tell apart.
    fn identity(&self) -> Option<String> {
        let key = known(&self.alert_cycle_key).or(known(&self.aggreg_key)).map(ToOwned::to_owned);
        key.or_else(|| {
            let monitor = known(&self.alert_id)?;
            Some(
                known(&self.alert_scope)
                    .map_or_else(|| monitor.to_owned(), |scope| format!("{monitor}/{scope}")),
            )
        })
    }

    /// The priority that a person gave the monitor, else what this transition means. An end says nothing of it.
    fn severity(&self, transition: &str) -> Option<String> {
        let kind = known(&self.alert_type).filter(|kind| *kind != "success");
        let word = known(&self.alert_priority).filter(|word| *word != "normal" && *word != "low");
        let warns = transition.contains("warn").then_some("warning");
        word.or(warns).or(kind).map(ToOwned::to_owned)
    }

    fn labels(&self, name: &str) -> Labels {
        let mut labels = Labels::new();
        put(&mut labels, "alertname", name);
        put_some(&mut labels, "host", known(&self.hostname));
        put_some(&mut labels, "monitor_id", known(&self.alert_id));
        put_some(&mut labels, "metric", known(&self.alert_metric));
        let tags: Vec<&str> = match &self.tags {
            Tags::List(all) => all.iter().filter_map(known).collect(),
            Tags::Line(line) => known(line).unwrap_or_default().split(',').collect(),
        };
        put_tags(&mut labels, tags);
        put_tags(&mut labels, known(&self.alert_scope).unwrap_or_default().split(','));
        labels
    }

    fn annotations(&self, title: &str) -> Labels {
        let mut annotations = Labels::new();
        put(&mut annotations, "summary", title);
        let text = [&self.text_only_msg, &self.body, &self.event_msg].into_iter().find_map(known);
        put_some(&mut annotations, "description", text);
        put_some(&mut annotations, "status", known(&self.alert_status));
        put_some(&mut annotations, "transition", known(&self.alert_transition));
        put_some(&mut annotations, "query", known(&self.alert_query));
        annotations
    }
}

/// The transition that stands in brackets before an event's title, perhaps after a priority, and the title:
/// `[P2] [Triggered on {host:a}] CPU is high`.
fn split_title(title: &str) -> (&str, &str) {
    let (mut transition, mut title) = ("", title.trim());
    while let Some((inner, rest)) = title.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // What it is about comes after, and may hold any word.
        transition = inner.split(" on ").next().unwrap_or_default();
        title = rest.trim();
    }
    (transition, title)
}
