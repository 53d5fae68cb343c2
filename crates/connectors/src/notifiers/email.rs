//! E-mail: a mail for each turn of an incident, as HTML with a text part, to those whose role it concerns.

use super::post::{wrong, wrong_timeout};
use super::template::{Template, Templates};
use super::text::line;
use super::{Configured, Notifier, NotifyError, Secrets, Tell, Told, topic_key};
use crate::ConnectorError;
use crate::egress::Egress;
use crate::error::excerpt;
use crate::secret::{Secret, SecretConfig};
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Severity, Telling};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// It begins in plain text and must change to TLS before anything else is said (port 587).
    #[default]
    Starttls,
    /// TLS from the first byte (port 465).
    Tls,
    /// None: only for a relay on this machine or in a network that is protected otherwise.
    None,
}

/// Who hears of what, by role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailRoles {
    /// Hears of everything.
    pub on_call: Vec<String>,
    /// Hears of what is high or critical, and gets postmortems.
    pub team: Vec<String>,
    /// Hears of what is critical, and gets postmortems.
    pub management: Vec<String>,
}

/// Mailboxes, by role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmailConfig {
    /// The mail server.
    pub host: String,
    /// Its port; 587, 465 or 25 by `security` if absent.
    pub port: Option<u16>,
    /// `starttls`, `tls` or `none`.
    pub security: MailSecurity,
    /// Whom to log in as, if that is needed.
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(skip_serializing_if = "SecretConfig::is_unset")]
    pub password: SecretConfig,
    /// The sender, such as `midwatch <midwatch@example.org>`.
    pub from: String,
    /// Hears of everything.
    pub on_call: Vec<String>,
    /// Hears of what is high or critical, and gets postmortems.
    pub team: Vec<String>,
    /// Hears of what is critical, and gets postmortems.
    pub management: Vec<String>,
    /// Roles of services that have others; a role that a service does not name is that of above.
    pub services: BTreeMap<String, MailRoles>,
    /// Moments of an incident that are mailed; by default alert, verdict, plan, resolved and postmortem, and what a person has
    /// to take over.
    pub tell: Vec<Moment>,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for EmailConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            security: MailSecurity::Starttls,
            username: None,
            password: SecretConfig::default(),
            from: String::new(),
            on_call: Vec::new(),
            team: Vec::new(),
            management: Vec::new(),
            services: BTreeMap::new(),
            tell: Vec::new(),
            // Mail servers let those wait whom they do not know.
            timeout_s: 30.0,
        }
    }
}

impl EmailConfig {
    fn addresses(&self) -> impl Iterator<Item = &String> {
        let services =
            self.services.values().flat_map(|roles| [&roles.on_call, &roles.team, &roles.management]);
        [&self.on_call, &self.team, &self.management].into_iter().chain(services).flatten()
    }

    fn default_port(&self) -> u16 {
        match self.security {
            MailSecurity::Starttls => 587,
            MailSecurity::Tls => 465,
            MailSecurity::None => 25,
        }
    }
}

impl Configured for EmailConfig {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn telling(&self) -> Telling {
        Telling::Letters
    }

