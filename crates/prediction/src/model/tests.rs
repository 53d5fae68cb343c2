use super::*;
use crate::features::{FEATURE_VERSION, SNAPSHOTS};
use crate::network::Kind;
use crate::simulate::{Plan, generate};
use crate::window::{Link, NOTHING_READ, Normal, TICK_S, WINDOW_TICKS, WINDOW_VERSION};

pub(crate) fn model(kind: Kind) -> Model {
    let (network, _) = Network::new(kind, SNAPSHOTS, 1).expect("a network");
    let meta = Meta {
        window_version: WINDOW_VERSION,
        feature_version: FEATURE_VERSION,
        kind,
        seed: 1,
        snapshots: SNAPSHOTS,
        horizon_ticks: 450,
        trained_on: 0,
        data: String::new(),
        weights_sha256: String::new(),
        calibration: Calibration { services: Platt::AS_IT_IS, graphs: Platt::AS_IT_IS },
        inputs: vec![],
        rivals: vec![],
        why: String::new(),
        command: String::new(),
    };
    Model::new(network, meta)
}

fn window(services: usize) -> Window {
    let reading = [40.0, 120.0, 0.001, 50.0, 0.3, 0.4, 2.0, 0.0];
    Window {
        services: (0..services).map(|service| format!("s{service}")).collect(),
        normals: vec![Normal { mean: reading, std: [0.01; 8] }; services],
        readings: vec![reading; services * WINDOW_TICKS],
        links: (1..services as u32)
            .map(|to| Link { from: to / 3, to, rate: 1.0, errors: 0.0, latency_ms: 9.0 })
            .filter(|link| link.from != link.to)
            .collect(),
        tick_s: TICK_S,
    }
}

#[test]
fn any_size_of_graph_is_judged_but_none_at_all() {
    let model = model(Kind::Graph);
    for services in [1, 2, 8, 5000] {
        let forecast = model.forecast(&window(services)).expect("a forecast");
        assert_eq!(forecast.services.len(), services);
        assert!(forecast.graph.probability.is_finite() && forecast.horizon_minutes == 15.0);
    }
    let error = model.forecast(&window(0)).expect_err("a refusal").to_string();
    assert!(error.contains("no service"), "{error}");
}

#[test]
fn what_was_not_read_is_not_foreseen_and_what_is_infinite_is_refused() {
    let model = model(Kind::Graph);
    let mut gone = window(2);
    gone.readings[..WINDOW_TICKS].fill(NOTHING_READ);
    let forecast = model.forecast(&gone).expect("a forecast");
    assert_eq!(forecast.services[0].outlook, Outlook::NotEnoughData { coverage: 0.0 });
    assert!(forecast.services[1].outlook.foreseen().is_some());
    gone.readings[3][1] = f32::INFINITY;
    let error = model.forecast(&gone).expect_err("a refusal").to_string();
    assert!(error.contains("s0 has an infinite reading"), "{error}");
}

#[test]
fn files_make_the_same_model_again_and_others_are_refused_with_what_to_do() {
    let model = model(Kind::Graph);
    let (weights, about) = model.to_files().expect("files");
    assert!(weights.len() < 5_000_000, "{} bytes", weights.len());
    let again = Model::from_files(&weights, &about).expect("a model");
    assert_eq!(again.forecast(&window(3)).expect("one"), model.forecast(&window(3)).expect("the same"));
    let check = |weights: &[u8], about: &str, expected: &str| {
        let error = Model::from_files(weights, about).err().expect("a refusal").to_string();
        assert!(error.contains(expected) && error.contains("midwatch train"), "{error}");
    };
    let older = about.replace("\"feature_version\": 1", "\"feature_version\": 0");
    check(&weights, &older, "features of version 0, this midwatch makes version 1");
    check(&weights[..100], &about, "cut off or changed");
    check(&weights, "{", "cannot be read");
}

#[test]
fn every_kind_says_why() {
    let set = generate(&Plan { windows: 2, ..Plan::default() }, |_| ()).expect("windows");
    for kind in Kind::ALL {
        let moved = model(*kind).explain(&set.windows[0], 0).expect("reasons");
        assert!(moved.windows(2).all(|pair| pair[0].influence >= pair[1].influence), "{kind:?}");
    }
}
