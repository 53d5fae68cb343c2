//! Pull requests: what is written where, what a break at every request leaves behind, and that they are found again.

#[expect(dead_code, reason = "other tests use what these do not")]
mod fake;

use crate::effects::{authorised, intended, undoing};
use crate::server::{at, world};
use fake::{Asked, Break, Repository};
use midwatch_connectors::{ConnectorsConfig, Outside, World};
use midwatch_model::action::{FileChange, Proposal, TargetState};
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Action, ServiceName};
use serde_json::{Value, json};

const BRANCH: &str = "midwatch-fix/payment-service/inc-1";
const DOCUMENT: &str = "remediation/payment-service-inc-1.md";
const MANIFEST: &str =
    "kind: Deployment\nmetadata:\n  name: payment-service\nspec:\n  replicas: 2 # on weekdays\n";

fn pay() -> ServiceName {
    ServiceName::new("payment-service")
}

fn proposal(change: Option<FileChange>) -> Option<Box<Proposal>> {
    Some(Box::new(Proposal {
        title: "[midwatch] CRITICAL: payment-service latency_spike".to_owned(),
        document: "# What was found\n".to_owned(),
        change,
    }))
}

fn intent(open: bool) -> Intent {
    let proposal = proposal(Some(FileChange::Replicas { replicas: 4 })).filter(|_| open);
    let action = Action::PullRequest { target: pay(), incident: "inc-1".into(), proposal, open };
    intended(&format!("incident-inc-1-{}", if open { 8 } else { 9 }), action, TargetState::default())
}

fn configured(url: &str, folder: &tempfile::TempDir, more: &Value) -> World {
    std::fs::write(folder.path().join("token"), "ghp_not-a-real-token-at-all").expect("written");
    let mut github = json!({
        "token": { "file": folder.path().join("token") }, "url": url, "timeout_s": 0.5,
        "services": { "payment-service": { "repository": "example/shop", "manifest": "deploy/payment.yaml" } },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        github[name] = value.clone();
    }
    world(
        json!({ "pull_requests": github, "control_plane": { "call_timeout_s": 10.0 } }),
        &["payment-service"],
    )
}

/// What is said where the API is at such a URL; nothing where the configuration is refused.
pub async fn opened_at(url: &str, folder: &tempfile::TempDir) -> Option<String> {
    std::fs::write(folder.path().join("token"), "ghp_not-a-real-token-at-all").expect("written");
    let token = json!({ "file": folder.path().join("token") });
    let github = json!({ "token": token, "url": url, "repository": "example/shop", "timeout_s": 1.0 });
    let config: ConnectorsConfig =
        serde_json::from_value(json!({ "pull_requests": github })).expect("it can be read");
    let world = World::new(&config, &[]).ok()?;
    let found = world.apply(&authorised(intent(true)), at(0.0)).await;
    assert!(matches!(found, EffectOutcome::NotApplied { .. }), "{url}: {found:?}");
    Some(format!("{found:?}"))
}

struct Scene {
    repository: Repository,
    world: World,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let repository = Repository::start(&[("deploy/payment.yaml", MANIFEST), ("README.md", "shop")]).await;
    let folder = tempfile::tempdir().expect("a folder");
    Scene { world: configured(&repository.url, &folder, &json!({})), repository, _folder: folder }
}

impl Scene {
    async fn open(&self) -> EffectOutcome {
        self.world.apply(&authorised(intent(true)), at(0.0)).await
    }
}

fn is_applied(outcome: &EffectOutcome) -> bool {
    matches!(outcome, EffectOutcome::Applied { .. })
}

/// What every write went to. Nothing else may ever be written to.
fn writes_to_ours_only(asked: &[Asked]) {
    for one in asked.iter().filter(|one| one.method != "GET") {
        let text = format!("{} {}", one.path.replace("%2F", "/"), one.body);
        let is_pull = one.path.ends_with("/pulls") || one.path.contains("/pulls/");
        assert!(is_pull || text.contains(BRANCH), "{one:?}");
        assert_ne!(one.body["branch"], "main");
    }
}

#[tokio::test]
async fn a_pull_request_has_the_findings_and_the_change_and_is_taken_back() {
    let scene = scene().await;
    let EffectOutcome::Applied { detail, .. } = scene.open().await else { panic!("it was not opened") };
    assert_eq!(detail, "pull request https://github.com/example/shop/pull/1: it changes deploy/payment.yaml");
    let repository = &scene.repository;
    let pull = &repository.pulls()[0];
    assert_eq!((pull["head"]["ref"].as_str(), pull["base"]["ref"].as_str()), (Some(BRANCH), Some("main")));
    assert_eq!(pull["title"], "[midwatch] CRITICAL: payment-service latency_spike");
    assert_eq!(repository.file(BRANCH, "deploy/payment.yaml"), MANIFEST.replace(": 2 #", ": 4 #"));
    assert!(repository.file(BRANCH, DOCUMENT).contains("`deploy/payment.yaml`: replicas: 4"));
    assert_eq!(repository.file("main", "deploy/payment.yaml"), MANIFEST, "nobody's branch is touched");
    assert_eq!(repository.file("main", DOCUMENT), "");

    let again = scene.open().await;
    assert!(is_applied(&again) && repository.pulls().len() == 1, "{again:?}");
    let undone = scene.world.apply(&undoing(&intent(true), TargetState::default()), at(1.0)).await;
    assert!(is_applied(&undone), "{undone:?}");
    assert_eq!(
        (repository.branches(), &repository.pulls()[0]["state"]),
        (vec!["main".to_owned()], &json!("closed"))
    );
    writes_to_ours_only(&repository.asked());

    let reopened = scene.open().await;
    assert!(
        matches!(&reopened, EffectOutcome::NotApplied { reason } if reason.contains("was closed")),
        "{reopened:?}"
    );
    let closed_again = scene.world.apply(&authorised(intent(false)), at(2.0)).await;
    assert!(is_applied(&closed_again), "{closed_again:?}");
}

#[tokio::test]
async fn what_was_merged_is_not_closed() {
    let scene = scene().await;
    assert!(is_applied(&scene.open().await));
    scene.repository.merge();
    let found = scene.world.apply(&authorised(intent(false)), at(1.0)).await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("was merged")),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_people_wrote_to_the_branch_is_not_thrown_away() {
    let scene = scene().await;
    assert!(is_applied(&scene.open().await));
    scene.repository.push("Raise the limit as well");
    let found = scene.world.apply(&authorised(intent(false)), at(1.0)).await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("somebody has written to the branch")),
        "{found:?}"
    );
    assert_eq!(
        (scene.repository.branches().len(), &scene.repository.pulls()[0]["state"]),
        (2, &json!("open"))
    );
}

