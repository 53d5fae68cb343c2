//! What would be sent, without sending it: nothing leaves the process, and no secret is read.

use super::post::Page;
use super::template::Templates;
use super::{NotificationsConfig, Notifier, Notifiers, ReceiverConfig, Secrets};
use crate::ConnectorError;
use midwatch_model::Bulletin;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One request, or one mail, as people may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    pub target: String,
    /// `POST https://…`, or to whom a mail goes.
    pub to: String,
    pub body: Value,
}

/// Shows what receivers would be told.
pub struct Previews {
    notifiers: BTreeMap<String, Notifier>,
    templates: Templates,
}

impl Previews {
    /// # Errors
    /// When a receiver or a template cannot be used; the error names field and fix.
    pub fn new(receivers: &[ReceiverConfig], config: &NotificationsConfig) -> Result<Self, ConnectorError> {
        let Notifiers { by_target, shared } = Notifiers::with(receivers, config, Secrets::MadeUp)?;
        let templates = match shared {
            Some(shared) => shared.templates,
            None => Templates::new(None)?,
        };
        Ok(Self { notifiers: by_target, templates })
    }

    /// What a target would be sent, given what it gave back before; none for who is told alerts as they are.
    #[must_use]
    pub fn of(&self, target: &str, bulletin: &Bulletin, thread: &Value) -> Vec<Preview> {
        let page = Page { bulletin, templates: &self.templates, thread };
        let Some(notifier) = self.notifiers.get(target) else { return Vec::new() };
        if let Notifier::Email(email) = notifier {
            let mail = email.mail(bulletin, &self.templates);
            let body = json!({ "subject": mail.subject, "text": mail.text, "html": mail.html });
            return vec![Preview {
                target: target.to_owned(),
                to: format!("mail to {}", mail.to.join(", ")),
                body,
            }];
        }
        let vendor = notifier.vendor();
        let requests = vendor.map(|vendor| vendor.requests(&page)).unwrap_or_default();
        requests
            .iter()
            .map(|request| {
                let mut shown = request.shown();
                let to = format!("{} {}", request.method, request.shown_url());
                Preview { target: target.to_owned(), to, body: shown["body"].take() }
            })
            .collect()
    }

    /// What a target gives back when it is first told, so that what comes next can be shown, too.
    #[must_use]
    pub fn thread_of(&self, target: &str) -> Value {
        self.notifiers.get(target).and_then(Notifier::vendor).map_or(Value::Null, |vendor| vendor.example())
    }
}
