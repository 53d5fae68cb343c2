use super::*;

fn parse(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::parse(text, "m.toml", env).map_err(|e| format!("{e:#}"))
}

#[test]
fn the_sample_is_the_default() {
    assert_eq!(parse(SAMPLE, &[]).map(|c| c.mode), Ok(Mode::Propose));
    let mut sample = parse(SAMPLE, &[]).expect("the sample is valid");
    sample.services.clear();
    let mut expected = Config::default();
    expected.telemetry.kind = sample.telemetry.kind;
    expected.telemetry.url.clone_from(&sample.telemetry.url);
    assert_eq!(sample, expected);
}

#[test]
fn errors_name_file_line_and_fix() {
    let error = parse("mode = \"auto\"\n[server]\nlissten = \"127.0.0.1:1\"\n", &[]).unwrap_err();
    assert!(error.starts_with("m.toml:3:1: unknown field `lissten`"), "{error}");
    assert!(error.contains("config sample"), "{error}");
    let error = parse("mode = \"bold\"\n", &[]).unwrap_err();
    assert!(error.starts_with("m.toml:1:8: unknown variant `bold`"), "{error}");
    let error = parse("[telemetry]\npoll_interval_s = -1.0\n", &[]).unwrap_err();
    assert!(error.contains("poll_interval_s"), "{error}");
    for (text, field) in [
        ("[decision]\nrate_window_s = nan", "m.toml:2: decision.rate_window_s"),
        ("[decision]\napproval_ttl_s = 1e300", "decision.approval_ttl_s"),
        ("[decision]\nmin_evidence_sources = 0", "decision.min_evidence_sources"),
        ("[flap]\nchanges = 2", "m.toml:2: flap.changes"),
        ("[dedup.fuzzy]\ntitle_min = 0.2", "dedup.fuzzy.title_min"),
        ("[dedup.source.datadog.window]\nwithin_s = -1.0", "dedup.source.datadog.window.within_s"),
        ("[foresight]\nhorizon_s = 5", "m.toml:2: foresight.horizon_s is 5"),
        ("[foresight.objective]\nlatency_factor = 0", "foresight.objective.latency_factor is 0"),
        ("[verification]\nnormal_readings = 0", "verification.normal_readings"),
        ("[[service]]\nname = \"a\"\nhealth = \"ftp://x\"", "health of [[service]] `a`"),
    ] {
        let error = parse(text, &[]).unwrap_err();
        assert!(error.contains(field), "{error}");
    }
    assert!(parse("mode = ", &[]).unwrap_err().starts_with("m.toml:1:"));
}

#[test]
fn every_problem_is_said_at_once() {
    let check = |text: &str, env: &[(&str, &str)], parts: &[&str]| {
        let error = parse(text, env).unwrap_err();
        assert!(error.starts_with(&format!("{} problems:\n", parts.len())), "{error}");
        for part in parts {
            assert!(error.contains(&format!("\n  {part}")), "{part}: {error}");
        }
    };
    check(
        "mode = \"bold\"\n[server]\nlissten = \"x\"\n[[source]]\nkynd = \"a\"\n[store]\npath = 1\n",
        &[],
        &["m.toml:1:8: unknown variant", "m.toml:3:1: unknown field", "m.toml:5:1:", "m.toml:7:8: invalid"],
    );
    check(
        "[decision]\nrate_max = 0\nsettle_s = nan\n[engine]\ntick_s = 0\n[[service]]\nname = \"a b\"",
        &[],
        &[
            "m.toml:2: decision.rate_max",
            "m.toml:3: decision.settle_s",
            "m.toml:5: engine.tick_s",
            "m.toml: [[service]]",
        ],
    );
    check(
        "[route]\nreceiver = \"b\"\ngroup_wait_s = -1\n[[receiver]]\nname = \"a\"\n[[receiver.webhook]]\nurl = \"x\"\n\
         timeout_s = 0\n[[receiver]]\nname = \"a\"\n[dedup.source.nagios]\nexact.ignored_labels = [\"a\"]",
        &[],
        &[
            "m.toml: [route]: receiver `b` does not exist",
            "m.toml: [route]: group_wait_s",
            "m.toml: [[receiver]] `a`: each needs a name of its own",
            "m.toml: [[receiver]] `a` webhook[0] url",
            "m.toml: [[receiver]] `a` webhook[0] timeout_s",
            "m.toml: dedup.source.nagios is no source's; use one of alertmanager, alertmanager_v2, cloudevents",
        ],
    );
    let env = [("MIDWATCH_NONSENSE", "1"), ("MIDWATCH_MODE", "auto"), ("MIDWATCH_ENGINE__TICK_S", "soon")];
    check("", &env, &["MIDWATCH_NONSENSE:", "MIDWATCH_ENGINE__TICK_S:"]);
    // What is wrong over several lines hides what follows rather than making things up.
    let error = parse("[server]\nlissten = [\n1,\n]\n[store]\npath = 1", &[]).unwrap_err();
    assert!(error.starts_with("m.toml:2:1: unknown field") && !error.contains("problems"), "{error}");
}