#[tokio::test]
async fn nothing_is_pushed_to_a_branch_that_people_work_on() {
    let scene = scene().await;
    scene.repository.set_default(BRANCH);
    let found = scene.open().await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("nothing is pushed")),
        "{found:?}"
    );
    assert!(scene.repository.asked().iter().all(|one| one.method == "GET"));
    let folder = tempfile::tempdir().expect("a folder");
    let of_base = |base: &str| {
        let url = &scene.repository.url;
        let config =
            json!({ "token": { "env": "X" }, "repository": "example/shop", "url": url, "base": base });
        serde_json::from_value::<ConnectorsConfig>(json!({ "pull_requests": config }))
            .expect("it can be read")
            .validate()
    };
    assert!(of_base("main").is_ok());
    assert!(of_base(BRANCH).is_err_and(|error| error.to_string().contains("pull_requests.base")));
    let other = Repository::start(&[]).await;
    let missing = configured(&other.url, &folder, &json!({ "base": "release" }));
    let found = missing.apply(&authorised(intent(true)), at(0.0)).await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("no branch release")),
        "{found:?}"
    );
}

/// Requests that write, in a way through: branch, manifest, document, pull request.
const WRITES: usize = 4;

#[tokio::test]
async fn a_break_at_every_request_leaves_nothing_or_is_found_again() {
    for number in 0..WRITES {
        for how in [
            Break::Refuse(403),
            Break::Refuse(422),
            Break::LoseAnswer,
            Break::LoseRequest,
            Break::Refuse(500),
        ] {
            let scene = scene().await;
            scene.repository.break_write(number, how);
            let found = scene.open().await;
            scene.repository.mend();
            let name = format!("request {number}, {how:?}: {found:?}");
            if matches!(how, Break::Refuse(403 | 422)) {
                assert!(matches!(found, EffectOutcome::NotApplied { .. }), "{name}");
                assert_eq!(scene.repository.branches(), ["main"], "{name}");
            } else {
                assert!(matches!(found, EffectOutcome::Unknown { .. }), "{name}");
                let settled = scene.world.reconcile(&intent(true)).await.expect("it can be looked at");
                assert_eq!(is_applied(&settled), !scene.repository.pulls().is_empty(), "{name}");
            }
            // Done anew, it is there once.
            assert!(is_applied(&scene.open().await), "{name}");
            assert_eq!((scene.repository.pulls().len(), scene.repository.branches().len()), (1, 2), "{name}");
            writes_to_ours_only(&scene.repository.asked());
        }
    }
}

