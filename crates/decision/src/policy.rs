//! Cedar policy: comes last and may only narrow.

use crate::GateInput;
use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Effect as CedarEffect, Entities, Entity, EntityUid,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use midwatch_model::ActionKind;
use midwatch_model::decision::{GuardResult, PolicyResult, Principal};
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr as _;

/// What policies are checked against. Confidence is an integer per mille, since Cedar has no fractions.
const SCHEMA: &str = r#"
entity Agent;
entity Human;
entity Runbook;
entity Service = { namespace: String };

type Asked = {
    confidence: Long,
    cause: String,
    replicas: Long,
    affected_services: Long,
    failed_guards: Set<String>,
    approved: Bool,
};

action "rollback", "restart", "restart_db_pool", "resize_db_pool", "scale", "circuit_break", "delete_pod", "cordon",
    "set_image", "set_resources", "pull_request"
    appliesTo { principal: [Agent, Human, Runbook], resource: [Service], context: Asked };
"#;

/// What holds while no policy of the operator permits anything by itself.
const BUILT_IN: &str = r#"@id("built-in") permit (principal, action, resource);"#;

/// The annotation by which a `permit` asks for a person: `@advice("require_approval")`.
const ADVICE: &str = "advice";
const REQUIRE_APPROVAL: &str = "require_approval";

/// A checked policy set.
pub struct Policy {
    set: PolicySet,
    schema: Schema,
}

/// Why a policy file was refused.
#[derive(Debug, thiserror::Error)]
#[error("the policy cannot be used: {0}")]
pub struct PolicyError(String);

impl Policy {
    /// The policy without an operator's file: everything that the guards let through.
    ///
    /// # Panics
    /// Never: the text is constant and tested.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse("").expect("the built-in policy is valid")
    }

    /// Parses and validates an operator's policies. A file that only forbids narrows the built-in permission; one that
    /// permits anything replaces it, and then only what it permits may be done.
    ///
    /// # Errors
    /// Syntax errors with their place, and whatever the schema does not know (a misspelt action would otherwise
    /// silently forbid nothing).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| PolicyError(e.to_string()))?;
        let own = PolicySet::from_str(text).map_err(|e| PolicyError(describe(text, &e)))?;
        let permits = own.policies().any(|p| p.effect() == CedarEffect::Permit);
        let text = if permits { text.to_owned() } else { format!("{text}\n{BUILT_IN}") };
        let set = PolicySet::from_str(&text).map_err(|e| PolicyError(e.to_string()))?;
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        if !result.validation_passed() {
            let errors = result.validation_errors().map(ToString::to_string).collect::<Vec<_>>();
            return Err(PolicyError(errors.join("; ")));
        }
        Ok(Self { set, schema })
    }

    /// Policies that speak of `Agent` and not of `Runbook`: workflows ask in their own name, so that these do not hold for them.
    #[must_use]
    pub fn silent_on_runbooks(&self) -> Vec<String> {
        let silent = |text: &str| text.contains("Agent") && !text.contains("Runbook");
        let mut names: Vec<String> =
            self.set.policies().filter(|p| silent(&p.to_string())).map(|p| self.name(p.id())).collect();
        names.sort();
        names
    }

    /// What policy says about the asked action. Where several people stand behind it, each of them must be allowed.
    pub(crate) fn evaluate(&self, input: &GateInput<'_>, guards: &[GuardResult]) -> PolicyResult {
        let result = self.evaluate_one(input, guards);
        let is_no = |result: &PolicyResult| {
            matches!(result, PolicyResult::Denied { .. } | PolicyResult::Failed { .. })
        };
        if is_no(&result) || input.approvals.len() < 2 {
            return result;
        }
        let people = input.people().into_iter().map(|name| Principal::Human(name.to_owned()));
        let mut answers =
            people.map(|principal| self.evaluate_one(&GateInput { principal: &principal, ..*input }, guards));
        answers.find(is_no).unwrap_or(result)
    }

    fn evaluate_one(&self, input: &GateInput<'_>, guards: &[GuardResult]) -> PolicyResult {
        let answer = match self.ask(input, guards, input.action.kind()) {
            Ok(answer) => answer,
            Err(error) => return PolicyResult::Failed { errors: vec![error] },
        };
        let errors: Vec<_> = answer.diagnostics().errors().map(ToString::to_string).collect();
        if !errors.is_empty() {
            return PolicyResult::Failed { errors };
        }
        let deciding: Vec<_> = answer.diagnostics().reason().cloned().collect();
        let mut policies: Vec<String> = deciding.iter().map(|id| self.name(id)).collect();
        policies.sort();
        match answer.decision() {
            CedarDecision::Allow => {
                let advised =
                    deciding.iter().any(|id| self.set.annotation(id, ADVICE) == Some(REQUIRE_APPROVAL));
                if advised {
                    PolicyResult::NeedsApproval { policies }
                } else {
                    PolicyResult::Permitted { policies }
                }
            }
            CedarDecision::Deny => self.denied(input, guards, policies),
        }
    }

    /// Tells "somebody ruled out this remedy" from "only a few remedies are allowed": asks about all the others that the
    /// target's platform can do.
    fn denied(&self, input: &GateInput<'_>, guards: &[GuardResult], policies: Vec<String>) -> PolicyResult {
        let is_other = |k: &ActionKind| k.mutates() && *k != input.action.kind() && input.before.can(*k);
        let others: Vec<_> = ActionKind::ALL.iter().copied().filter(is_other).collect();
        let allowed = others
            .iter()
            .filter(|kind| {
                self.ask(input, guards, **kind).is_ok_and(|answer| answer.decision() == CedarDecision::Allow)
            })
            .count();
        let singled_out = allowed * 2 >= others.len();
        let by = if policies.is_empty() {
            "no policy permits it".to_owned()
        } else {
            format!("forbidden by {}", policies.join(", "))
        };
        let reason = format!(
            "{} on {} by {}: {by} ({allowed} of the {} other remedies are allowed)",
            input.action.kind(),
            input.action.target(),
            input.principal,
            others.len()
        );
        PolicyResult::Denied { policies, singled_out, reason }
    }

    fn ask(
        &self,
        input: &GateInput<'_>,
        guards: &[GuardResult],
        kind: ActionKind,
    ) -> Result<cedar_policy::Response, String> {
        let principal = match input.principal {
            Principal::Agent => uid("Agent", "midwatch")?,
            Principal::Human(name) => uid("Human", name)?,
            Principal::Runbook(name) => uid("Runbook", name)?,
        };
        let action = uid("Action", kind.name())?;
        let service = uid("Service", input.action.target().as_str())?;
        let namespace = RestrictedExpression::new_string(input.namespace.unwrap_or("default").to_owned());
        let resource =
            Entity::new(service.clone(), [("namespace".to_owned(), namespace)].into(), HashSet::new())
                .map_err(|e| e.to_string())?;
        let people = Entity::new_no_attrs(principal.clone(), HashSet::new());
        let entities =
            Entities::from_entities([resource, people], Some(&self.schema)).map_err(|e| e.to_string())?;
        let request = Request::new(principal, action, service, context(input, guards)?, Some(&self.schema))
            .map_err(|e| e.to_string())?;
        Ok(Authorizer::new().is_authorized(&request, &self.set, &entities))
    }

    /// A policy's `@id`, or the name that Cedar gave it.
    fn name(&self, id: &cedar_policy::PolicyId) -> String {
        self.set.annotation(id, "id").map_or_else(|| id.to_string(), ToOwned::to_owned)
    }
}

