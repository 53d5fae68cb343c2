//! GitHub: a pull request per incident, found again by its branch. Opening it changes nothing that runs; closing it and
//! deleting the branch takes it back.

mod call;
mod config;
mod manifest;

pub use config::{PullRequestsConfig, RepositoryConfig};

use super::{not_applied, too_late};
use crate::egress::Egress;
use crate::http::parse_url;
use crate::notifiers::repository_parts;
use crate::secret::Secret;
use crate::{ConnectorError, Http};
use call::{OurBranch, Pull, Refusal, Repository};
use midwatch_action::Effect;
use midwatch_model::action::{FileChange, Proposal};
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Action, ServiceName, Timestamp};
use reqwest::Url;
use std::time::{Duration, Instant};

/// What the names of our branches begin with.
const PREFIX: &str = "midwatch-fix/";

pub(super) struct Github {
    http: Http,
    url: Url,
    token: Secret,
    config: PullRequestsConfig,
    call_timeout: Duration,
}

impl std::fmt::Debug for Github {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Github({})", crate::http::shown(&self.url))
    }
}

/// What one effect is about.
struct Job<'a> {
    repository: Repository<'a>,
    branch: OurBranch,
    /// Where the service's own manifest is, and what it is called there.
    manifest: Option<(String, String)>,
    document: String,
}

impl Github {
    pub fn new(
        config: &PullRequestsConfig,
        private: bool,
        call_timeout: Duration,
    ) -> Result<Self, ConnectorError> {
        Ok(Self {
            http: Http::guarded(Egress { private })?,
            url: parse_url("pull_requests.url", &config.url)?,
            token: config.token.read("pull_requests.token")?,
            config: config.clone(),
            call_timeout,
        })
    }

    /// Whether pull requests can be opened for a service.
    pub fn knows(&self, service: &ServiceName) -> bool {
        self.config.of(service).is_some()
    }

    fn job(&self, intent: &Intent) -> Result<Job<'_>, String> {
        let Action::PullRequest { target, incident, .. } = &intent.action else {
            return Err(format!("GitHub has no way to do {}", intent.action.kind()));
        };
        let (repository, known) = self
            .config
            .of(target)
            .ok_or_else(|| format!("no repository of {target} is known; name it in [pull_requests]"))?;
        let (owner, name) =
            repository_parts(repository).ok_or_else(|| format!("`{repository}` is no owner/name"))?;
        let workload = known.workload.unwrap_or_else(|| target.to_string());
        Ok(Job {
            repository: Repository {
                http: &self.http,
                url: &self.url,
                token: &self.token,
                owner,
                name,
                timeout: Duration::from_secs_f64(self.config.timeout_s),
                until: Instant::now() + self.call_timeout,
            },
            branch: OurBranch::of(target.as_str(), incident.as_str()),
            manifest: known.manifest.map(|path| (path, workload)),
            document: format!("{}/{target}-{incident}.md", self.config.folder),
        })
    }

    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        if let Some(late) = too_late(effect, now) {
            return late;
        }
        let job = match self.job(effect.intent()) {
            Ok(job) => job,
            Err(why) => return not_applied(why),
        };
        match &effect.intent().action {
            Action::PullRequest { open: true, proposal: Some(proposal), .. } => {
                job.open(proposal, self.config.base.as_deref()).await
            }
            Action::PullRequest { open: false, .. } => job.close().await,
            _ => not_applied("nothing is proposed"),
        }
    }

    /// What became of an intent, by what is there now.
    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        let unknown = |refusal: Refusal| ConnectorError::Query {
            query: format!("the pull request of {}", intent.key),
            reason: refusal.to_string(),
        };
        let job = match self.job(intent) {
            Ok(job) => job,
            Err(why) => return Ok(not_applied(why)),
        };
        let pull = job.repository.pull(&job.branch).await.map_err(unknown)?;
        let opens = matches!(intent.action, Action::PullRequest { open: true, .. });
        Ok(match pull {
            Some(pull) if opens => opened(&pull, "it is there"),
            None if opens => not_applied("there is no such pull request"),
            Some(pull) if pull.is_open => not_applied(format!("{} is still open", pull.url)),
            _ => match job.repository.head(job.branch.name()).await.map_err(unknown)? {
                Some(_) => not_applied(format!("the branch {} is still there", job.branch.name())),
                None => closed(),
            },
        })
    }
}

fn opened(pull: &Pull, how: &str) -> EffectOutcome {
    EffectOutcome::Applied { detail: format!("pull request {}: {how}", pull.url), after: None }
}

fn closed() -> EffectOutcome {
    EffectOutcome::Applied {
        detail: "the pull request is closed and its branch deleted".to_owned(),
        after: None,
    }
}