#[tokio::test]
async fn closing_that_breaks_is_found_again() {
    for number in 0..2 {
        for how in [Break::Refuse(403), Break::LoseAnswer, Break::LoseRequest] {
            let scene = scene().await;
            assert!(is_applied(&scene.open().await));
            scene.repository.break_write(number, how);
            let found = scene.world.apply(&authorised(intent(false)), at(1.0)).await;
            scene.repository.mend();
            assert!(!is_applied(&found), "request {number}, {how:?}: {found:?}");
            let settled = scene.world.reconcile(&intent(false)).await.expect("it can be looked at");
            let is_done = scene.repository.branches() == ["main"];
            assert_eq!(is_applied(&settled), is_done, "request {number}, {how:?}: {settled:?}");
            assert!(is_applied(&scene.world.apply(&authorised(intent(false)), at(2.0)).await));
            assert_eq!(scene.repository.branches(), ["main"], "request {number}, {how:?}");
        }
    }
}

#[tokio::test]
async fn a_manifest_that_cannot_be_changed_is_left_and_the_request_says_so() {
    for (manifest, part) in [
        ("kind: Deployment\nmetadata: {name: payment-service}\nspec: {replicas: 2}\n", "line by line"),
        ("not: it\n", "no Deployment or StatefulSet named payment-service"),
    ] {
        let repository = Repository::start(&[("deploy/payment.yaml", manifest)]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let found =
            configured(&repository.url, &folder, &json!({})).apply(&authorised(intent(true)), at(0.0)).await;
        assert!(
            matches!(&found, EffectOutcome::Applied { detail, .. } if detail.contains(part)),
            "{found:?}"
        );
        assert_eq!(repository.file(BRANCH, "deploy/payment.yaml"), manifest);
        assert!(repository.file(BRANCH, DOCUMENT).contains("To be made by hand"));
    }
}

#[tokio::test]
async fn a_published_schema_of_github_takes_every_request_of_a_pull_request() {
    let scene = scene().await;
    assert!(is_applied(&scene.open().await));
    assert!(is_applied(&scene.world.apply(&authorised(intent(false)), at(1.0)).await));
    let folder = tempfile::tempdir().expect("a folder");
    let ends = [
        "",
        "/git/ref/{ref}",
        "/git/refs",
        "/git/refs/{ref}",
        "/contents/{path}",
        "/pulls",
        "/pulls/{pull_number}",
        "/pulls/{pull_number}/commits",
    ];
    let paths: Vec<String> = ends.iter().map(|end| format!("/repos/{{owner}}/{{repo}}{end}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let prism = crate::npm::prism("github.com/api.github.com.json", &paths, &folder).await;
    let client = plain_client();
    let asked = scene.repository.asked();
    assert!(asked.iter().filter(|one| one.method != "GET").count() >= WRITES + 2);
    for one in asked {
        let url = format!("http://127.0.0.1:{}{}?{}", prism.port, one.path, one.query);
        let request = client.request(one.method.clone(), url).bearer_auth("x");
        let request = if one.body.is_null() { request } else { request.json(&one.body) };
        let answer = request.send().await.expect("an answer");
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap_or_default());
        assert!(status < 400, "{one:?}: {status} {text}");
    }
}

fn plain_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
