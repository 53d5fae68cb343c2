//! Addresses that must not be reached, on every way to tell a receiver: none is connected to.

use crate::notifiers::{tell, verdict};
use midwatch_connectors::{ConnectorsConfig, Outside as _, World};
use serde_json::{Value, json};
use std::path::Path;

/// Metadata and its like, as four numbers.
const REFUSED: [[u32; 4]; 7] = [
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [169, 254, 0, 1],
    [100, 100, 100, 200],
    [192, 0, 0, 192],
    [168, 63, 129, 16],
    [0, 0, 0, 0],
];

/// Every way to write an IPv4 address down.
fn spellings([a, b, c, d]: [u32; 4]) -> Vec<String> {
    let number = (a << 24) | (b << 16) | (c << 8) | d;
    let (high, low) = (number >> 16, number & 0xffff);
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{number}"),
        format!("0x{number:x}"),
        format!("0X{number:X}"),
        format!("0{number:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{b}.{low}"),
        format!("{a}.{}", number & 0x00ff_ffff),
        format!("{a}.0x{b:x}.0{c:o}.{d}"),
        format!("{a}%2e{b}%2e{c}%2e{d}"),
        format!("{a}。{b}。{c}。{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[::ffff:0:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:x}:{low:x}]"),
        format!("[64:ff9b::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[2001:0:1:2:3:4:{:x}:{:x}]", !high & 0xffff, !low & 0xffff),
    ]
}

fn urls() -> Vec<String> {
    let spelled = REFUSED.iter().flat_map(|address| spellings(*address));
    let others = [
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[fe80::1]",
        "[fe80::a9fe:a9fe]",
        "[febf::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[::]",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "0",
        "metadata.google.internal",
        "metadata.google.internal.",
        "METADATA.GOOGLE.INTERNAL",
        "metadata",
        "instance-data.ec2.internal",
        "metadata.goog",
        "user:pass@169.254.169.254",
        "example.org@169.254.169.254",
        "１６９.254.169.254",
        "169.254.169.254:80",
    ];
    let hosts = spelled.chain(others.into_iter().map(str::to_owned));
    hosts.map(|host| format!("http://{host}/latest/meta-data/iam")).collect()
}

/// Every way to tell a receiver, with the URL in each place where one can be configured.
fn receiver(url: &str, dir: &Path) -> Value {
    std::fs::write(dir.join("key"), "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3yk3").expect("written");
    std::fs::write(dir.join("url"), url).expect("written");
    let (key, webhook) = (json!({ "file": dir.join("key") }), json!({ "file": dir.join("url") }));
    json!({
        "name": "ops",
        "webhook": [{ "url": url, "timeout_s": 1.0 }],
        "slack": [{ "token": key, "channel": "C01", "url": url, "timeout_s": 1.0 }, { "webhook": webhook, "timeout_s": 1.0 }],
        "pagerduty": [{ "routing_key": key, "url": url, "timeout_s": 1.0 }],
        "teams": [{ "webhook": webhook, "timeout_s": 1.0 }],
        "notion": [{ "token": key, "database": "0123456789abcdef0123456789abcdef", "url": url, "timeout_s": 1.0 }],
        "github": [{ "token": key, "repository": "a/b", "url": url, "timeout_s": 1.0 }],
        "discord": [{ "webhook": webhook, "timeout_s": 1.0 }],
        "opsgenie": [{ "api_key": key, "url": url, "timeout_s": 1.0 }],
    })
}

/// How many of the ways to tell a receiver refuse the URL before anything is sent; all of them have to.
async fn refused(url: &str, private_addresses: bool) -> usize {
    let dir = tempfile::tempdir().expect("a folder");
    let config = json!({ "receiver": [receiver(url, dir.path())], "notifications": { "private_addresses": private_addresses } });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let targets: Vec<String> = config.receivers[0].ways().into_iter().map(|way| way.target).collect();
    // An address that is none at all is refused with the configuration.
    let Ok(world) = World::new(&config, &[]) else { return targets.len() };
    for target in &targets {
        let error = tell(&world, target, &verdict(), None).await.expect_err("nothing may be sent");
        assert!(error.reason.contains("refused"), "{target} {url}: {}", error.reason);
    }
    targets.len()
}

