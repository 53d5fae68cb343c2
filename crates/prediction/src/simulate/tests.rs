use super::*;

fn plan(windows: usize) -> Plan {
    Plan { seed: 5, windows, ..Plan::default() }
}

#[test]
fn the_same_seed_gives_the_same_windows_and_they_survive_being_written() {
    let set = generate(&plan(40), |_| ()).expect("stories");
    let bytes = set.to_bytes().expect("bytes");
    assert_eq!(generate(&plan(40), |_| ()).expect("stories").to_bytes().expect("bytes"), bytes);
    let read = WindowSet::from_bytes(&bytes).expect("a set");
    assert_eq!(read.outcomes, set.outcomes);
    assert_eq!(read.to_bytes().expect("bytes"), bytes);
    assert!(WindowSet::from_bytes(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn stories_come_in_the_stated_mix_and_are_what_they_say() {
    let set = generate(&plan(100), |_| ()).expect("stories");
    for (story, share) in MIX {
        let told: Vec<_> = set.outcomes.iter().filter(|outcome| outcome.story == story).collect();
        assert_eq!(told.len(), (share * 100.0) as usize, "{story:?}");
        for outcome in told {
            let first = outcome.first_breach();
            match story {
                Story::Healthy | Story::NearFailure | Story::Recovery => {
                    assert_eq!(first, None, "{outcome:?}")
                }
                Story::DelayedCascade | Story::Cascade => assert!(first.is_some(), "{outcome:?}"),
            }
        }
    }
}

#[test]
fn a_given_graph_is_kept() {
    let edges = vec![(0, 1), (1, 2), (0, 2), (2, 0)];
    let plan = Plan { graphs: vec![(3, edges)], ..plan(10) };
    let set = generate(&plan, |_| ()).expect("stories");
    assert!(set.windows.iter().all(|window| window.services.len() == 3 && window.links.len() == 3));
}
