//! Templates of messages: what is said, and in which order. A user can replace each of them by a file of the same name;
//! the shape around it (blocks, cards, fields, buttons) is the vendor's and is made in code.

use super::text;
use crate::ConnectorError;
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Timestamp};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State, context};
use std::path::Path;

/// A template by its use. The ending says for which markup what comes from outside is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
pub(super) enum Template {
    /// One line to recognise it by.
    #[strum(serialize = "title.txt")]
    Title,
    /// All of it, in plain text.
    #[strum(serialize = "text.txt")]
    Text,
    /// All of it, for Slack.
    #[strum(serialize = "slack.mrkdwn")]
    Slack,
    /// All of it, for GitHub, Discord and Teams.
    #[strum(serialize = "markdown.md")]
    Markdown,
    #[strum(serialize = "mail_subject.txt")]
    MailSubject,
    #[strum(serialize = "mail.html")]
    Mail,
}

impl Template {
    fn name(self) -> &'static str {
        self.into()
    }

    fn built_in(self) -> &'static str {
        match self {
            Template::Title => include_str!("../../templates/title.txt"),
            Template::Text => include_str!("../../templates/text.txt"),
            Template::Slack => include_str!("../../templates/slack.mrkdwn"),
            Template::Markdown => include_str!("../../templates/markdown.md"),
            Template::MailSubject => include_str!("../../templates/mail_subject.txt"),
            Template::Mail => include_str!("../../templates/mail.html"),
        }
    }
}

/// Steps that rendering may take: a template that loops must not stop the watch. The built-in ones take some thousands.
const FUEL: u64 = 200_000;

/// Characters that a template may give: more than any vendor takes.
const CHARS_MAX: usize = 400_000;

/// All templates.
pub(crate) struct Templates {
    own: Environment<'static>,
    built_in: Environment<'static>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Templates")
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.set_fuel(Some(FUEL));
    env.set_auto_escape_callback(|name| match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => AutoEscape::Html,
        Some("mrkdwn") => AutoEscape::Custom("mrkdwn".into()),
        Some("md") => AutoEscape::Custom("markdown".into()),
        _ => AutoEscape::None,
    });
    env.set_formatter(format);
    env.add_filter("code", code);
    env.add_filter("percent", |number: f64| format!("{:.0} %", number * 100.0));
    env.add_filter("fixed", |number: f64, digits: usize| format!("{number:.digits$}"));
    env.add_filter("clock", |time: String| shown(&time, "%H:%M UTC"));
    env.add_filter("stamp", |time: String| shown(&time, "%Y-%m-%d %H:%M:%S UTC"));
    env.add_filter("duration", |seconds: f64| duration(seconds));
    env.add_filter("cut", |text: String, max: usize| text::cut(&text, max));
    env.add_filter("html", |text: String| Value::from_safe_string(super::html::of_markdown(&text)));
    env
}

/// Text from outside, escaped for the markup that the template is in.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let escape = match markup(state) {
        Some(Markup::Mrkdwn) => text::mrkdwn,
        Some(Markup::Markdown) => text::markdown,
        None => return minijinja::escape_formatter(out, state, value),
    };
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    let text = value.to_string();
    out.write_str(&if value.is_safe() { text } else { escape(&text) }).map_err(minijinja::Error::from)
}

/// A query or command between backticks.
fn code(state: &State, value: String) -> Value {
    let quoted = text::code(&value);
    match markup(state) {
        Some(Markup::Mrkdwn) => Value::from_safe_string(text::mrkdwn(&quoted)),
        Some(Markup::Markdown) => Value::from_safe_string(text::markdown_code(&value)),
        None => Value::from(value),
    }
}

/// A markup that is neither HTML nor none.
enum Markup {
    Mrkdwn,
    Markdown,
}

fn markup(state: &State) -> Option<Markup> {
    match state.auto_escape() {
        AutoEscape::Custom(name) if name == "mrkdwn" => Some(Markup::Mrkdwn),
        AutoEscape::Custom(name) if name == "markdown" => Some(Markup::Markdown),
        _ => None,
    }
}