#[tokio::test]
async fn no_way_to_tell_a_receiver_reaches_what_only_this_machine_may_ask() {
    let urls = urls();
    assert!(urls.len() >= 100, "{} are too few", urls.len());
    let mut all = 0;
    for url in &urls {
        all += refused(url, true).await;
    }
    assert_eq!(all, urls.len() * 9);
}

#[tokio::test]
async fn private_addresses_are_refused_where_that_is_configured() {
    for host in [
        "127.0.0.1",
        "2130706433",
        "127.1",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "[fd12:3456::1]",
        "[fc00::1]",
    ] {
        assert_eq!(refused(&format!("http://{host}:9/"), false).await, 9, "{host}");
    }
}

#[tokio::test]
async fn a_mail_server_is_no_metadata_either() {
    for host in
        ["169.254.169.254", "2852039166", "::ffff:169.254.169.254", "metadata.google.internal", "0.0.0.0"]
    {
        let email = json!({ "host": host, "security": "none", "from": "a@b.example", "on_call": ["c@d.example"], "timeout_s": 2.0 });
        let config = json!({ "receiver": [{ "name": "ops", "email": [email] }] });
        let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
        let world = World::new(&config, &[]).expect("a world");
        let error = tell(&world, "ops/email/0", &verdict(), None).await.expect_err("nothing may be sent");
        assert!(error.reason.contains("refused"), "{host}: {}", error.reason);
    }
}

#[tokio::test]
async fn the_address_of_a_press_is_asked_only_if_it_is_slacks() {
    use midwatch_connectors::Outside as _;
    let world = World::new(&ConnectorsConfig::default(), &[]).expect("a world");
    let body = json!({ "text": "no" });
    let odd = [
        "",
        "http://hooks.slack.com/actions/T1/1/x",
        "https://hooks.slack.com:8443/actions/T1/1/x",
        "https://hooks.slack.com@evil.example/",
        "https://me:pw@hooks.slack.com/",
        "https://me@hooks.slack.com/",
        "https://hooks.slack.com.evil.example/",
        "https://evil-hooks.slack.com/",
        "https://slack.com/",
        "file:///etc/passwd",
        "//hooks.slack.com/",
    ];
    let secure = urls().into_iter().map(|url| url.replacen("http://", "https://", 1));
    for url in odd.into_iter().map(str::to_owned).chain(urls()).chain(secure) {
        let error = world.respond(&url, &body).await.expect_err("nobody is asked");
        assert!(error.to_string().contains("the response_url of a press"), "{url}: {error}");
        assert!(!error.to_string().contains("cannot reach"), "{url}: {error}");
    }
}

/// What a configuration says of the service `pay` when it is asked for it; nothing where the configuration is refused.
async fn asked(config: Value) -> Option<String> {
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let services = [midwatch_model::journal::Registration {
        name: "pay".to_owned(),
        namespace: Some("shop".to_owned()),
        ..Default::default()
    }];
    let world = World::new(&config, &services).ok()?;
    let pay = midwatch_model::ServiceName::new("pay");
    Some(world.target(&pay).await.expect_err("nothing may be asked").to_string())
}

