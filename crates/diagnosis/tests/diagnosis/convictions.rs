//! Changes: which of them is convicted, by what its diff can do, and when none is.

use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, investigate};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Minutes of normal operation before the trouble, and of trouble.
const NORMAL: i64 = 60;
const TROUBLE: i64 = 10;

/// Innocent changes that look guilty, deployed to the same service two minutes before the trouble.
const REFACTORING: &str = "@@ api/handler.go @@\n-\tvar req Request\n-\tif err := decode(r, &req); err != nil {\n\
    -\t\thttp.Error(w, \"bad request\", 400)\n-\t\treturn\n-\t}\n+\treq, err := decodeRequest(r)\n+\tif err != nil {\n\
    +\t\twriteError(w, 400, err)\n+\t\treturn\n+\t}\n";
const LOGGING: &str = "@@ api/log.py @@\n-    log.info(\"%s %s\", method, path)\n+    log.info(\"handled\", method=method, path=path)\n";
const COLOURS: &str = "@@ api/theme.ts @@\n-  accent: \"#3b82f6\",\n+  accent: \"#2563eb\",\n";
const PATCH_RELEASE: &str =
    "@@ go.mod @@\n-\tgithub.com/gorilla/mux v1.8.0\n+\tgithub.com/gorilla/mux v1.8.1\n";
const TESTS: &str = "@@ api/handler_test.go @@\n+\tctx, cancel := context.WithTimeout(ctx, time.Millisecond)\n+\tdefer cancel()\n";
const INNOCENT: [&str; 5] = [REFACTORING, LOGGING, COLOURS, PATCH_RELEASE, TESTS];

/// What happens: what the service logs, and which of its series leaves its normal.
struct Trouble {
    logs: &'static str,
    metric: &'static str,
}

fn bundle(trouble: &Trouble, changes: &[Value], extra: &dyn Fn(i64, &mut String)) -> Bundle {
    let (mut metrics, mut logs) = ("timestamp,service,metric,value\n".to_owned(), String::new());
    for minute in 0..NORMAL + TROUBLE {
        let wiggle = ((minute * 7919) % 100) as f64 / 100.0;
        let level = if minute >= NORMAL { 40.0 } else { 0.0 };
        let _ = writeln!(metrics, "{},api,{},{}", minute * 60, trouble.metric, 10.0 + wiggle + level);
        let _ = writeln!(metrics, "{},web,http_error_rate,{}", minute * 60, 1.0 + wiggle + level / 40.0);
        extra(minute, &mut metrics);
        let line = |severity: &str, message: &str| {
            json!({"timestamp": minute * 60, "service": "api", "severity_text": severity, "msg": message})
                .to_string()
                + "\n"
        };
        logs.push_str(&line("INFO", "handled request"));
        if minute >= NORMAL {
            logs.push_str(&line("ERROR", trouble.logs));
        }
    }
    let incident = json!({
        "alert": { "service": "api", "title": "api is in trouble", "labels": { "metric": trouble.metric } },
        "detected_at": (NORMAL + 3) * 60, "baseline": [{ "from": 0, "to": 45 * 60 }],
    });
    let text = BundleText {
        incident: incident.to_string(),
        metrics: Some(metrics),
        logs: Some(logs),
        topology: Some("caller,callee\nweb,api\n".to_owned()),
        changes: Some(Value::from(changes).to_string()),
        ..BundleText::default()
    };
    Bundle::parse(&text).expect("a bundle")
}

fn deployed(id: &str, minute: i64, title: &str, diff: &str) -> [Value; 2] {
    let commit =
        json!({"kind": "commit", "sha": id, "timestamp": (minute - 2) * 60, "message": title, "diff": diff});
    let deploy = json!({"kind": "deploy", "commit": id, "timestamp": minute * 60, "service": "api"});
    [commit, deploy]
}

fn investigated(trouble: &Trouble, changes: &[Value]) -> Answer {
    investigate(&bundle(trouble, changes, &|_, _| {})).answer
}

