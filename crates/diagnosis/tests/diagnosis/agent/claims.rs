//! What of a model's verdict stands.

use super::script::{claim, clear, id_of, open, reply, run, run_on, until, verdict};
use midwatch_diagnosis::agent::{Conclusion, DOUBTFUL_MAX, Limits, Recheck, Struck, Why};
use midwatch_diagnosis::bundle::Bundle;
use midwatch_diagnosis::investigate::{VerdictKind, investigate};
use midwatch_model::ActionKind;
use serde_json::{Value, json};

/// A model that asks for the metrics of a component and then claims something with the id it got.
fn after_looking_at(
    bundle: &Bundle,
    tool: &str,
    arguments: &Value,
    what: &dyn Fn(&str) -> Value,
) -> Conclusion {
    let script = |round: usize, ask: &_| {
        Ok(if round == 0 { reply(&[(tool, arguments.clone())]) } else { claim(what(&id_of(ask, tool))) })
    };
    run(bundle, Limits::default(), &script).0
}

fn about(component: &'static str) -> impl Fn(&str) -> Value {
    move |id| json!({"component": component, "kind": "latency_spike", "confidence": 0.9, "evidence": [id]})
}

#[test]
fn what_the_numbers_leave_open_a_model_may_decide_and_a_person_acts() {
    let bundle = open();
    let before = investigate(&bundle).answer;
    let second = before.ranked[1].component.clone();
    assert!(before.ranked[1].confidence > before.ranked[0].confidence * 0.25, "{:?}", before.ranked);
    let script = |round: usize, ask: &_| {
        Ok(match round {
            0 => reply(&[("query_metrics", json!({ "component": second }))]),
            _ => verdict(&second, &[&id_of(ask, "query_metrics")]),
        })
    };
    let (end, asks) = run(&bundle, Limits::default(), &script);
    assert_eq!(end.fell_back, None);
    assert_eq!((end.answer.ranked[0].component.as_str(), asks.len()), (second.as_str(), 2));
    assert!(end.answer.ranked[0].confidence <= DOUBTFUL_MAX);
    if end.answer.verdict == VerdictKind::RootCause {
        assert_eq!(end.answer.remediation.as_ref().map(|r| r.action), Some(ActionKind::Escalate));
    }
    let cited =
        end.answer.ranked[0].evidence.iter().all(|id| end.answer.evidence.iter().any(|e| e.id == *id));
    assert!(cited, "{:?}", end.answer);
}

#[test]
fn what_the_numbers_say_clearly_no_model_overrules() {
    let bundle = clear();
    let before = investigate(&bundle).answer;
    assert_eq!(before.ranked[0].component, "db");
    let end = after_looking_at(&bundle, "query_metrics", &json!({"component": "cart"}), &about("cart"));
    assert_eq!(end.answer.ranked, before.ranked);
    assert_eq!(end.answer.remediation, before.remediation);
}

#[test]
fn claims_that_do_not_stand_are_struck_with_the_reason() {
    let bundle = open();
    let metrics = json!({"component": "db"});
    let base = |component: &str, ids: Value| json!({"component": component, "kind": "memory_leak", "confidence": 1, "evidence": ids});
    for (component, evidence, change, why) in [
        ("payments", json!(["{id}"]), None, Struck::UnknownComponent),
        ("db", json!([]), None, Struck::NoEvidence),
        ("db", json!(["ev-999"]), None, Struck::UnknownEvidence),
        ("db", json!(["{id}", "made-up"]), None, Struck::UnknownEvidence),
        // What was seen of db says nothing of cache.
        ("cache", json!(["{id}"]), None, Struck::NotSupported),
        ("ads", json!(["{id}"]), None, Struck::NotSupported),
        ("db", json!(["{id}"]), Some("v404"), Struck::UnknownChange),
        ("db", json!(["{id}"]), Some("v9"), Struck::ChangeCannot),
        // On record, of this component, but not among what is cited.
        ("db", json!(["{id}"]), Some("v2"), Struck::ChangeCannot),
    ] {
        let what = |id: &str| {
            let text = evidence.to_string().replace("{id}", id);
            let mut claim = base(component, serde_json::from_str(&text).expect("JSON"));
            claim["change"] = json!(change);
            claim
        };
        let end = after_looking_at(&bundle, "query_metrics", &metrics, &what);
        assert_eq!(end.struck, [(component.to_owned(), why)], "{component} {evidence}");
        assert_eq!(end.fell_back, Some(Why::NothingStands));
        assert_eq!(end.answer, investigate(&bundle).answer);
    }
}

#[test]
fn a_line_in_a_log_is_no_witness_against_its_writer() {
    let end = after_looking_at(&open(), "search_logs", &json!({"component": "ads"}), &about("ads"));
    assert_eq!(end.struck, [("ads".to_owned(), Struck::NotSupported)]);
}

#[test]
fn a_verdict_cites_what_was_given_at_the_start_too() {
    let bundle = open();
    let before = investigate(&bundle).answer;
    let best = &before.ranked[0];
    let (end, asks) =
        run(&bundle, Limits::default(), &|_, _| Ok(verdict(&best.component, &[&best.evidence[0]])));
    assert_eq!((end.fell_back, end.struck, asks.len()), (None, vec![], 1));
    assert!(end.answer.ranked[0].confidence >= best.confidence);
    assert!(end.answer.ranked[0].confidence <= DOUBTFUL_MAX.max(best.confidence));
}

#[test]
fn a_claim_stands_only_if_data_that_the_model_did_not_see_bears_it_out() {
    let (asked, ended, lasts) = (until(65, 65), until(72, 65), until(72, 72));
    let cited = investigate(&asked).answer.ranked[0].evidence.clone();
    assert_eq!(investigate(&asked).answer.ranked[0].component, "db");
    let by_tool = |round: usize, ask: &_| {
        Ok(if round == 0 {
            reply(&[("query_metrics", json!({"component": "db"}))])
        } else {
            verdict("db", &[&id_of(ask, "query_metrics")])
        })
    };
    let at_once = |_: usize, _: &_| Ok(verdict("db", &[&cited[0]]));
    let over = vec![("db".to_owned(), Struck::NoLongerShown)];
    let too_little = until(67, 65);
    for (name, data, fell_back, struck) in [
        ("the same", Recheck::SameBundle, None, vec![]),
        ("still so", Recheck::Fresh(Box::new(lasts)), None, vec![]),
        ("too little to say", Recheck::Fresh(Box::new(too_little)), None, vec![]),
        ("over", Recheck::Fresh(Box::new(ended)), Some(Why::NothingStands), over),
        ("not to be had", Recheck::Unavailable, Some(Why::NotChecked), vec![]),
    ] {
        let by_tool = run_on(&asked, &data, Limits::default(), &by_tool).0;
        assert_eq!((&by_tool.fell_back, &by_tool.struck), (&fell_back, &struck), "{name}, by a tool");
        let at_once = run_on(&asked, &data, Limits::default(), &at_once).0;
        assert_eq!((&at_once.fell_back, &at_once.struck), (&fell_back, &struck), "{name}, at once");
    }
}
