//! Expressions: conditions, parameters and texts of workflows. They can compute, compare and choose, and nothing else; what
//! they may take is bounded.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use std::collections::{BTreeSet, HashSet};

/// Steps that one evaluation may take: conditions take some tens.
const FUEL: u64 = 5_000;

/// Longest text that an evaluation may give, characters.
const CHARS_MAX: usize = 2_000;

/// Longest expression, and text with expressions, bytes: a chain of thousands of sums is nested as deeply when it is read.
const SOURCE_BYTES_MAX: usize = 1_000;

fn fits(text: &str) -> Result<(), String> {
    if text.len() <= SOURCE_BYTES_MAX {
        return Ok(());
    }
    Err(format!("it is longer than {SOURCE_BYTES_MAX} bytes; split it into several steps"))
}

/// No loops over ranges, no includes, no filters: the two functions are what replicas and pools need.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_fuel(Some(FUEL));
    // What is not known is an error, and never quietly false.
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.add_function("min", |a: i64, b: i64| a.min(b));
    env.add_function("max", |a: i64, b: i64| a.max(b));
    env
}

fn sentence(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned)
}

fn evaluate(text: &str, context: &serde_json::Value) -> Result<Value, String> {
    fits(text)?;
    let env = environment();
    let wrong = |error: minijinja::Error| format!("`{text}`: {}", sentence(&error));
    let expression = env.compile_expression(text).map_err(wrong)?;
    all_known(expression.undeclared_variables(true), context)?;
    let value = expression.eval(Value::from(Serde(context))).map_err(wrong)?;
    if value.is_undefined() || value.is_none() {
        return Err(format!("`{text}` is not known"));
    }
    Ok(value)
}

/// A comparison with what is not known would be quietly false.
fn all_known(names: HashSet<String>, context: &serde_json::Value) -> Result<(), String> {
    let is_known = |name: &str| {
        let mut parts = name.split('.').peekable();
        let is_ours = parts.peek().is_some_and(|first| context.get(first).is_some());
        !is_ours || parts.try_fold(context, |value, part| value.get(part)).is_some()
    };
    let unknown = names.into_iter().filter(|name| !is_known(name)).min();
    unknown.map_or(Ok(()), |name| Err(format!("`{name}` is not known")))
}

/// Whether a condition holds; only yes and no are answers.
pub(super) fn truth(text: &str, context: &serde_json::Value) -> Result<bool, String> {
    let value = evaluate(text, context)?;
    bool::try_from(value)
        .map_err(|_| format!("`{text}` is neither true nor false; compare it with something"))
}

/// A whole number that is not negative.
pub(super) fn number(text: &str, context: &serde_json::Value) -> Result<u32, String> {
    let value = evaluate(text, context)?;
    let number = value.as_i64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("`{text}` is {value}, which is no whole number from 0"))
}

/// A text that is not empty.
pub(super) fn text(text: &str, context: &serde_json::Value) -> Result<String, String> {
    let value = evaluate(text, context)?;
    let found = value.as_str().map(str::trim).unwrap_or_default();
    let fits = !found.is_empty() && found.chars().count() <= CHARS_MAX;
    if fits { Ok(found.to_owned()) } else { Err(format!("`{text}` gives no text that can be used")) }
}

/// A text with expressions in it.
pub(super) fn render(text: &str, context: &serde_json::Value) -> Result<String, String> {
    fits(text)?;
    let env = environment();
    let template = env.template_from_str(text).map_err(|error| sentence(&error))?;
    all_known(template.undeclared_variables(true), context)?;
    let rendered = template.render(Value::from(Serde(context))).map_err(|error| sentence(&error))?;
    Ok(rendered.chars().take(CHARS_MAX).collect())
}

/// The names that an expression uses, such as `steps.look.replicas`.
pub(super) fn names(text: &str) -> Result<BTreeSet<String>, String> {
    fits(text)?;
    let env = environment();
    let expression = env.compile_expression(text).map_err(|error| sentence(&error))?;
    Ok(expression.undeclared_variables(true).into_iter().collect())
}

/// The same for a text with expressions in it.
pub(super) fn names_of_text(text: &str) -> Result<BTreeSet<String>, String> {
    fits(text)?;
    let env = environment();
    let template = env.template_from_str(text).map_err(|error| sentence(&error))?;
    Ok(template.undeclared_variables(true).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// An expression, and what it gives: a truth, a number, or part of an error.
    fn check(text: &str, expected: Result<bool, &str>) {
        let context = json!({ "steps": { "look": { "replicas": 3, "ready": 2, "name": "a" } } });
        let found = truth(text, &context);
        match expected {
            Ok(expected) => assert_eq!(found, Ok(expected), "{text}"),
            Err(part) => {
                assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{text}: {found:?}")
            }
        }
    }

    #[test]
    fn conditions_compare_and_what_is_not_known_is_an_error() {
        check("steps.look.ready < steps.look.replicas", Ok(true));
        check("steps.look.name == 'b' or steps.look.replicas >= 4", Ok(false));
        check("min(steps.look.replicas, 2) == 2 and max(1, 2) == 2", Ok(true));
        check("steps.look.replicas", Err("neither true nor false"));
        check("steps.look.nothing > 1", Err("steps.look.nothing"));
        check("steps.other.ready", Err("steps.other.ready"));
        check("steps.look.nothing", Err("is not known"));
        check("1 +", Err("1 +"));
        check("range(100000000)|length > 1", Err("range"));
    }

    #[test]
    fn no_expression_takes_long() {
        let nested = format!("{}1{}", "(".repeat(400), ")".repeat(400));
        assert!(truth(&nested, &json!({})).is_err());
        let long = vec!["1"; 20_000].join("+");
        assert!(number(&long, &json!({})).is_err() && names(&long).is_err() && names_of_text(&long).is_err());
        let longest = vec!["1"; SOURCE_BYTES_MAX / 2].join("+");
        assert_eq!(number(&longest, &json!({})), Ok(500));
        let loops = "{% for a in [1,2,3,4,5,6,7,8,9] %}{% for b in [1,2,3,4,5,6,7,8,9] %}{% for c in \
                     [1,2,3,4,5,6,7,8,9] %}{% for d in [1,2,3,4,5,6,7,8,9] %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
        assert!(render(loops, &json!({})).is_err());
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let context = json!({ "a": 2 });
        assert_eq!(number("a + 1", &context), Ok(3));
        assert!(number("a - 3", &context).is_err());
        assert!(number("a / 3", &context).is_err());
        assert_eq!(text("'v' ~ a", &context), Ok("v2".to_owned()));
        assert_eq!(render("at {{ a }}", &context), Ok("at 2".to_owned()));
    }
}