#[test]
fn the_environment_overrides_every_field() {
    let env = [
        ("MIDWATCH_MODE", "auto"),
        ("MIDWATCH_SERVER__LISTEN", "127.0.0.1:9"),
        ("MIDWATCH_DRY_RUN", "false"),
    ];
    let config = parse("mode = \"shadow\"", &env).expect("valid");
    assert_eq!((config.mode, config.dry_run, config.server.listen.port()), (Mode::Auto, false, 9));
    for (variable, value) in [("MIDWATCH_NONSENSE", "1"), ("MIDWATCH_ENGINE__TICK_S", "soon")] {
        let error = parse("", &[(variable, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{variable}: ")), "{error}");
    }
    assert!(parse("", &[("MIDWATCH_URL", "http://x")]).is_ok());
}

#[test]
fn off_loopback_a_key_is_needed_that_nobody_guesses() {
    let listening = |address: &str, key: &str| {
        let text = format!("[server]\nlisten = \"{address}:7700\"");
        parse(&text, &[("MIDWATCH_SERVER__API_KEY", key)]).expect("valid")
    };
    assert!(listening("0.0.0.0", "").keys().is_err());
    let short = listening("0.0.0.0", "k1").keys().expect_err("others could guess it").to_string();
    assert!(short.contains("fewer than 16 characters") && !short.contains("k1"), "{short}");
    assert!(listening("127.0.0.1", "k1").keys().is_ok_and(|keys| !keys.is_empty()));
    let keyed = listening("0.0.0.0", "0123456789abcdef");
    assert!(keyed.keys().is_ok_and(|keys| !keys.is_empty()));
    assert!(!keyed.shown().expect("plain").to_string().contains("0123456789abcdef"));
}

#[test]
fn keys_pages_and_limits_are_checked() {
    for (text, word) in [
        ("[[api_key]]\nname = \"Ana B\"\nhash = \"x\"\nscopes = [\"read\"]", "[[api_key]] name `Ana B`"),
        ("[[api_key]]\nname = \"ana\"\nhash = \"x\"\nscopes = [\"read\"]", "midwatch key new --name ana"),
        ("[[api_key]]\nname = \"ana\"\nscopes = [\"root\"]", "unknown variant `root`"),
        ("[[user]]\nname = \"ana\"\nhash = \"x\"\nscopes = [\"read\"]", "midwatch user new --name ana"),
        ("[server]\ncors_origins = [\"*\"]", "server.cors_origins has `*`"),
        ("[server]\ncors_origins = [\"https://a/\"]", "server.cors_origins has `https://a/`"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "m.toml:2: server.trusted_proxies has `10.0.0.0/33`",
        ),
        ("[[source]]\nkind = \"odd\"", "[[source]] `odd`"),
        ("[[source]]\nkynd = \"odd\"", "m.toml:2:1: unknown field `kynd`"),
    ] {
        let error = parse(text, &[]).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
    }
    let limits = |text: &str| {
        let config = parse(text, &[]).expect("valid");
        let limits = config.limits(&config.keys().expect("keys"));
        (limits.ip_per_s.map(u32::from), limits.caller_per_s.map(u32::from))
    };
    assert_eq!(limits(""), (None, None), "this machine may call as it likes");
    assert_eq!(limits("[server]\napi_key = \"k\""), (Some(5000), Some(10_000)));
    assert_eq!(limits("[server]\napi_key = \"k\"\nip_requests_per_s = 0"), (None, Some(10_000)));
    assert_eq!(limits("[server]\nip_requests_per_s = 7"), (Some(7), None));
}

/// Each field of the configuration that is an address which is asked, in a file that has it at `URL`.
const ADDRESSES: [&str; 22] = [
    "[telemetry]\nkind = \"scrape\"\nservice_discovery = \"URL\"",
    "[telemetry]\nkind = \"prometheus\"\nurl = \"URL\"",
    "[telemetry]\nkind = \"scrape\"\ntargets = [{ url = \"URL\" }]",
    "[control_plane]\nkind = \"lab\"\nurl = \"URL\"",
    "[aws]\nregion = \"eu-west-1\"\nendpoint = \"URL\"",
    "[lab]\nurl = \"URL\"",
    "[llm]\nprovider = \"openai\"\nmodel = \"m\"\nurl = \"URL\"",
    "[pull_requests]\nurl = \"URL\"",
    "[knowledge.qdrant]\nurl = \"URL\"",
    "[[actuator]]\nname = \"a\"\nwebhook.url = \"URL\"",
    "[[actuator]]\nname = \"a\"\nwebhook.undo_url = \"URL\"",
    "[[actuator]]\nname = \"a\"\nwebhook.state_url = \"URL\"",
    "[[actuator]]\nname = \"a\"\nwebhook.status_url = \"URL\"",
    "[[actuator]]\nname = \"a\"\nbrowser.url = \"URL\"",
    "[[actuator]]\nname = \"a\"\nbrowser.webdriver = \"URL\"",
    "[[receiver]]\nname = \"a\"\n[[receiver.webhook]]\nurl = \"URL\"",
    "[[receiver]]\nname = \"a\"\n[[receiver.email]]\nhost = \"HOST\"\nfrom = \"a@b.example\"\non_call = [\"c@d.example\"]",
    "[[receiver]]\nname = \"a\"\n[[receiver.slack]]\nurl = \"URL\"",
    "[[receiver]]\nname = \"a\"\n[[receiver.pagerduty]]\nurl = \"URL\"",
    "[[receiver]]\nname = \"a\"\n[[receiver.opsgenie]]\nurl = \"URL\"",
    "[[receiver]]\nname = \"a\"\n[[receiver.notion]]\nurl = \"URL\"",
    "[[receiver]]\nname = \"a\"\n[[receiver.github]]\nurl = \"URL\"",
];

/// Names under which the schema has addresses, and those of them that are none which is asked: one is for links, the other says
/// where a field of a payload is.
fn is_address(of: &str, name: &str) -> bool {
    let named = name == "url"
        || name.ends_with("_url")
        || ["endpoint", "webdriver", "service_discovery"].contains(&name);
    named && name != "external_url" && of != "Mapping"
}

#[test]
fn metadata_is_refused_in_every_address_when_the_configuration_is_checked() {
    let schema = serde_json::to_value(schemars::schema_for!(Config)).expect("a schema");
    let parts = schema["$defs"].as_object().expect("parts");
    let names = |(of, part): (&String, &serde_json::Value)| {
        let names = part["properties"].as_object().into_iter().flat_map(serde_json::Map::keys);
        names.filter(|name| is_address(of, name)).map(|name| format!("{of}.{name}")).collect::<Vec<_>>()
    };
    let known: Vec<String> = parts.iter().flat_map(names).collect();
    // A mail server is a host and no address.
    assert_eq!(
        known.len() + 1,
        ADDRESSES.len(),
        "an address is in the schema and not in the table: {known:?}"
    );
    for address in
        ["169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "metadata.google.internal", "0x0"]
    {
        for text in ADDRESSES {
            let error =
                parse(&text.replace("URL", &format!("http://{address}/x")).replace("HOST", address), &[])
                    .unwrap_err();
            assert!(error.contains("it is never asked"), "{text} with {address}: {error}");
        }
    }
}

#[test]
fn the_environment_may_name_a_secret_as_it_likes() {
    let text = "[[receiver]]\nname = \"a\"\n[[receiver.slack]]\nchannel = \"C01\"\ntoken = { env = \"MIDWATCH_SLACK_TOKEN\" }";
    let secret = [("MIDWATCH_SLACK_TOKEN", "xoxb-1")];
    assert!(parse(text, &secret).is_ok(), "{:?}", parse(text, &secret).err());
    assert!(parse("", &secret).is_err(), "nothing names it");
}

#[test]
fn whoever_can_never_decide_is_told_of() {
    let approver =
        "[[decision.approver]]\nname = \"ann\"\n[[decision.approver]]\nname = \"bob\"\nslack = [\"U1\"]\n";
    assert!(parse(approver, &[]).is_ok());
    let keyed = format!("{approver}[server]\napi_key = \"0123456789abcdef\"");
    let error = parse(&keyed, &[]).unwrap_err();
    assert!(error.contains("`ann` can decide nothing"), "{error}");
}

#[test]
fn what_may_act_on_everything_by_itself_is_noted() {
    let check = |text: &str, expected: &str| {
        let notes = parse(text, &[]).expect("fine").notes().join("\n");
        assert_eq!(notes.is_empty(), expected.is_empty(), "{text}: {notes}");
        assert!(notes.contains(expected), "{text}: {notes}");
    };
    check("mode = \"auto\"\ndry_run = false\n", "[[decision.autonomy]] names nothing");
    check("mode = \"auto\"\ndry_run = true\n", "");
    check("mode = \"propose\"\ndry_run = false\n", "");
    check("mode = \"auto\"\ndry_run = false\n[[decision.autonomy]]\naction = \"restart\"\n", "");
    check(
        "[[decision.approver]]\nname = \"ann\"\n[[decision.approver]]\nname = \"bob\"\n",
        "one person can be two",
    );
}
