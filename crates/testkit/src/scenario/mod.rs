//! Random scenarios: several applications, phones and lines over a bad network, held to their contract.
//!
//! A seed's scenario is written first (`script`: what there is and what happens; `writer` and `asks`: choosing it; `aim`: which
//! calls a request is about is chosen when it is asked), then played (`play`) and judged (`judge`, beside what the stage
//! checks by itself). What happened is counted (`coverage`), and a scenario that fails is made shorter (`shrink`), because any
//! part of it can be left out and the rest played again.

mod aim;
mod asks;
mod coverage;
mod judge;
mod play;
mod script;
mod shrink;
mod writer;

pub use aim::Aim;
pub use coverage::never_accepted;
pub use script::{APPLICATIONS, Applicant, Calm, LINES, Script, Selection, Sound, Step, Watching, What};
pub use shrink::{Shrunk, shrink, shrink_with};

pub use crate::stage::Fault;
use std::collections::BTreeMap;

/// What a scenario came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Calls that applications heard of, and calls of phones that never became one.
    pub calls: usize,
    /// What went against the rules.
    pub violations: Vec<String>,
    /// Stands for everything that crossed the wire.
    pub trace: u64,
    /// How often what happened.
    pub coverage: BTreeMap<&'static str, usize>,
    /// Ladders and wire, if they were asked for.
    pub explanation: Option<String>,
}

/// Runs the scenario of a seed.
pub fn run(seed: u64, explain: bool) -> Outcome {
    let explain = if explain { Explain::Everything } else { Explain::Nothing };
    run_part(seed, &Selection::default(), Fault::None, explain)
}

/// What of a scenario is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// Nothing.
    Nothing,
    /// The ladders of the calls that violations name; of all calls if they name none.
    Concerned,
    /// All ladders, and the wire.
    Everything,
}

/// Runs a part of a seed's scenario, perhaps with a deliberate fault.
pub fn run_part(seed: u64, selection: &Selection, fault: Fault, explain: Explain) -> Outcome {
    play::play(&Script::of(seed).only(selection), fault, explain)
}
