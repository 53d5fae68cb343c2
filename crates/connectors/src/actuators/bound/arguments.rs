//! Arguments of a command: text with typed places in it. An argument stays one argument whatever fills its places, and
//! nothing that fills one becomes an option.

use midwatch_model::journal::Intent;
use midwatch_model::{Action, ActionKind, ServiceName};

/// Characters of a value: a digest of an image has 71, a label 63.
const VALUE_CHARS_MAX: usize = 200;

/// What a place in an argument stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
enum Place {
    Service,
    Key,
    Incident,
    Action,
    Version,
    Replicas,
    Size,
    /// `open` or `closed`.
    Circuit,
    Generation,
    Revision,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Place),
}

/// What arguments are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Asking for a service's state.
    State,
    /// Asking what became of a call.
    Status,
    Action(ActionKind),
}

/// The arguments of one use.
#[derive(Clone, Debug)]
pub(super) struct Arguments(Vec<Vec<Part>>);

impl Use {
    fn has(self, place: Place) -> bool {
        match (self, place) {
            (_, Place::Service) => true,
            (Use::State, _) => false,
            (_, Place::Key | Place::Action | Place::Incident) => true,
            (Use::Status, _) => false,
            (Use::Action(_), Place::Generation | Place::Revision) => true,
            (Use::Action(kind), Place::Version) => kind == ActionKind::Rollback,
            (Use::Action(kind), Place::Replicas) => kind == ActionKind::Scale,
            (Use::Action(kind), Place::Size) => kind == ActionKind::ResizeDbPool,
            (Use::Action(kind), Place::Circuit) => kind == ActionKind::CircuitBreak,
        }
    }

    /// What must be passed on, lest the command do something else than was decided.
    fn needs(self) -> Option<Place> {
        [Place::Version, Place::Replicas, Place::Size, Place::Circuit]
            .into_iter()
            .find(|place| matches!(self, Use::Action(_)) && self.has(*place))
    }
}

impl Arguments {
    /// # Errors
    /// What is wrong with them, and the fix.
    pub fn parse(written: &[String], of: Use) -> Result<Self, String> {
        let all: Vec<Vec<Part>> =
            written.iter().map(|text| parse_one(text, of)).collect::<Result<_, String>>()?;
        let used = |place| all.iter().flatten().any(|part| *part == Part::Value(place));
        if let Some(needed) = of.needs().filter(|place| !used(*place)) {
            let name: &str = needed.into();
            return Err(format!("does not say {{{name}}}: what was decided has to reach the command"));
        }
        Ok(Self(all))
    }

    /// # Errors
    /// The value that cannot be passed on.
    pub fn of_service(&self, service: &ServiceName) -> Result<Vec<String>, String> {
        self.fill(|place| match place {
            Place::Service => Some(service.to_string()),
            _ => None,
        })
    }

    /// # Errors
    /// The value that cannot be passed on.
    pub fn of_intent(&self, intent: &Intent) -> Result<Vec<String>, String> {
        self.fill(|place| value(place, intent))
    }

    fn fill(&self, value: impl Fn(Place) -> Option<String>) -> Result<Vec<String>, String> {
        self.0.iter().map(|parts| fill_one(parts, &value)).collect()
    }
}