/// The culprit is convicted although each innocent change is younger; without it, nobody is.
fn check(trouble: &Trouble, title: &str, diff: &str) {
    for innocent in INNOCENT {
        let mut changes = deployed("culprit", 52, title, diff).to_vec();
        changes.extend(deployed("innocent", 58, "refactor: tidy", innocent));
        let answer = investigated(trouble, &changes);
        let change = answer.ranked[0].change.as_deref();
        assert_eq!(change, Some("culprit"), "`{title}` beside {innocent}, at \"{}\"", trouble.logs);
        let alone = investigated(trouble, &deployed("innocent", 58, "refactor: tidy", innocent));
        assert_eq!(alone.ranked[0].change, None, "{innocent} at \"{}\"", trouble.logs);
    }
}

const TIMEOUTS: Trouble =
    Trouble { logs: "call to db failed: context deadline exceeded", metric: "rpc_error_rate" };
const CRASHES: Trouble =
    Trouble { logs: "TypeError: cannot read properties of undefined", metric: "http_5xx_rate" };
const MEMORY: Trouble =
    Trouble { logs: "java.lang.OutOfMemoryError: Java heap space", metric: "memory_rss_bytes" };
const POOL: Trouble =
    Trouble { logs: "could not acquire connection: pool exhausted", metric: "db_pool_in_use" };
const SLOW_DB: Trouble = Trouble { logs: "slow query took 4200 ms", metric: "http_latency_p99" };
const AUTH: Trouble =
    Trouble { logs: "request to ledger rejected: 403 permission denied", metric: "http_error_rate" };
const REFUSED: Trouble =
    Trouble { logs: "dial tcp: lookup ledger.prod: no such host", metric: "http_error_rate" };
const DECODE: Trouble =
    Trouble { logs: "failed to unmarshal order: unknown field", metric: "http_error_rate" };
const CPU: Trouble = Trouble { logs: "event loop blocked for 900 ms", metric: "cpu_usage" };
const LIMITED: Trouble =
    Trouble { logs: "upstream answered 429 too many requests", metric: "http_error_rate" };

#[test]
fn values_that_are_too_small_or_too_large_are_convicted() {
    check(&TIMEOUTS, "client config", "@@ a.yaml @@\n-  request_timeout: 5s\n+  request_timeout: 50ms\n");
    check(&POOL, "tune database", "@@ db.go @@\n-\tdb.SetMaxOpenConns(100)\n+\tdb.SetMaxOpenConns(5)\n");
    check(&MEMORY, "smaller pods", "@@ k8s/api.yaml @@\n-      memory: 1Gi\n+      memory: 128Mi\n");
    check(&CPU, "fewer workers", "@@ api.toml @@\n-workers = 16\n+workers = 1\n");
    check(&LIMITED, "be robust", "@@ c.py @@\n-MAX_RETRIES = 2\n+MAX_RETRIES = 50\n");
}

#[test]
fn checks_and_clean_ups_that_are_gone_are_convicted() {
    check(
        &CRASHES,
        "simplify",
        "@@ a.js @@\n-  if (user.address !== undefined) {\n-    city = user.address.city;\n-  }\n+  city = user.address.city;\n",
    );
    check(&POOL, "simplify", "@@ A.java @@\n-    } finally {\n-      connection.close();\n-    }\n");
    check(&LIMITED, "retry faster", "@@ c.py @@\n-        time.sleep(backoff * 2 ** attempt)\n");
}

#[test]
fn what_grows_waits_or_asks_too_much_is_convicted() {
    check(
        &MEMORY,
        "remember results",
        "@@ m.py @@\n+_results = {}\n+\n+def remember(key, value):\n+    _results[key] = value\n",
    );
    check(
        &SLOW_DB,
        "show totals",
        "@@ o.py @@\n+    for order in orders:\n+        order.total = db.query(\"SELECT sum(x) FROM lines WHERE id = %s\", order.id)\n",
    );
    check(
        &SLOW_DB,
        "all rows",
        "@@ o.sql @@\n-SELECT * FROM orders ORDER BY id LIMIT 100\n+SELECT * FROM orders ORDER BY id\n",
    );
    check(&CPU, "validate names", "@@ v.go @@\n+\tre := regexp.MustCompile(`(a+)+$`)\n");
}

