//! What somebody writes down is found, also after the server was killed. No lab is needed, and no model.

use crate::night::{midwatch, text, wait_for};
use crate::prometheus::free_port;
use std::path::Path;
use std::process::{Child, Output, Stdio};

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Rig {
    dir: tempfile::TempDir,
    port: u16,
}

impl Rig {
    fn new() -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        let path = |name: &str| dir.path().join(name).display().to_string();
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {:?}\n[report]\ndir = {:?}\n\
             [telemetry]\nkind = \"none\"\n[knowledge]\nmodel_dir = {:?}\n",
            path("midwatch.db"),
            path("postmortems"),
            path("model"),
        );
        std::fs::write(path("midwatch.toml"), config).expect("written");
        Self { dir, port }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(Path::new(&path).parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn serve(&self) -> Server {
        let log = std::fs::File::create(self.path("log")).expect("a log");
        let child = midwatch()
            .args(["serve", "-c", &self.path("midwatch.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("midwatch runs");
        let server = Server(child);
        wait_for("the server's answer", || self.knowledge(&["list"]).status.success().then_some(()));
        server
    }

    fn knowledge(&self, args: &[&str]) -> Output {
        let url = format!("http://127.0.0.1:{}", self.port);
        midwatch().arg("knowledge").args(args).args(["--url", &url]).output().expect("midwatch runs")
    }

    /// What a command prints when all is well.
    fn says(&self, args: &[&str], part: &str) {
        let output = self.knowledge(args);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && said.contains(part), "{args:?}: {said}");
    }

    /// How a command ends that cannot be done, and what it says.
    fn refuses(&self, args: &[&str], code: i32, part: &str) {
        let output = self.knowledge(args);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn what_is_added_is_found_also_after_the_server_was_killed() {
    let rig = Rig::new();
    let page = "# The zebra valve\n\n## Mitigate\nTurn the zebra valve to the left, slowly.\n";
    rig.write("books/zebra.md", page);
    rig.write("books/deep/lynx.md", &page.replace("zebra", "lynx"));
    let bad = rig.write("bad.md", "---\nkind: poem\n---\nroses\n");
    let server = rig.serve();
    rig.says(&["add", &rig.path("books"), "--by", "ana"], "added runbooks/zebra");
    rig.refuses(&["add", &bad], 2, "bad.md:2: `kind: poem` is none");
    rig.refuses(&["add", &rig.path("nowhere.md")], 2, "nowhere.md");
    rig.says(&["search", "lynx", "valve"], "Turn the lynx valve");
    drop(server);
    let _server = rig.serve();
    rig.says(&["search", "zebra valve", "--collection", "runbooks"], "added by ana");
    rig.says(&["search", "zebra valve", "--json"], "\"by\": \"words\"");
    rig.says(&["search", "connections", "--anomaly-type", "db_pool"], "found by words alone");
    rig.says(&["search", "order-service", "--collection", "services"], "Criticality: P0");
    rig.says(&["reindex"], "documents");
    rig.says(&["review"], "no candidates");
    rig.says(&["remove", "runbooks", "zebra"], "removed runbooks/zebra");
    rig.refuses(&["remove", "runbooks", "zebra"], 1, "knowledge list");
    rig.refuses(&["review", "inc-nothing"], 1, "there is no incident");
    rig.refuses(&["search", "x", "--collection", "poems"], 2, "known: runbooks, incidents, services");
}

#[test]
fn a_wrong_model_is_not_installed() {
    let rig = Rig::new();
    let config = rig.path("midwatch.toml");
    rig.write("wrong/tokenizer.json", "{}");
    let wrong = rig.write("wrong/model.safetensors", "not the model");
    rig.refuses(
        &["model", "install", &wrong, "-c", &config],
        1,
        "get it again with `midwatch knowledge model install --pip`",
    );
    rig.refuses(&["model", "install"], 2, "--pip");
    let status = rig.knowledge(&["model", "status", "-c", &config]);
    assert!(status.status.code() == Some(1) && text(&status.stdout).contains("by words alone"), "{status:?}");
}