    fn moments(&self) -> Vec<Moment> {
        use Moment::{Alert, Escalated, FalseAlarm, Plan, Postmortem, Recurred, Resolved, Verdict};
        match self.tell.is_empty() {
            true => vec![Alert, Verdict, Plan, Escalated, Resolved, Recurred, FalseAlarm, Postmortem],
            false => self.tell.clone(),
        }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let mut problems: Vec<ConnectorError> = wrong_timeout(self.timeout_s, field).into_iter().collect();
        let is_host = !self.host.is_empty() && !self.host.contains(['/', '@', ' ']);
        if !is_host {
            problems.push(wrong(
                field,
                "host",
                "must be the mail server's name or address, such as \"mail.example.org\"",
            ));
        }
        if self.from.parse::<Mailbox>().is_err() {
            problems.push(wrong(
                field,
                "from",
                "must be an address, such as \"midwatch <midwatch@example.org>\"",
            ));
        }
        for address in self.addresses().filter(|address| address.parse::<Mailbox>().is_err()) {
            problems.push(wrong(
                field,
                "on_call, team or management",
                format!("has `{}`, which is no address", excerpt(address)),
            ));
        }
        if self.on_call.is_empty() {
            problems.push(wrong(field, "on_call", "is empty; name who hears of everything"));
        }
        match (&self.username, self.password.is_unset()) {
            (Some(_), _) => problems.extend(self.password.problem(&format!("{field} password"))),
            (None, false) => problems.push(wrong(field, "username", "is missing beside the password")),
            (None, true) => {}
        }
        if self.username.is_some() && self.security == MailSecurity::None {
            problems.push(wrong(
                field,
                "security",
                "is \"none\", which would send the password in plain text; use \"starttls\" or \"tls\"",
            ));
        }
        problems
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        let password = match &self.username {
            Some(username) => Some((
                username.clone(),
                secrets.read(&self.password, &format!("{field} password"), "example")?,
            )),
            None => None,
        };
        Ok(Notifier::Email(Box::new(Email { config: self.clone(), password })))
    }
}

pub(super) struct Email {
    config: EmailConfig,
    password: Option<(String, Secret)>,
}