impl Job<'_> {
    async fn open(&self, proposal: &Proposal, base: Option<&str>) -> EffectOutcome {
        match self.repository.pull(&self.branch).await {
            Ok(Some(pull)) if pull.is_open => return opened(&pull, "it was open already"),
            // Somebody has decided about it.
            Ok(Some(pull)) => return not_applied(format!("{} was closed; it is not opened again", pull.url)),
            Ok(None) => {}
            Err(refusal) => return not_applied(refusal.to_string()),
        }
        let base = match self.base(base).await {
            Ok(base) => base,
            Err(why) => return not_applied(why),
        };
        match self.fill(proposal, &base).await {
            Ok((pull, how)) => opened(&pull, &how),
            Err(Refusal::Unknown(why)) => EffectOutcome::Unknown { reason: why },
            Err(refusal) => self.left_clean(refusal.to_string()).await,
        }
    }

    /// The branch to merge into, with the commit that it is at. Ours must be another one.
    async fn base(&self, configured: Option<&str>) -> Result<(String, String), String> {
        let default = self.repository.default_branch().await.map_err(|refusal| refusal.to_string())?;
        let base = configured.unwrap_or(&default).to_owned();
        if [default.as_str(), base.as_str()].contains(&self.branch.name()) {
            return Err(format!(
                "{} is a branch that people work on; nothing is pushed to it",
                self.branch.name()
            ));
        }
        match self.repository.head(&base).await {
            Ok(Some(sha)) => Ok((base, sha)),
            Ok(None) => Err(format!(
                "there is no branch {base} to merge into; name one that is there as pull_requests.base"
            )),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    async fn fill(
        &self,
        proposal: &Proposal,
        (base, sha): &(String, String),
    ) -> Result<(Pull, String), Refusal> {
        self.repository.branch_off(&self.branch, sha).await?;
        let changed = match &proposal.change {
            Some(change) => self.change(change, &proposal.title).await?,
            None => None,
        };
        let note = match &changed {
            Some(Ok(path)) => format!(
                "\n## The change\n\n`{path}`: {}\n",
                proposal.change.as_ref().map_or_else(String::new, ToString::to_string)
            ),
            Some(Err(why)) => format!("\n## The change\n\nTo be made by hand: {why}.\n"),
            None => String::new(),
        };
        let document = format!("{}{note}", proposal.document);
        self.repository.write(&self.branch, &self.document, &document, &proposal.title).await?;
        let pull = self.repository.open(&self.branch, base, &proposal.title, &document).await?;
        let how = match changed {
            Some(Ok(path)) => format!("it changes {path}"),
            Some(Err(why)) => format!("the change is to be made by hand, {why}"),
            None => "it has the findings, and no change of a file".to_owned(),
        };
        Ok((pull, how))
    }

    /// Makes the change: the path of the file, or why it is to be made by hand.
    async fn change(
        &self,
        change: &FileChange,
        message: &str,
    ) -> Result<Option<Result<String, String>>, Refusal> {
        let Some((path, workload)) = &self.manifest else { return Ok(None) };
        let Some(file) = self.repository.file(&self.branch, path).await? else {
            return Ok(Some(Err(format!("there is no file {path}"))));
        };
        match manifest::edit(&file.text, workload, change) {
            Ok(Some(text)) => {
                self.repository.write(&self.branch, path, &text, message).await?;
                Ok(Some(Ok(path.clone())))
            }
            // Of an earlier try, or because somebody was faster.
            Ok(None) => Ok(Some(Ok(path.clone()))),
            Err(why) => Ok(Some(Err(format!("{path} {why} ({change})")))),
        }
    }

    /// What was refused half way leaves nothing behind.
    async fn left_clean(&self, why: String) -> EffectOutcome {
        // What could not be made need not be taken away.
        if matches!(self.repository.head(self.branch.name()).await, Ok(None)) {
            return not_applied(why);
        }
        match self.repository.delete(&self.branch).await {
            Ok(()) => not_applied(why),
            Err(refusal) => EffectOutcome::Failed {
                reason: format!("{why}; the branch {} is still there: {refusal}", self.branch.name()),
            },
        }
    }

    async fn close(&self) -> EffectOutcome {
        match self.repository.pull(&self.branch).await {
            Ok(Some(pull)) if pull.is_merged => {
                return not_applied(format!("{} was merged; revert it there", pull.url));
            }
            // What people wrote there is not thrown away with the branch.
            Ok(Some(pull)) => match self.repository.has_others_work(&pull).await {
                Ok(true) => {
                    return not_applied(format!(
                        "somebody has written to the branch of {}; close it there",
                        pull.url
                    ));
                }
                Ok(false) if pull.is_open => match self.repository.close(&pull).await {
                    Ok(()) => {}
                    Err(Refusal::Unknown(reason)) => return EffectOutcome::Unknown { reason },
                    Err(refusal) => return not_applied(refusal.to_string()),
                },
                Ok(false) => {}
                Err(refusal) => return not_applied(refusal.to_string()),
            },
            Ok(None) => {}
            Err(refusal) => return not_applied(refusal.to_string()),
        }
        match self.repository.delete(&self.branch).await {
            Ok(()) => closed(),
            Err(Refusal::Unknown(reason)) => EffectOutcome::Unknown { reason },
            Err(refusal) => EffectOutcome::Failed {
                reason: format!("it is closed; its branch {} is still there: {refusal}", self.branch.name()),
            },
        }
    }
}
