//! A few hundred random scenarios; `simulate` runs thousands.

use hookswitch_testkit::scenario;

#[test]
fn random_calls_over_bad_networks_break_no_contract() {
    for seed in 1..=200 {
        let outcome = scenario::run(seed, false);
        let explanation = outcome.explanation.unwrap_or_default();
        assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}\n{explanation}", outcome.violations);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 1_000_000] {
        assert_eq!(scenario::run(seed, false), scenario::run(seed, false));
    }
    assert_ne!(scenario::run(1, false).trace, scenario::run(2, false).trace);
}