/// A mail as it would be sent.
pub(super) struct Mail {
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Email {
    pub fn mail(&self, bulletin: &Bulletin, templates: &Templates) -> Mail {
        Mail {
            to: self.recipients(bulletin),
            subject: super::text::short_line(&templates.render(Template::MailSubject, bulletin), 200),
            text: templates.render(Template::Text, bulletin),
            html: templates.render(Template::Mail, bulletin),
        }
    }

    /// Critical: on call, team and management; high: on call and team; below: on call; postmortems: all three.
    fn recipients(&self, bulletin: &Bulletin) -> Vec<String> {
        let own = self.config.services.get(&bulletin.service);
        let role = |of: fn(&MailRoles) -> &Vec<String>, all: &Vec<String>| {
            own.map(of).filter(|named| !named.is_empty()).unwrap_or(all).clone()
        };
        let mut to = role(|roles| &roles.on_call, &self.config.on_call);
        let is_postmortem = bulletin.moment == Moment::Postmortem;
        if is_postmortem || bulletin.severity >= Severity::High {
            to.extend(role(|roles| &roles.team, &self.config.team));
        }
        if is_postmortem || bulletin.severity >= Severity::Critical {
            to.extend(role(|roles| &roles.management, &self.config.management));
        }
        let mut seen = std::collections::BTreeSet::new();
        to.retain(|address| seen.insert(address.to_lowercase()));
        to
    }

    fn message(&self, mail: Mail, tell: &Tell<'_>, bulletin: &Bulletin) -> Result<Message, String> {
        let from: Mailbox = self.config.from.parse().map_err(|error| format!("the sender: {error}"))?;
        let domain = from.email.domain().to_owned();
        // The same each time that it is tried: a mailbox that has it already can tell.
        let id = |name: &str| format!("<{}@{domain}>", line(name).replace(['<', '>', '@', ' '], "-"));
        let mut message = Message::builder()
            .from(from)
            .subject(mail.subject)
            .message_id(Some(id(tell.id)))
            // Mail programs show what refers to the same id as one conversation.
            .references(id(&topic_key(&bulletin.topic, 120)))
            .date(std::time::SystemTime::from(tell.now))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &mail.to {
            message = message.to(to.parse().map_err(|error| format!("{}: {error}", excerpt(to)))?);
        }
        message
            .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
            .map_err(|error| error.to_string())
    }

    /// Sends a mail once.
    pub async fn send(
        &self,
        tell: &Tell<'_>,
        bulletin: &Bulletin,
        templates: &Templates,
        egress: Egress,
    ) -> Result<Told, NotifyError> {
        let (host, port) = (&self.config.host, self.config.port.unwrap_or(self.config.default_port()));
        let failed = |reason: String| {
            let reason = self.password.iter().fold(reason, |reason, (_, password)| password.masked(&reason));
            let reason = format!("{host}:{port}: {}", excerpt(&reason));
            NotifyError { reason, may_retry: true, after_s: None, thread: None }
        };
        if let Some(refusal) = egress.refusal_of_name(host) {
            return Err(failed(format!("refused: {refusal}")));
        }
        let mail = self.mail(bulletin, templates);
        let to = mail.to.join(", ");
        let message = self.message(mail, tell, bulletin).map_err(failed)?;
        let (envelope, text) = (message.envelope().clone(), message.formatted());
        let timeout = Duration::from_secs_f64(self.config.timeout_s);
        let whole = async {
            let found =
                tokio::net::lookup_host((host.as_str(), port)).await.map_err(|error| error.to_string())?;
            let addresses = egress.allowed(host, found)?;
            let mut last = String::new();
            for address in addresses {
                let transport = self.transport(address, timeout)?;
                match transport.send_raw(&envelope, &text).await {
                    Ok(response) => return Ok(format!("{host}:{port} answered {}", said(&response))),
                    // One address that is gone keeps it from nobody else.
                    Err(error) if error.is_permanent() && envelope.to().len() > 1 => {
                        return one_by_one(&transport, &envelope, &text).await;
                    }
                    // Somebody was there and said no: another address would say the same.
                    Err(error) if error.status().is_some() => return Err(root(&error)),
                    Err(error) => last = root(&error),
                }
            }
            Err(last)
        };
        match tokio::time::timeout(timeout, whole).await {
            Ok(Ok(answer)) => Ok(Told { answer: format!("{answer}; to {to}"), thread: None }),
            Ok(Err(reason)) => Err(failed(reason)),
            Err(_) => Err(failed(format!("timed out after {:.1} s", self.config.timeout_s))),
        }
    }

    /// A connection to the address that was looked at, with the certificate of the name that was configured.
    fn transport(
        &self,
        address: SocketAddr,
        timeout: Duration,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let tls = || TlsParameters::new_rustls(self.config.host.clone()).map_err(|error| error.to_string());
        let tls = match self.config.security {
            MailSecurity::Starttls => Tls::Required(tls()?),
            MailSecurity::Tls => Tls::Wrapper(tls()?),
            MailSecurity::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(address.port())
            .timeout(Some(timeout))
            .hello_name(ClientId::Domain(self.domain()))
            .tls(tls);
        if let Some((username, password)) = &self.password {
            transport =
                transport.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        Ok(transport.build())
    }

    fn domain(&self) -> String {
        let address = self.config.from.parse::<Mailbox>().map(|from| from.email);
        address.map_or_else(|_| "localhost".to_owned(), |address: Address| address.domain().to_owned())
    }
}

fn root(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        source = inner.source();
    }
    words
}

/// Sends a mail to each of its addresses alone, and says whom it did not reach.
async fn one_by_one(
    transport: &AsyncSmtpTransport<Tokio1Executor>,
    envelope: &Envelope,
    text: &[u8],
) -> Result<String, String> {
    let (mut last, mut lost) = (None, Vec::new());
    for address in envelope.to() {
        let alone = Envelope::new(envelope.from().cloned(), vec![address.clone()]);
        let sent = match alone {
            Ok(alone) => transport.send_raw(&alone, text).await.map_err(|error| root(&error)),
            Err(error) => Err(error.to_string()),
        };
        match sent {
            Ok(response) => last = Some(said(&response)),
            Err(why) => lost.push(format!("{address}: {}", excerpt(&why))),
        }
    }
    match last {
        Some(answer) => Ok(format!("the server answered {answer}; not delivered to {}", lost.join("; "))),
        None => Err(lost.join("; ")),
    }
}

fn said(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), excerpt(&lines.join(" ")))
}