fn shown(time: &str, format: &str) -> String {
    time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |time| time.strftime(format).to_string())
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

impl Templates {
    /// The built-in ones, with those of a folder in their place.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn new(folder: Option<&Path>) -> Result<Self, ConnectorError> {
        let mut built_in = environment();
        let wrong =
            |problem: String| ConnectorError::Config { field: "notifications.templates".into(), problem };
        for template in <Template as strum::VariantArray>::VARIANTS {
            built_in
                .add_template(template.name(), template.built_in())
                .map_err(|error| wrong(error.to_string()))?;
        }
        let mut own = environment();
        for path in folder.map(files).transpose().map_err(wrong)?.unwrap_or_default() {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let all = <Template as strum::VariantArray>::VARIANTS;
            if !all.iter().any(|template| template.name() == name) {
                let names: Vec<&str> = all.iter().map(|template| template.name()).collect();
                return Err(wrong(format!(
                    "has `{name}`, which is no template; templates are {}",
                    names.join(", ")
                )));
            }
            let source = std::fs::read_to_string(&path)
                .map_err(|error| wrong(format!("has {}, which cannot be read: {error}", path.display())))?;
            own.add_template_owned(name.clone(), source)
                .map_err(|error| wrong(format!("has `{name}`, which is no template: {error}")))?;
        }
        Ok(Self { own, built_in })
    }

    /// What a template says of a bulletin. One of the user's that fails is replaced by the built-in one: that a message is
    /// not as pretty as it could be keeps nobody from hearing of an incident.
    pub fn render(&self, template: Template, bulletin: &Bulletin) -> String {
        let data = data(bulletin);
        let own = self.own.get_template(template.name()).ok();
        let own = own.and_then(|own| match own.render(&data) {
            Ok(text) => Some(text),
            Err(error) => {
                tracing::warn!(template = template.name(), %error, "your template fails; the built-in one is used");
                None
            }
        });
        let built_in = || {
            let rendered =
                self.built_in.get_template(template.name()).and_then(|built_in| built_in.render(&data));
            rendered.unwrap_or_else(|error| {
                format!("{}\n\n(midwatch could not lay this out: {error})", bulletin.verdict)
            })
        };
        tidy(&text::cut(&own.unwrap_or_else(built_in), CHARS_MAX))
    }

    /// What fails in the user's templates for a bulletin.
    pub fn problems(&self, bulletin: &Bulletin) -> Vec<ConnectorError> {
        let data = data(bulletin);
        let wrong = |(name, template): (&str, minijinja::Template<'_, '_>)| {
            let error = template.render(&data).err()?;
            let problem = format!("has `{name}`, which fails for `{}`: {error}", bulletin.moment);
            Some(ConnectorError::Config { field: "notifications.templates".into(), problem })
        };
        self.own.templates().filter_map(wrong).collect()
    }
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let mut files: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// No more than one empty line in a row, none at the ends.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines() {
        empty = if line.trim().is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            tidy.push_str(line.trim_end());
            tidy.push('\n');
        }
    }
    tidy.trim_end().to_owned()
}

/// What templates know: the bulletin's fields, and what follows from them.
fn data(bulletin: &Bulletin) -> Value {
    let strongest = bulletin.symptoms.iter().find(|symptom| symptom.sigma.is_some());
    let minutes = bulletin.foreseen.as_ref().and_then(|foreseen| foreseen.minutes_left(bulletin.at));
    context! {
        sigma => strongest.and_then(|symptom| symptom.sigma),
        anomaly_score => strongest.and_then(midwatch_model::bulletin::Symptom::anomaly_score),
        minutes_left => minutes.map(f64::ceil),
        is_over => bulletin.standing == midwatch_model::Standing::Over,
        is_postmortem => bulletin.moment == Moment::Postmortem,
        ..Value::from(Serde(bulletin))
    }
}
