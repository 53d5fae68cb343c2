//! CloudEvents 1.0 in structured mode, one event or a batch. The alert is the event's data in our own schema; failing
//! that, the event's attributes tell what they can.

use super::generic::GenericAlert;
use super::wire::{Moment, put, put_some};
use super::{Parsed, PayloadError, Source, Standing, Told, decode, malformed};
use base64::Engine as _;
use midwatch_model::Labels;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Event {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    time: Moment,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    data_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Event>),
    One(Box<Event>),
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let events = match is_array {
        true => OneOrMany::Many(decode(Source::CloudEvents, body)?),
        false => OneOrMany::One(decode(Source::CloudEvents, body)?),
    };
    let events = match events {
        OneOrMany::Many(events) => events,
        OneOrMany::One(event) => vec![*event],
    };
    let mut parsed = Parsed::default();
    for (index, event) in events.into_iter().enumerate() {
        event.check().map_err(|reason| malformed(Source::CloudEvents, format!("event {index}: {reason}")))?;
        // The pair is what CloudEvents says to tell events apart by.
        parsed.event_ids.push(format!("{} {}", event.source, event.id));
        match event.told() {
            Ok(told) => parsed.told.push(told),
            Err(reason) => parsed.refused.push((index, reason)),
        }
    }
    Ok(parsed)
}

impl Event {
    fn check(&self) -> Result<(), String> {
        if self.specversion != "1.0" {
            return Err(format!("its specversion is `{}`, not `1.0`", self.specversion));
        }
        let needed = [("id", &self.id), ("source", &self.source), ("type", &self.kind)];
        match needed.into_iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => Err(format!("`{name}` is empty")),
            None => Ok(()),
        }
    }

    fn told(self) -> Result<Told, String> {
        let data = self.payload();
        let mut told = match data.clone().map(serde_json::from_value::<GenericAlert>) {
            Some(Ok(alert)) => alert.told()?,
            _ => self.derived(data.as_ref()),
        };
        // An id is its producer's; two producers may have chosen the same.
        let own = told.id.take().or_else(|| self.subject.clone()).filter(|id| !id.is_empty());
        told.id = own.map(|id| format!("{} {id}", self.source));
        put(&mut told.annotations, "event_type", &self.kind);
        put(&mut told.annotations, "event_source", &self.source);
        if told.standing == Standing::Resolved && told.ends_at.is_none() {
            told.ends_at = self.time.at;
            told.unreadable.ends_at.clone_from(&self.time.unreadable);
        } else if told.starts_at.is_none() {
            told.starts_at = self.time.at;
            told.unreadable.starts_at.clone_from(&self.time.unreadable);
        }
        Ok(told)
    }

    /// The data, which may be JSON, JSON in a text, or either of them in base64.
    fn payload(&self) -> Option<Value> {
        let bytes = match (&self.data, &self.data_base64) {
            (Some(Value::String(text)), _) => text.clone().into_bytes(),
            (Some(value), _) => return Some(value.clone()),
            (None, Some(encoded)) => base64::engine::general_purpose::STANDARD.decode(encoded).ok()?,
            (None, None) => return None,
        };
        super::wire::decode(&bytes).ok()
    }

    fn derived(&self, data: Option<&Value>) -> Told {
        let field = |names: &[&str]| {
            let texts = names.iter().filter_map(|name| data?.get(name)?.as_str());
            texts.map(str::trim).find(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        let last = self.source.rsplit(['/', ':']).find(|part| !part.is_empty());
        let mut labels = Labels::new();
        put(&mut labels, "alertname", &self.kind);
        put_some(
            &mut labels,
            "service",
            field(&["service", "service_name", "app"]).or(last.map(ToOwned::to_owned)),
        );
        put_some(&mut labels, "subject", self.subject.as_ref());
        let mut annotations = Labels::new();
        put_some(&mut annotations, "summary", field(&["title", "summary", "message", "description"]));
        Told {
            id: field(&["id", "alert_id", "alertId"]),
            labels,
            annotations,
            standing: self.standing(field(&["status", "state"]).as_deref(), field(&["acknowledged_by"])),
            generator_url: field(&["url", "link"]).unwrap_or_default(),
            severity: field(&["severity", "priority", "level"]),
            ..Told::default()
        }
    }

    /// What the data's status says, else the last word of the type: `com.example.alert.resolved`.
    fn standing(&self, status: Option<&str>, by: Option<String>) -> Standing {
        let last = self.kind.rsplit(['.', '/', ':', '-', '_']).next();
        match status.or(last).unwrap_or_default().to_lowercase().as_str() {
            "resolved" | "recovered" | "closed" | "cleared" | "ok" | "normal" => Standing::Resolved,
            "acknowledged" | "acked" => Standing::Acknowledged { by },
            _ => Standing::Firing,
        }
    }
}
