//! Steps: each is tried for a bounded time and printed with what was measured, or with what differed.

use crate::failure::Failure;
use crate::terminal::Terminal;
use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, Instant};

/// No step takes longer than this, whatever goes wrong.
const LONGEST: Duration = Duration::from_secs(10);

/// What was expected and what came instead.
#[derive(Debug)]
pub(crate) struct Difference {
    expected: String,
    came: String,
}

impl Difference {
    pub(crate) fn new(expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { expected: expected.into(), came: came.into() }
    }
}

impl From<hookswitch::Error> for Difference {
    fn from(error: hookswitch::Error) -> Self {
        Self::new("the request to be carried out", error.to_string())
    }
}

impl From<hookswitch::StartError> for Difference {
    fn from(error: hookswitch::StartError) -> Self {
        Self::new("free ports on 127.0.0.1", error.to_string())
    }
}

impl From<hookswitch::config::ConfigError> for Difference {
    fn from(error: hookswitch::config::ConfigError) -> Self {
        Self::new("a right configuration", error.to_string())
    }
}

/// An error unless `holds`.
pub(crate) fn expect(
    holds: bool,
    expected: impl Into<String>,
    came: impl Into<String>,
) -> Result<(), Difference> {
    if holds { Ok(()) } else { Err(Difference::new(expected, came)) }
}

/// What a step brought, and the words for it.
pub(crate) type Done<T> = Result<(T, String), Difference>;

/// Where steps are shown.
pub(crate) struct Stage<'a> {
    terminal: &'a Terminal,
    begun: Instant,
    steps: Cell<u32>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, begun: Instant::now(), steps: Cell::new(0) }
    }

    pub(crate) fn steps(&self) -> u32 {
        self.steps.get()
    }

    pub(crate) fn elapsed(&self) -> String {
        format!("{:.1} s", self.begun.elapsed().as_secs_f64())
    }

    /// Does a step and shows how it went.
    pub(crate) async fn step<T>(
        &self,
        name: &str,
        what: impl Future<Output = Done<T>>,
    ) -> Result<T, Failure> {
        self.terminal.wait_for(name);
        let done = match tokio::time::timeout(LONGEST, what).await {
            Ok(done) => done,
            Err(_) => Err(Difference::new(format!("an outcome within {} s", LONGEST.as_secs()), "nothing")),
        };
        match done {
            Ok((brought, words)) => {
                self.steps.set(self.steps.get() + 1);
                let mark = self.terminal.good("✓");
                let mut lines = words.lines();
                self.terminal.say(format!("  {mark} {name:<11} {}", lines.next().unwrap_or_default()));
                for line in lines {
                    self.terminal.say(format!("    {:<11} {line}", ""));
                }
                Ok(brought)
            }
            Err(Difference { expected, came }) => {
                let mark = self.terminal.bad("✗");
                self.terminal.say(format!("  {mark} {name:<11} expected {expected}; came: {came}"));
                Err(Failure::Outcome(format!(
                    "demo: the step \"{name}\" differs: expected {expected}; came: {came}"
                )))
            }
        }
    }
}