fn parse_one(text: &str, of: Use) -> Result<Vec<Part>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) =
            after.split_once('}').ok_or_else(|| format!("`{text}` has a {{ without its }}"))?;
        let place = name.parse::<Place>().ok().filter(|place| of.has(*place));
        let place = place.ok_or_else(|| {
            let all = <Place as strum::VariantArray>::VARIANTS.iter().filter(|place| of.has(**place));
            let names: Vec<&'static str> = all.map(|place| place.into()).collect();
            format!("`{text}` has {{{name}}} in it; here there is {}", names.join(", "))
        })?;
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Value(place));
        rest = behind;
    }
    if rest.contains('\0') || text.contains('\0') {
        return Err("an argument has a zero byte in it".to_owned());
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn fill_one(parts: &[Part], value: impl Fn(Place) -> Option<String>) -> Result<String, String> {
    let mut argument = String::new();
    for part in parts {
        match part {
            Part::Text(text) => argument.push_str(text),
            Part::Value(place) => {
                let name: &str = place.into();
                let value = value(*place).ok_or_else(|| format!("{{{name}}} is not known"))?;
                fits(&value).map_err(|problem| format!("{{{name}}} {problem}"))?;
                // At the beginning it would be read as an option.
                if argument.is_empty() && value.starts_with('-') {
                    return Err(format!("{{{name}}} begins with a dash and would be an option"));
                }
                argument.push_str(&value);
            }
        }
    }
    Ok(argument)
}

fn fits(value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+=".contains(c);
    if value.is_empty() || value.chars().count() > VALUE_CHARS_MAX {
        return Err(format!("must have 1 to {VALUE_CHARS_MAX} characters"));
    }
    if !value.chars().all(plain) {
        return Err("has other characters in it than letters, digits and -_.:/@+=".to_owned());
    }
    Ok(())
}

fn value(place: Place, intent: &Intent) -> Option<String> {
    match (place, &intent.action) {
        (Place::Service, action) => Some(action.target().to_string()),
        (Place::Key, _) => Some(intent.key.to_string()),
        (Place::Incident, _) => {
            Some(intent.incident.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string))
        }
        (Place::Action, action) => Some(action.kind().to_string()),
        (Place::Version, Action::Rollback { to_version, .. }) => {
            to_version.clone().or_else(|| intent.before.previous_version.clone())
        }
        (Place::Replicas, Action::Scale { replicas, .. }) => Some(replicas.to_string()),
        (Place::Size, Action::ResizeDbPool { size, .. }) => Some(size.to_string()),
        (Place::Circuit, Action::CircuitBreak { open, .. }) => {
            Some(if *open { "open" } else { "closed" }.to_owned())
        }
        (Place::Generation, _) => Some(intent.before.generation.to_string()),
        (Place::Revision, _) => intent.before.revision.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, service: &str) -> Result<Vec<String>, String> {
        Arguments::parse(&[text.to_owned()], Use::State)?.of_service(&ServiceName::new(service))
    }

    #[test]
    fn a_value_stays_within_its_argument() {
        for (text, service, expected) in [
            ("{service}", "pay", Ok("pay")),
            ("--of={service}!", "pay", Ok("--of=pay!")),
            ("$(reboot)", "pay", Ok("$(reboot)")),
            ("--of={service}", "-rf", Ok("--of=-rf")),
            ("{service}", "-rf", Err("would be an option")),
            ("{service}", "a b", Err("other characters")),
            ("{service}", "a;reboot", Err("other characters")),
            ("{service}", "a\nb", Err("other characters")),
            ("{service}", "$(reboot)", Err("other characters")),
            ("{service}", "", Err("1 to 200 characters")),
            ("{servce}", "pay", Err("here there is service")),
            ("{key}", "pay", Err("here there is service")),
            ("{service", "pay", Err("without its }")),
        ] {
            match (filled(text, service), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, [expected], "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text} {service}: {error}"),
                (found, expected) => panic!("{text} {service}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn what_was_decided_has_to_reach_the_command() {
        let parse = |kind, text: &str| Arguments::parse(&[text.to_owned()], Use::Action(kind)).map(|_| ());
        assert!(parse(ActionKind::Scale, "{replicas}").is_ok());
        assert!(parse(ActionKind::Restart, "again").is_ok());
        for (kind, text, part) in [
            (ActionKind::Scale, "up", "{replicas}"),
            (ActionKind::Rollback, "back", "{version}"),
            (ActionKind::CircuitBreak, "open", "{circuit}"),
            (ActionKind::ResizeDbPool, "more", "{size}"),
            (ActionKind::Restart, "{replicas}", "here there is"),
        ] {
            let error = parse(kind, text).expect_err("refused");
            assert!(error.contains(part), "{kind}: {error}");
        }
    }
}
