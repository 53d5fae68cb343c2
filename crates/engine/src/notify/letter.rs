//! What a notification in the outbox says, read back.

use midwatch_model::{Bulletin, Standing};
use midwatch_report::{Message, of_alerts};
use midwatch_store::Notification;

/// What is sent.
pub(super) enum Letter {
    /// Whatever it is, it goes out as it is.
    Alerts,
    Bulletin(Box<Bulletin>),
}

impl Letter {
    pub fn of(notification: &Notification) -> Self {
        if let Ok(bulletin) = serde_json::from_slice(&notification.body) {
            return Letter::Bulletin(Box::new(bulletin));
        }
        match serde_json::from_slice::<Message>(&notification.body) {
            Ok(message) => {
                // What does not fit into a key at a vendor is its business; here the group is known by its own.
                let topic = notification.group_key.clone();
                Letter::Bulletin(Box::new(Bulletin { topic, ..of_alerts(&message, notification.created_at) }))
            }
            Err(_) => Letter::Alerts,
        }
    }

    pub fn bulletin(&self) -> Option<&Bulletin> {
        match self {
            Letter::Alerts => None,
            Letter::Bulletin(bulletin) => Some(bulletin),
        }
    }

    /// Whether the next thing about the same topic begins anew: alerts that are over and fire again are another story.
    pub fn ends_thread(&self) -> bool {
        self.bulletin().is_some_and(|bulletin| !bulletin.is_incident && bulletin.standing == Standing::Over)
    }
}
