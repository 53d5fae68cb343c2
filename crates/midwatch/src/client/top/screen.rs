//! What is on the screen, and what a key does to it. Pure: it neither asks nor draws.

use anyhow::Result;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::Value;

/// What a key asks for.
#[derive(Debug, PartialEq)]
pub enum Deed {
    Nothing,
    Leave,
    /// Approve or deny what was shown.
    Answer(Value, &'static str),
}

#[derive(Default)]
pub struct Screen {
    pub seen: Value,
    /// Why what is shown is old, if it is.
    pub stale: Option<String>,
    /// Which of the approvals is looked at.
    pub chosen: usize,
    /// What is asked for once more before it is done: the request and the answer.
    pub asking: Option<(Value, &'static str)>,
    pub note: String,
}

impl Screen {
    /// Takes what a look has shown; a look that failed leaves what was seen.
    pub fn take(&mut self, looked: Result<Value>) {
        match looked {
            Ok(seen) => {
                self.seen = seen;
                self.stale = None;
            }
            Err(error) => self.stale = Some(format!("{error:#}")),
        }
        self.chosen = self.chosen.min(self.list("approvals").len().saturating_sub(1));
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.seen[name].as_array().map_or(&[], Vec::as_slice)
    }

    pub fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Deed {
        if code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL) {
            return Deed::Leave;
        }
        if let Some((waiting, decision)) = self.asking.take() {
            // Anything but a clear yes is a no.
            return if code == KeyCode::Char('y') { Deed::Answer(waiting, decision) } else { Deed::Nothing };
        }
        let last = self.list("approvals").len().saturating_sub(1);
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Deed::Leave,
            KeyCode::Down | KeyCode::Char('j') => self.chosen = (self.chosen + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.chosen = self.chosen.saturating_sub(1),
            KeyCode::Char('a') => self.ask("approve"),
            KeyCode::Char('d') => self.ask("deny"),
            _ => {}
        }
        Deed::Nothing
    }

    /// What is answered is what is on the screen now, whatever the next look brings.
    fn ask(&mut self, decision: &'static str) {
        self.note.clear();
        self.asking = self.list("approvals").get(self.chosen).map(|waiting| (waiting.clone(), decision));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn screen() -> Screen {
        let mut screen = Screen::default();
        screen.take(Ok(
            json!({ "approvals": [{ "incident": "a", "plan": "1" }, { "incident": "b", "plan": "2" }] }),
        ));
        screen
    }

    fn press(screen: &mut Screen, keys: &str) -> Vec<Deed> {
        keys.chars().map(|key| screen.press(KeyCode::Char(key), KeyModifiers::NONE)).collect()
    }

    #[test]
    fn an_answer_needs_two_keys_and_is_for_what_was_shown() {
        let check = |keys: &str, expected: Option<(&str, &str)>| {
            let last = press(&mut screen(), keys).pop();
            let found = match &last {
                Some(Deed::Answer(waiting, decision)) => Some((waiting["incident"].as_str(), *decision)),
                _ => None,
            };
            assert_eq!(found, expected.map(|(id, decision)| (Some(id), decision)), "{keys}");
        };
        check("ay", Some(("a", "approve")));
        check("jay", Some(("b", "approve")));
        check("jjkdy", Some(("a", "deny")));
        check("a", None);
        check("an", None);
        check("aq", None);
        check("y", None);
        let mut changed = screen();
        press(&mut changed, "a");
        changed.take(Ok(json!({ "approvals": [{ "incident": "a", "plan": "other" }] })));
        let answers = press(&mut changed, "y");
        assert!(matches!(&answers[0], Deed::Answer(waiting, _) if waiting["plan"] == "1"), "{answers:?}");
    }

    #[test]
    fn a_look_that_fails_leaves_what_was_seen_and_says_so() {
        let mut screen = screen();
        screen.take(Err(anyhow::anyhow!("gone")));
        assert_eq!((screen.list("approvals").len(), screen.stale.as_deref()), (2, Some("gone")));
        screen.chosen = 1;
        screen.take(Ok(json!({ "approvals": [] })));
        assert_eq!((screen.chosen, screen.stale.as_deref()), (0, None));
        assert_eq!(press(&mut screen, "a"), [Deed::Nothing]);
        assert!(screen.asking.is_none());
    }
}