/// Every way to act, with the URL in each place where one can be configured.
fn actuators(url: &str, dir: &Path) -> Vec<(&'static str, Value)> {
    std::fs::write(dir.join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
    let plan = "steps:\n  - open: /\nread:\n  version: h1\n";
    std::fs::write(dir.join("state.yaml"), plan).expect("written");
    std::fs::write(dir.join("restart.yaml"), "steps:\n  - act: button\n").expect("written");
    let hook = json!({
        "url": url, "state_url": url, "status_url": url, "actions": ["restart"], "timeout_s": 1.0,
        "secret": { "file": dir.join("secret") },
    });
    let browser = |driver: &str, page: &str| {
        json!({
            "webdriver": driver, "url": page, "state": dir.join("state.yaml"), "timeout_s": 1.0,
            "actions": { "restart": dir.join("restart.yaml") },
        })
    };
    let one = |hand: &str, declared: Value| json!({ "actuator": [{ "name": "hand", "services": ["pay"], hand: declared }] });
    vec![
        ("webhook", one("webhook", hook)),
        ("driver", one("browser", browser(url, "http://127.0.0.1:9/"))),
        ("dashboard", one("browser", browser("http://127.0.0.1:9", url))),
    ]
}

#[tokio::test]
async fn no_way_to_act_reaches_what_only_this_machine_may_ask() {
    let (urls, dir) = (urls(), tempfile::tempdir().expect("a folder"));
    assert!(urls.len() >= 100, "{} are too few", urls.len());
    for url in &urls {
        for (name, config) in actuators(url, dir.path()) {
            let said = asked(config).await;
            assert!(said.as_ref().is_none_or(|said| said.contains("refused")), "{name} {url}: {said:?}");
        }
    }
}

#[tokio::test]
async fn no_pull_request_goes_to_what_only_this_machine_may_ask() {
    let dir = tempfile::tempdir().expect("a folder");
    for url in &urls() {
        let found = crate::github::opened_at(url, &dir).await;
        assert!(found.as_ref().is_none_or(|said| said.contains("refused")), "{url}: {found:?}");
    }
}

#[cfg(feature = "aws")]
#[tokio::test]
async fn no_endpoint_of_aws_is_what_only_this_machine_may_ask() {
    let dir = tempfile::tempdir().expect("a folder");
    let credentials = dir.path().join("credentials");
    std::fs::write(&credentials, "[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
        .expect("written");
    let mut unread = 0;
    for url in &urls() {
        let aws = json!({ "endpoint": url, "region": "eu-central-1", "credentials_file": credentials });
        let config: ConnectorsConfig = serde_json::from_value(json!({ "aws": aws })).expect("it can be read");
        let world = match World::new(&config, &[]) {
            Ok(world) => world,
            Err(error) => {
                assert!(error.to_string().contains("aws.endpoint"), "{url}: {error}");
                unread += 1;
                continue;
            }
        };
        let error = world.alarms().await.expect_err("nothing may be asked").to_string();
        assert!(error.contains("refused"), "{url}: {error}");
    }
    assert!(urls().len() - unread >= 100, "{unread} were not asked at all");
}

#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn no_server_of_a_kubeconfig_is_what_only_this_machine_may_ask() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("kubeconfig");
    for url in &urls() {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: \"{url}\"}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
        );
        std::fs::write(&path, text).expect("written");
        let said = asked(json!({ "kubernetes": { "kubeconfig": path, "namespaces": ["shop"] } })).await;
        let said = said.expect("it is read when it is needed");
        // What is no address at all is refused by whoever reads the file.
        assert!(
            said.contains("refused") || said.contains("no Kubernetes client is in reach"),
            "{url}: {said}"
        );
    }
}

#[tokio::test]
async fn no_health_endpoint_leads_to_what_only_this_machine_may_ask() {
    let world = World::new(&ConnectorsConfig::default(), &[]).expect("a world");
    for url in urls() {
        assert!(!midwatch_connectors::may_be_probed(&url), "{url} may be registered");
        let probe = world.probe(&"payment".into(), &url, midwatch_model::Timestamp::UNIX_EPOCH).await;
        assert!(probe.healthy.is_none() && probe.status.is_none(), "{url}: {}", probe.detail);
    }
}

#[tokio::test]
async fn no_source_of_telemetry_leads_to_what_only_this_machine_may_ask() {
    let mut unread = 0;
    for url in urls() {
        let config = json!({ "telemetry": { "kind": "prometheus", "url": url } });
        let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
        // What is no address at all is refused before anybody is asked.
        let world = match World::new(&config, &[]) {
            Ok(world) => world,
            Err(error) => {
                assert!(error.to_string().contains("telemetry.url"), "{url}: {error}");
                unread += 1;
                continue;
            }
        };
        let poll = world.poll(midwatch_model::Timestamp::UNIX_EPOCH).await;
        assert!(
            poll.samples.is_empty() && !poll.failures.is_empty(),
            "{url}: {} samples",
            poll.samples.len()
        );
        assert!(
            poll.failures.iter().all(|failure| failure.reason.contains("refused: ")),
            "{url}: {:?}",
            poll.failures
        );
    }
    assert!(urls().len() - unread >= 100, "{unread} were not asked at all");
}
