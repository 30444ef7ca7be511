//! Makes a scenario that fails shorter: leaves out halves, quarters, single steps, and eases the network, as long as it still fails
//! in the same way (delta debugging).

use super::script::{Calm, Script, Selection};
use super::{Explain, Fault, run_part};
use std::fmt;

/// A short scenario that fails.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// Its seed.
    pub seed: u64,
    /// What is left of it.
    pub selection: Selection,
    /// How many steps it had.
    pub from: usize,
    /// How often it was played.
    pub played: usize,
    /// How it fails.
    pub violations: Vec<String>,
    /// The steps that are left, a line each.
    pub steps: Vec<String>,
    /// The ladders of the calls concerned.
    pub ladders: String,
}

/// Makes the scenario of a seed shorter, playing it at most `most` times. `None`: it does not fail.
pub fn shrink(seed: u64, most: usize) -> Option<Shrunk> {
    shrink_with(seed, Fault::None, most)
}

/// As [`shrink`], with a deliberate fault.
pub fn shrink_with(seed: u64, fault: Fault, most: usize) -> Option<Shrunk> {
    let play = |selection: &Selection| run_part(seed, selection, fault, Explain::Nothing).violations;
    let script = Script::of(seed);
    let whole = Selection::default();
    let kind = kind_of(play(&whole).first()?);
    let mut search = Search {
        fails: |selection: &Selection| play(selection).iter().any(|text| kind_of(text) == kind),
        left: most,
    };
    let steps: Vec<usize> = script.steps.iter().map(|step| step.number).collect();
    let mut selection = Selection { steps: Some(steps), ..whole };
    search.steps(&mut selection);
    search.network(&mut selection);
    // On a calmer network more of them may be needless.
    search.steps(&mut selection);
    let played = most - search.left;
    let outcome = run_part(seed, &selection, fault, Explain::Concerned);
    let kept = script.clone().only(&selection);
    Some(Shrunk {
        seed,
        from: script.steps.len(),
        played,
        violations: outcome.violations,
        steps: kept.steps.iter().map(ToString::to_string).collect(),
        ladders: outcome.explanation.unwrap_or_default(),
        selection,
    })
}

/// What went wrong, whichever call it was and whenever.
fn kind_of(violation: &str) -> String {
    violation.chars().filter(|c| !c.is_ascii_digit()).take(100).collect()
}

struct Search<F> {
    fails: F,
    left: usize,
}

impl<F: Fn(&Selection) -> bool> Search<F> {
    fn still_fails(&mut self, selection: &Selection) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        (self.fails)(selection)
    }

    fn steps(&mut self, selection: &mut Selection) {
        let mut kept = selection.steps.clone().unwrap_or_default();
        let mut size = kept.len().div_ceil(2);
        while size > 0 && self.left > 0 {
            let mut at = 0;
            let mut fewer = false;
            while at < kept.len() {
                let end = (at + size).min(kept.len());
                let rest: Vec<usize> = kept
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| !(at..end).contains(n))
                    .map(|(_, k)| *k)
                    .collect();
                let candidate = Selection { steps: Some(rest.clone()), calm: selection.calm.clone() };
                if self.still_fails(&candidate) {
                    kept = rest;
                    fewer = true;
                } else {
                    at = end;
                }
            }
            // Single steps are tried until none of them can go.
            size = if size == 1 && fewer { 1 } else { size / 2 };
        }
        selection.steps = Some(kept);
    }

    fn network(&mut self, selection: &mut Selection) {
        for calm in Calm::ALL {
            let mut candidate = selection.clone();
            candidate.calm.push(calm);
            if self.still_fails(&candidate) {
                *selection = candidate;
            }
        }
    }
}

impl Shrunk {
    /// The command that plays it again.
    pub fn command(&self) -> String {
        let steps = self.selection.steps.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        let steps = if steps.is_empty() { "none".into() } else { steps.join(",") };
        let calm: Vec<&str> = self.selection.calm.iter().map(|calm| calm.name()).collect();
        let calm = if calm.is_empty() { String::new() } else { format!(" --without {}", calm.join(",")) };
        format!("simulate --seed {} --steps {steps}{calm}", self.seed)
    }
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, from, played, violations, steps, ladders, .. } = self;
        writeln!(f, "seed {seed} in {} of its {from} steps (found in {played} runs):", steps.len())?;
        for step in steps {
            writeln!(f, "{step}")?;
        }
        for violation in violations {
            writeln!(f, "violation: {violation}")?;
        }
        writeln!(f, "{ladders}")?;
        write!(f, "again: {}", self.command())
    }
}
