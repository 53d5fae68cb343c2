//! What is known outlives a restart, is found when it is needed, and nothing is learnt that nobody has reviewed.

use crate::harness::Rig;
use midwatch_engine::{Answer, Collection, EngineError, FoundBy, Origin, Question, ReviewRequest, Written};
use midwatch_incident::State;
use midwatch_model::IncidentId;
use std::path::PathBuf;

/// Names a folder with the model's files; the test command obtains them.
const MODEL: &str = "MIDWATCH_TEST_MODEL";

/// A watch that knows of no model, whatever is installed on this machine.
async fn rig() -> Rig {
    Rig::with(|config| config.knowledge.model_dir = Some("/nonexistent".into()), "").await
}

fn written(name: &str, text: &str) -> Written {
    Written { name: name.into(), text: text.into() }
}

async fn search(rig: &Rig, collection: Collection, text: &str) -> Answer {
    let question = Question { text: text.into(), collection: Some(collection), ..Question::default() };
    rig.engine.search_knowledge(&question).await.expect("an answer")
}

fn first(answer: &Answer) -> &str {
    answer.hits.first().map_or("", |hit| hit.id.as_str())
}

#[tokio::test]
async fn what_ships_is_found_by_words_and_it_is_said_that_there_is_no_model() {
    let rig = rig().await;
    let answer = search(&rig, Collection::Runbooks, "pool of database connections is exhausted").await;
    assert_eq!((first(&answer), answer.by), ("db-connection-exhaustion", FoundBy::Words));
    assert!(answer.note.expect("a note").contains("knowledge model install"));
    assert_eq!(answer.hits[0].origin, Origin::Shipped);
    assert!(answer.hits.len() <= 8);
    let incidents = search(&rig, Collection::Incidents, "connections held by a job").await;
    assert!(first(&incidents) == "pool-held-by-batch-job" && incidents.hits.len() <= 5, "{incidents:?}");
    let service = search(&rig, Collection::Services, "order-service").await;
    assert_eq!((first(&service), service.hits.len()), ("order-service", 1));
}

#[tokio::test]
async fn what_was_added_is_found_after_a_restart_and_until_it_is_taken_away() {
    let rig = rig().await;
    let page = "---\nanomaly_types: [queue_lag]\n---\n# Zebra crossing\n\n## Do\nTurn the zebra valve to the left, slowly.\n";
    rig.engine.add_knowledge(&[written("zebra.md", page)], "ana").await.expect("added");
    let rig = rig.reopen().await;
    let answer = search(&rig, Collection::Runbooks, "zebra valve").await;
    assert_eq!(first(&answer), "zebra");
    assert!(matches!(&answer.hits[0].origin, Origin::Added { by, .. } if by == "ana"), "{answer:?}");
    rig.engine.remove_knowledge(Collection::Runbooks, "zebra").await.expect("removed");
    assert!(search(&rig, Collection::Runbooks, "zebra valve").await.hits.is_empty());
    let shipped = rig.engine.remove_knowledge(Collection::Runbooks, "memory-leak").await;
    assert!(matches!(shipped, Err(EngineError::Refused(_))), "{shipped:?}");
    let nothing = rig.engine.remove_knowledge(Collection::Runbooks, "zebra").await;
    assert!(matches!(nothing, Err(EngineError::NoDocument(_))), "{nothing:?}");
}

#[tokio::test]
async fn of_several_documents_all_are_taken_or_none_and_everything_wrong_is_said() {
    let rig = rig().await;
    let good = written("good.md", "# Good\n\n## Do\nTurn the zebra valve to the left, slowly.\n");
    let all = [good, written("a.md", "---\nkind: poem\n---\nx"), written("b.md", "short")];
    let error = rig.engine.add_knowledge(&all, "ana").await.expect_err("a refusal").to_string();
    assert!(error.contains("a.md:2:") && error.contains("b.md:1:"), "{error}");
    assert!(search(&rig, Collection::Runbooks, "zebra valve").await.hits.is_empty());
}

#[tokio::test]
async fn an_own_page_takes_the_place_of_the_shipped_one_and_what_ships_can_be_left_out() {
    let rig = rig().await;
    let own = "# Our way\n\n## Do\nCall the zebra team, they know about memory.\n";
    rig.engine.add_knowledge(&[written("memory-leak.md", own)], "ana").await.expect("added");
    let listed = rig.engine.list_knowledge();
    let page = listed.iter().find(|one| one.id == "memory-leak").expect("the page");
    assert_eq!(page.title, "Our way");
    let rig = rig.reopen_with(|config| config.knowledge.shipped = false).await;
    assert_eq!(rig.engine.list_knowledge().len(), 1);
}

fn yes(by: &str) -> ReviewRequest {
    ReviewRequest { accept: true, by: by.into(), reason: String::new(), markdown: None }
}

/// A watch with an incident that is over.
async fn with_closed_incident() -> (Rig, IncidentId) {
    let rig = rig().await;
    rig.break_payment();
    let incident = rig.until_state(State::Closed).await;
    (rig, incident.id)
}