fn context(input: &GateInput<'_>, guards: &[GuardResult]) -> Result<Context, String> {
    let failed = guards.iter().filter(|g| !g.passed).map(|g| {
        let name = serde_json::to_value(g.guard).ok().and_then(|v| v.as_str().map(str::to_owned));
        RestrictedExpression::new_string(name.unwrap_or_default())
    });
    let confidence = (input.confidence.unwrap_or(0.0) * 1000.0).round() as i64;
    let cause = input.cause.map_or("none", midwatch_model::Cause::name);
    let fields = BTreeMap::from([
        ("confidence", RestrictedExpression::new_long(confidence)),
        ("cause", RestrictedExpression::new_string(cause.to_owned())),
        ("replicas", RestrictedExpression::new_long(i64::from(input.before.replicas))),
        ("affected_services", RestrictedExpression::new_long(input.affected_services as i64)),
        ("failed_guards", RestrictedExpression::new_set(failed)),
        (
            "approved",
            RestrictedExpression::new_bool(!input.people().is_empty() && !input.approvals.is_empty()),
        ),
    ]);
    Context::from_pairs(fields.into_iter().map(|(k, v)| (k.to_owned(), v))).map_err(|e| e.to_string())
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind = kind.parse().map_err(|e| format!("{e}"))?;
    Ok(EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(id)))
}

/// Cedar's parse error with the line that it points at.
fn describe(text: &str, error: &cedar_policy::ParseErrors) -> String {
    use miette::Diagnostic as _;
    let place = error.iter().find_map(|e| e.labels()?.next().map(|label| label.offset()));
    match place {
        Some(offset) => {
            let line = text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {error}")
        }
        None => error.to_string(),
    }
}
