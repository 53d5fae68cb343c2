//! A Lambda function behind an alias: rolling back is pointing the alias at an earlier published version.

use super::{looked, not_applied, outcome_of};
use crate::aws::{Aws, Refusal};
use crate::{ConnectorError, Described};
use futures::TryFutureExt as _;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Action, ActionKind, Timestamp, after};
use reqwest::Method;
use serde_json::{Value, json};

/// The alias that callers use, unless the service names another one.
const ALIAS: &str = "live";

/// Pages of published versions that are read; a page has 50.
const PAGES_MAX: usize = 20;

/// Seconds of logs that Insights is asked about.
const INSIGHTS_S: f64 = 900.0;

#[derive(Clone, Copy)]
pub(crate) struct Lambda<'a> {
    pub aws: &'a Aws,
    pub service: &'a Registration,
}

/// An alias and the published versions, newest first.
struct Seen {
    version: String,
    revision: String,
    /// Whether it sends a share of the calls elsewhere.
    splits: bool,
    published: Vec<u64>,
}

impl Lambda<'_> {
    pub fn function(&self) -> &str {
        self.service.workload.as_deref().unwrap_or(&self.service.name)
    }

    fn alias(&self) -> &str {
        self.service.alias.as_deref().unwrap_or(ALIAS)
    }

    fn title(&self) -> String {
        format!("the alias {} of the function {}", self.alias(), self.function())
    }

    /// Where the function logs.
    pub fn log_group(&self) -> String {
        format!("/aws/lambda/{}", self.function())
    }

    async fn look(&self) -> Result<Seen, Refusal> {
        let path = ["functions", self.function(), "aliases", self.alias()];
        let alias = self.aws.lambda(Method::GET, &path, &[], None).await?;
        let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        let text = |name: &str| alias[name].as_str().unwrap_or_default().to_owned();
        Ok(Seen {
            version: text("FunctionVersion"),
            revision: text("RevisionId"),
            splits: weights.is_some_and(|weights| !weights.is_empty()),
            published: self.published().await?,
        })
    }

    async fn published(&self) -> Result<Vec<u64>, Refusal> {
        let (mut versions, mut marker) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut query = vec![("MaxItems", "50".to_owned())];
            query.extend(marker.take().map(|marker| ("Marker", marker)));
            let page = self
                .aws
                .lambda(Method::GET, &["functions", self.function(), "versions"], &query, None)
                .await?;
            let all = page["Versions"].as_array().into_iter().flatten();
            versions.extend(all.filter_map(|one| one["Version"].as_str()?.parse::<u64>().ok()));
            marker = page["NextMarker"].as_str().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.dedup();
        Ok(versions)
    }

    pub async fn target(&self) -> Result<TargetState, ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        Ok(TargetState {
            previous_version: seen.previous().map(|version| version.to_string()),
            version: seen.version,
            revision: Some(seen.revision),
            supports: vec![ActionKind::Rollback],
            ..TargetState::default()
        })
    }

    /// Whether the alias sends all calls to one published version.
    pub async fn is_settled(&self) -> Result<(Option<bool>, String), ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        let is_published = seen.version.parse().is_ok_and(|version: u64| seen.published.contains(&version));
        let how = match (seen.splits, is_published) {
            (true, _) => "shares the calls between versions",
            (false, true) => "sends all calls to it",
            (false, false) => "points at what was not published",
        };
        let detail = format!("{} is at version {} and {how}", self.title(), seen.version);
        Ok((Some(is_published && !seen.splits), detail))
    }

    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        let intent = effect.intent();
        let Action::Rollback { to_version, .. } = &intent.action else {
            return not_applied(format!("Lambda has no way to do {}", intent.action.kind()));
        };
        let look = self.look().map_err(|refusal| format!("{} cannot be read: {refusal}", self.title()));
        let (seen, times) = match looked(effect, now, self.aws.call_timeout(), look).await {
            Ok(looked) => looked,
            Err(nothing) => return nothing,
        };
        let version = match self.choose(&seen, intent, to_version.as_deref()) {
            Ok(version) => version,
            Err(why) => return not_applied(why),
        };
        let body = json!({ "FunctionVersion": version, "RevisionId": seen.revision });
        let path = ["functions", self.function(), "aliases", self.alias()];
        if let Some(late) = times.late() {
            return late;
        }
        match self.aws.lambda(Method::PUT, &path, &[], Some(&body)).await {
            Ok(_) => {
                let detail = format!("pointed {} from version {} to {version}", self.title(), seen.version);
                EffectOutcome::Applied { detail, after: self.target().await.ok().map(Box::new) }
            }
            Err(refusal) => outcome_of(refusal),
        }
    }

    /// The version to point at, or why nothing may be done.
    fn choose(&self, seen: &Seen, intent: &Intent, to: Option<&str>) -> Result<String, String> {
        let title = self.title();
        if !seen.is_as(&intent.before) {
            return Err(format!(
                "{title} has changed since it was looked at: its RevisionId was {}, and it points to version {} now",
                intent.before.revision.as_deref().unwrap_or("unknown"),
                seen.version
            ));
        }
        if seen.splits {
            return Err(format!(
                "{title} sends a share of the calls to another version; end that deployment first (routing-config)"
            ));
        }
        let there = || seen.published.iter().take(10).map(u64::to_string).collect::<Vec<_>>().join(", ");
        match to {
            None => seen.previous().map(|version| version.to_string()).ok_or_else(|| {
                format!("{title} points to {}, and no version before it is published", seen.version)
            }),
            Some(to) if seen.published.iter().any(|known| known.to_string() == to) => Ok(to.to_owned()),
            Some(to) => Err(format!(
                "the function {} has no version {to}; published are {}",
                self.function(),
                there()
            )),
        }
    }

    /// What became of an intent, by where the alias points.
    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        if seen.is_as(&intent.before) {
            return Ok(not_applied(format!("{} is as it was (same RevisionId)", self.title())));
        }
        let wanted = match &intent.action {
            Action::Rollback { to_version: Some(version), .. } => Some(version.clone()),
            _ => intent.before.previous_version.clone(),
        };
        if wanted.as_deref() == Some(&seen.version) {
            let detail = format!("{} points to version {}", self.title(), seen.version);
            return Ok(EffectOutcome::Applied { detail, after: self.target().await.ok().map(Box::new) });
        }
        Ok(not_applied(format!(
            "{} points to version {}; somebody else moved it",
            self.title(),
            seen.version
        )))
    }

    /// What CloudWatch and Lambda tell beside the alias.
    pub async fn describe(&self, now: Timestamp) -> Result<Vec<Described>, ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        let arguments = json!({ "function": self.function(), "alias": self.alias() });
        let mut told = vec![Described {
            tool: "lambda_alias".to_owned(),
            arguments: arguments.clone(),
            answer: json!({ "version": seen.version, "published": seen.published, "splits_traffic": seen.splits }),
        }];
        match self.aws.insights(&self.log_group(), after(now, -INSIGHTS_S), now).await {
            Ok(rows) => {
                let rows: Vec<Value> = rows
                    .into_iter()
                    .map(|(message, times)| json!({ "message": message, "times": times }))
                    .collect();
                told.push(Described {
                    tool: "cloudwatch_insights".to_owned(),
                    arguments,
                    answer: json!({ "complaints": rows }),
                });
            }
            Err(refusal) => tracing::debug!(function = self.function(), %refusal, "no Insights"),
        }
        Ok(told)
    }
}

impl Seen {
    /// Whether nobody has changed the alias since. A server that does not move the RevisionId with every change is not
    /// believed on it alone.
    fn is_as(&self, before: &TargetState) -> bool {
        before.revision.as_deref() == Some(&self.revision) && before.version == self.version
    }

    /// The newest version that is older than the one that serves.
    fn previous(&self) -> Option<u64> {
        let serving: u64 = self.version.parse().ok()?;
        self.published.iter().copied().find(|version| *version < serving)
    }
}
