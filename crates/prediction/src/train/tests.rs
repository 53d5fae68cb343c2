use super::*;
use crate::simulate::{Plan, generate};

fn examples(kind: Kind) -> (Vec<Example>, Vec<Example>) {
    let plan = Plan { seed: 9, windows: 40, services: (3, 6), ..Plan::default() };
    let set = generate(&plan, |_| ()).expect("stories");
    let mut examples: Vec<Example> = set.windows.iter().map(|window| Example::of(window, kind, 1)).collect();
    for (example, outcome) in examples.iter_mut().zip(&set.outcomes) {
        example.labels = Some(Labels::of(outcome, set.horizon_ticks));
    }
    let validation = examples.split_off(30);
    (examples, validation)
}

fn settings(kind: Kind) -> Settings {
    Settings { epochs: 3, batch: 8, ..Settings::new(kind, 4, "data".into()) }
}

fn trained(mut trainer: Trainer, data: &(Vec<Example>, Vec<Example>)) -> Trainer {
    while !matches!(trainer.go_on(&data.0, &data.1).expect("a step"), Progress::Done(_)) {}
    trainer
}

#[test]
fn a_run_that_was_stopped_ends_as_if_it_had_not_been() {
    for kind in [Kind::Graph, Kind::Mlp] {
        let data = examples(kind);
        let new = || Trainer::new(settings(kind), crate::features::SNAPSHOTS).expect("a run");
        let whole = trained(new(), &data).checkpoint().expect("bytes");
        let mut stopped = new();
        for _ in 0..6 {
            stopped.go_on(&data.0, &data.1).expect("a step");
        }
        let bytes = stopped.checkpoint().expect("bytes");
        let resumed = Trainer::resume(&bytes, &settings(kind)).expect("a run");
        assert_eq!(trained(resumed, &data).checkpoint().expect("bytes"), whole, "{kind:?}");
    }
}

#[test]
fn training_makes_the_loss_smaller() {
    for kind in Kind::ALL {
        let data = examples(*kind);
        let trainer =
            trained(Trainer::new(settings(*kind), crate::features::SNAPSHOTS).expect("a run"), &data);
        let epochs = trainer.epochs();
        assert!(epochs.last().expect("one").training < epochs[0].training, "{kind:?}: {epochs:?}");
    }
}

#[test]
fn a_checkpoint_of_something_else_is_refused_with_what_to_do() {
    let trainer = Trainer::new(settings(Kind::Logistic), crate::features::SNAPSHOTS).expect("a run");
    let bytes = trainer.checkpoint().expect("bytes");
    let check = |bytes: &[u8], settings: &Settings, expected: &str| {
        let error = Trainer::resume(bytes, settings).err().expect("a refusal").to_string();
        assert!(error.contains(expected) && error.contains("delete it"), "{error}");
    };
    check(&bytes[..bytes.len() - 9], &settings(Kind::Logistic), "cut off");
    check(b"{}", &settings(Kind::Logistic), "cut off");
    check(&bytes, &settings(Kind::Mlp), "the settings");
    check(&bytes, &Settings { data: "other".into(), ..settings(Kind::Logistic) }, "the data");
}

#[test]
fn without_windows_there_is_nothing_to_learn() {
    let mut trainer = Trainer::new(settings(Kind::Logistic), crate::features::SNAPSHOTS).expect("a run");
    let error = trainer.go_on(&[], &[]).expect_err("a refusal").to_string();
    assert!(error.contains("train generate"), "{error}");
}
