//! What a model puts into words, and what is said without it.

use super::script::{clear, reply};
use midwatch_diagnosis::agent::{Document, Shelf, told};
use midwatch_diagnosis::investigate::investigate;
use midwatch_model::llm::{Reply, Stop, Tier};

fn shelf() -> Shelf {
    let doc = Document {
        id: "slow".into(),
        title: "Slow database".into(),
        text: "latency spike of db: look at locks".into(),
    };
    Shelf { runbooks: vec![doc], ..Shelf::default() }
}

fn said(text: &str, stop: Stop) -> Reply {
    Reply { text: text.into(), stop, ..reply(&[]) }
}

#[test]
fn each_tier_asks_within_its_limits_and_for_its_own() {
    let (bundle, shelf) = (clear(), shelf());
    let answer = investigate(&bundle).answer;
    for (tier, tokens, temperature, holds) in [
        (Tier::Classify, 200, 0.1, "latency_spike"),
        (Tier::Impact, 600, 0.2, "affected"),
        (Tier::Plan, 2000, 0.2, "look at locks"),
        (Tier::Postmortem, 3000, 0.2, "blameless"),
    ] {
        let ask = told::ask(tier, &bundle, &answer, &shelf);
        assert_eq!((ask.tokens_max(), ask.tier().temperature()), (tokens, temperature), "{tier:?}");
        assert!(ask.text().contains(holds), "{tier:?}: {}", ask.text());
        assert!(ask.tools().is_empty());
    }
}

#[test]
fn a_postmortem_is_told_as_data_beside_the_incidents_before_it() {
    let before = shelf().runbooks;
    let ask = told::ask_of_postmortem("# inc-1\n\npassword=hunter22 <b>\n", &before);
    let text = ask.text();
    assert!(text.contains("# inc-1") && text.contains("look at locks"), "{text}");
    assert!(!text.contains("hunter22") && !text.contains("<b>"), "{text}");
    assert_eq!((ask.tier(), ask.tokens_max(), ask.tools().len()), (Tier::Postmortem, 3000, 0));
}

#[test]
fn without_usable_words_ours_are_said() {
    let (bundle, shelf) = (clear(), shelf());
    let answer = investigate(&bundle).answer;
    for (tier, usable, ours) in [
        (Tier::Classify, "Memory_Leak.", "latency_spike"),
        (Tier::Impact, "Users wait.", "Affected: cart, db, web."),
        (Tier::Plan, "1. Look.", "Runbook: Slow database"),
        (Tier::Postmortem, "It was slow.", "db had"),
    ] {
        assert!(told::read(tier, &said(usable, Stop::Done)).is_some(), "{tier:?}");
        for (text, stop) in
            [("", Stop::Done), (" \n ", Stop::Done), (usable, Stop::Cut), (usable, Stop::Withheld)]
        {
            assert_eq!(told::read(tier, &said(text, stop)), None, "{tier:?} {text:?} {stop:?}");
        }
        let fallback = told::fallback(tier, &bundle, &answer, &shelf);
        assert!(fallback.contains(ours), "{tier:?}: {fallback}");
    }
    // A class is one of the catalogue or none.
    assert_eq!(told::read(Tier::Classify, &said("restart everything", Stop::Done)), None);
    let long = told::read(Tier::Impact, &said(&"word ".repeat(100_000), Stop::Done)).expect("words");
    assert!(long.chars().count() <= 6001);
    let secret = told::read(Tier::Impact, &said("the password=hunter22 leaked", Stop::Done)).expect("words");
    assert!(!secret.contains("hunter22"));
}