#[tokio::test]
async fn a_closed_incident_is_found_only_after_somebody_reviewed_it() {
    let (rig, id) = with_closed_incident().await;
    let asked = "payment latency spike restart";
    assert!(search(&rig, Collection::Incidents, asked).await.hits.iter().all(|hit| hit.id != id.as_str()));
    let candidates = rig.engine.candidates(10).await.expect("candidates");
    assert_eq!(candidates.iter().map(|c| &c.incident).collect::<Vec<_>>(), [&id]);
    insta::assert_snapshot!(candidates[0].markdown);

    rig.engine.review(&id, yes("ana")).await.expect("accepted");
    assert!(rig.engine.candidates(10).await.expect("candidates").is_empty());
    let again = rig.engine.review(&id, yes("bo")).await.expect_err("a refusal").to_string();
    assert!(again.contains("ana has accepted"), "{again}");
    let rig = rig.reopen().await;
    let answer = search(&rig, Collection::Incidents, asked).await;
    let hit = answer.hits.iter().find(|hit| hit.id == id.as_str()).expect("the incident");
    assert!(matches!(&hit.origin, Origin::Learnt { by, .. } if by == "ana"), "{hit:?}");
}

#[tokio::test]
async fn what_is_refused_is_not_learnt_and_not_asked_about_again() {
    let (rig, id) = with_closed_incident().await;
    rig.engine.review(&id, ReviewRequest { accept: false, ..yes("ana") }).await.expect("refused");
    assert!(rig.engine.candidates(10).await.expect("candidates").is_empty());
    assert!(rig.engine.list_knowledge().iter().all(|one| one.id != id.as_str()));
}

#[tokio::test]
async fn a_reviewer_may_write_it_better_but_not_as_something_else() {
    let (rig, id) = with_closed_incident().await;
    let draft = rig.engine.candidate(&id).await.expect("a candidate").markdown;
    let other = draft.replace(&format!("id: {id}"), "id: other");
    let wrong = rig.engine.review(&id, ReviewRequest { markdown: Some(other), ..yes("ana") }).await;
    assert!(matches!(wrong, Err(EngineError::Unfit(_))), "{wrong:?}");
    let better = draft.replace("## Root cause\n", "## Root cause\nThe zebra cable was loose. ");
    rig.engine.review(&id, ReviewRequest { markdown: Some(better), ..yes("ana") }).await.expect("accepted");
    assert_eq!(first(&search(&rig, Collection::Incidents, "zebra cable").await), id.as_str());
}

#[tokio::test]
async fn an_open_incident_is_no_candidate() {
    let rig = rig().await;
    rig.break_payment();
    let incident = rig.until("diagnosed", |incident| incident.verdict.is_some()).await;
    assert!(rig.engine.candidates(10).await.expect("candidates").is_empty());
    let early = rig.engine.review(&incident.id, yes("ana")).await;
    assert!(matches!(early, Err(EngineError::Refused(_))), "{early:?}");
}

/// The test command obtains the model, or leaves this out and says so.
#[tokio::test]
async fn with_the_model_pages_are_found_by_meaning() {
    let Some(dir) = std::env::var_os(MODEL).map(PathBuf::from) else {
        eprintln!("left out: {MODEL} names no folder with the model; `cargo xtask test` obtains it");
        return;
    };
    let config = |config: &mut midwatch_engine::EngineConfig| config.knowledge.model_dir = Some(dir);
    let rig = Rig::with(config, "").await;
    let indexed = rig.engine.reindex_knowledge().await.expect("an index");
    assert!(
        indexed.note.is_none() && indexed.embedded == indexed.texts && indexed.texts > 100,
        "{indexed:?}"
    );
    // No word of it is on the page.
    let answer = search(&rig, Collection::Incidents, "SSL credentials were outdated").await;
    assert_eq!((answer.by, first(&answer)), (FoundBy::WordsAndMeaning, "expired-certificate"), "{answer:?}");
    assert!(answer.note.is_none());

    // Vectors outlive the process, and the model leaves memory when nobody searches.
    let rig = rig.reopen().await;
    let again = rig.engine.reindex_knowledge().await.expect("an index");
    assert_eq!((again.embedded, again.texts), (indexed.texts, indexed.texts));
    assert!(rig.engine.model_is_loaded());
    rig.clock.advance(301.0);
    rig.tick().await;
    assert!(!rig.engine.model_is_loaded());
    assert_eq!(
        search(&rig, Collection::Services, "who charges credit cards").await.by,
        FoundBy::WordsAndMeaning
    );
}

#[tokio::test]
async fn documents_that_are_added_at_once_are_all_there() {
    let rig = rig().await;
    let page = |n: usize| {
        [written(&format!("page-{n}.md"), "# Page\n\n## Do\nTurn the zebra valve to the left, slowly.\n")]
    };
    let pages: Vec<_> = (0..20).map(page).collect();
    let adding = pages.iter().map(|page| rig.engine.add_knowledge(page, "ana"));
    for added in futures::future::join_all(adding).await {
        added.expect("added");
    }
    let listed = rig.engine.list_knowledge();
    assert_eq!(listed.iter().filter(|one| one.id.starts_with("page-")).count(), 20);
}

#[tokio::test]
async fn a_page_with_a_secret_is_added_without_it_and_the_answer_says_in_how_many_places() {
    let rig = rig().await;
    let page =
        "# Zebra\n\n## Do\nRun `mysql -u root -pTr0ub4dor` on the zebra, with ZEBRA_TOKEN=Tr0ub4dor set.\n";
    let added = rig.engine.add_knowledge(&[written("zebra.md", page)], "ana").await.expect("added");
    assert_eq!(added[0].blanked, 2);
    let rig = rig.reopen().await;
    let answer = search(&rig, Collection::Runbooks, "zebra").await;
    let text = &answer.hits[0].text;
    assert!(text.contains("mysql -u root -p[redacted]") && !text.contains("Tr0ub4dor"), "{text}");
}