#[test]
fn addresses_rights_and_shapes_are_convicted() {
    check(
        &REFUSED,
        "move ledger",
        "@@ a.env @@\n-LEDGER_URL=http://ledger.internal\n+LEDGER_URL=http://ledger.prod\n",
    );
    check(&AUTH, "tighten rights", "@@ role.yaml @@\n-  role: ledger-writer\n+  role: ledger-reader\n");
    check(
        &DECODE,
        "rename",
        "@@ order.go @@\n-\tTotal int `json:\"total\"`\n+\tTotal int `json:\"total_cents\"`\n",
    );
}

#[test]
fn what_comes_after_the_trouble_began_did_not_begin_it() {
    let diff = "@@ a.yaml @@\n-  request_timeout: 5s\n+  request_timeout: 50ms\n";
    assert_eq!(
        investigated(&TIMEOUTS, &deployed("late", NORMAL + 5, "client config", diff)).ranked[0].change,
        None
    );
}

#[test]
fn a_diff_that_cannot_do_this_is_not_convicted() {
    let diff = "@@ a.yaml @@\n-  level: info\n+  level: debug\n";
    assert_eq!(investigated(&AUTH, &deployed("verbose", 58, "more logs", diff)).ranked[0].change, None);
}

#[test]
fn more_requests_from_outside_are_nobodys_change() {
    let trouble = Trouble { logs: "worker pool saturated, request queued", metric: "http_latency_p99" };
    let surge = |minute: i64, metrics: &mut String| {
        let rate = if minute >= NORMAL { 900 } else { 100 } + minute % 7;
        let _ = writeln!(
            metrics,
            "{},web,requests_per_second,{rate}\n{},api,requests_per_second,{}",
            minute * 60,
            minute * 60,
            rate * 2
        );
    };
    let diff = "@@ api.toml @@\n-workers = 16\n+workers = 15\n";
    let answer = investigate(&bundle(&trouble, &deployed("innocent", 58, "tune", diff), &surge)).answer;
    let best = &answer.ranked[0];
    assert_eq!((best.change.as_deref(), best.kind.name()), (None, "traffic_spike"));
    assert_eq!(answer.remediation.map(|r| r.action.to_string()).as_deref(), Some("scale"));
}

#[test]
fn a_certificate_that_ran_out_is_nobodys_change() {
    let trouble =
        Trouble { logs: "tls handshake failed: x509: certificate has expired", metric: "http_error_rate" };
    let diff = "@@ tls.go @@\n-\tMinVersion: tls.VersionTLS12,\n+\tMinVersion: tls.VersionTLS13,\n";
    let best = investigated(&trouble, &deployed("innocent", 58, "tls", diff)).ranked.remove(0);
    assert_eq!((best.change, best.kind.name()), (None, "dependency_failure"));
}

#[test]
fn what_a_diff_does_that_nobody_understands_is_told_and_convicted_only_where_a_complaint_names_it() {
    const DIFF: &str =
        "@@ src/charge.js @@\n-  return total(order);\n+  return total(order, order.price.currency);\n";
    for (logs, files, convicted) in [
        ("something went wrong", json!(["src/charge.js"]), false),
        ("failed in refund.js:12", json!(["src/charge.js"]), false),
        ("failed in charge.js:88", json!(["src/charge.js"]), true),
    ] {
        let trouble = Trouble { logs, metric: "http_error_rate" };
        let mut changes = deployed("unclear", 58, "several currencies", DIFF);
        changes[0]["files_changed"] = files;
        let found = investigate(&bundle(&trouble, &changes, &|_, _| {}));
        assert!(found.suspects[0].1.contains("several currencies"), "{logs}: {:?}", found.suspects);
        assert_eq!(found.answer.ranked[0].change.is_some(), convicted, "{logs}: {:?}", found.suspects);
    }
}
