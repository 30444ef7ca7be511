//! Thousands of random scenarios over bad networks in virtual time.
//!
//! `simulate [--seeds N] [--first F] [--for SECONDS] [--jobs J] [--no-shrink]` plays the seeds F to F+N-1, and then fresh ones for so
//! long, and checks the contracts. A seed that fails is made shorter and printed: its steps, what went wrong, the ladders of the
//! calls concerned, and the command that plays it again. `simulate --seed K [--steps 3,17,20] [--without loss,delay] [--verbose]`
//! plays one, or a part of it. The last line sums up; the exit code is 1 if anything was wrong.
// A budget of time needs a clock, fresh seeds need chance, and two cores need threads: the scenarios themselves have none of these.
#![allow(clippy::disallowed_methods)]

use hookswitch_testkit::scenario::{self, Calm, Explain, Fault, Outcome, Selection};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct Arguments {
    first: u64,
    seeds: u64,
    beyond: Duration,
    jobs: usize,
    shrink: bool,
    single: bool,
    selection: Selection,
    verbose: bool,
}

const USAGE: &str = "usage: simulate [--seeds N] [--first F] [--for SECONDS] [--jobs J] [--no-shrink] [--verbose]\n       \
                     simulate --seed K [--steps 3,17,20] [--without loss,duplication,reordering,delay] [--verbose]";
/// How often one failing seed is played to make it shorter.
const SHRINK_MOST: usize = 400;
/// In so many scenarios everything that can be asked is accepted at least once.
const ENOUGH: u64 = 1_000;
/// So many failing seeds are made shorter; the others are only named.
const SHRINK_SEEDS: usize = 5;

fn arguments() -> Result<Arguments, String> {
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut arguments = Arguments {
        first: 1,
        seeds: 100,
        beyond: Duration::ZERO,
        jobs,
        shrink: true,
        single: false,
        selection: Selection::default(),
        verbose: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value; {USAGE}"));
        let number = |value: String| {
            value.parse::<u64>().map_err(|_| format!("{word} wants a number, not '{value}'; {USAGE}"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = number(value()?)?,
            "--first" => arguments.first = number(value()?)?,
            "--for" => arguments.beyond = Duration::from_secs(number(value()?)?),
            "--jobs" => arguments.jobs = usize::try_from(number(value()?)?).unwrap_or(1).clamp(1, 64),
            "--seed" => {
                (arguments.first, arguments.seeds, arguments.single) = (number(value()?)?, 1, true);
            }
            "--steps" => {
                let steps = value()?;
                let each = steps.split(',').filter(|step| !matches!(*step, "" | "none"));
                let numbers: Result<Vec<usize>, _> = each.map(str::parse).collect();
                let numbers =
                    numbers.map_err(|_| format!("--steps wants numbers, not '{steps}'; {USAGE}"))?;
                arguments.selection.steps = Some(numbers);
            }
            "--without" => {
                for name in value()?.split(',') {
                    let calm = Calm::named(name).ok_or(format!("'{name}' is no trouble; {USAGE}"))?;
                    arguments.selection.calm.push(calm);
                }
            }
            "--no-shrink" => arguments.shrink = false,
            "--verbose" => arguments.verbose = true,
            _ => return Err(format!("'{word}' is not known; {USAGE}")),
        }
    }
    Ok(arguments)
}

/// Plays one seed; every tenth runs twice.
fn played(seed: u64, arguments: &Arguments) -> Outcome {
    let explain = match (arguments.verbose, arguments.single) {
        (true, _) => Explain::Everything,
        (false, true) => Explain::Concerned,
        (false, false) => Explain::Nothing,
    };
    let run = || scenario::run_part(seed, &arguments.selection, Fault::None, explain);
    let mut outcome = run();
    // A trace that differs would make failures impossible to replay.
    if seed.is_multiple_of(10) && run().trace != outcome.trace {
        outcome.violations.push("the same seed gave another trace when it ran again".into());
    }
    outcome
}

/// What all seeds together came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    calls: usize,
    violations: usize,
    failed: Vec<u64>,
    coverage: BTreeMap<&'static str, usize>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.calls += outcome.calls;
        self.violations += outcome.violations.len();
        for (what, times) in outcome.coverage {
            *self.coverage.entry(what).or_default() += times;
        }
        for what in &outcome.violations {
            println!("seed {seed}: {what}");
        }
        if !outcome.violations.is_empty() {
            self.failed.push(seed);
        }
        if let Some(explanation) = &outcome.explanation {
            println!("{explanation}");
        }
    }
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let mut sum = Sum::default();
    if arguments.single {
        sum.add(arguments.first, played(arguments.first, &arguments));
        if arguments.selection.steps.is_none() && arguments.shrink {
            shorten(&sum.failed);
        }
    } else {
        all(&arguments, &mut sum);
        if arguments.shrink {
            shorten(&sum.failed);
        }
    }
    // Scenarios in which something never happens prove nothing of it.
    let never = scenario::never_accepted(&sum.coverage);
    if sum.seeds >= ENOUGH && !never.is_empty() {
        println!("never accepted in {} seeds: {}", sum.seeds, never.join(", "));
        sum.violations += 1;
    }
    let happened: Vec<String> = sum.coverage.iter().map(|(what, times)| format!("{what} {times}")).collect();
    println!("happened: {}", happened.join(", "));
    let Sum { seeds, calls, violations, .. } = sum;
    println!("simulate: {seeds} seeds, {calls} calls, {violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The fixed seeds, then fresh ones until the time is over.
fn all(arguments: &Arguments, sum: &mut Sum) {
    let next = AtomicU64::new(0);
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    let begun = Instant::now();
    let seed_of = |n: u64| {
        if n < arguments.seeds {
            Some(arguments.first.wrapping_add(n))
        } else {
            (begun.elapsed() < arguments.beyond).then(|| fresh.wrapping_add(n))
        }
    };
    let shows_progress = std::io::stderr().is_terminal();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            let (tell, next, seed_of) = (tell.clone(), &next, &seed_of);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seed_of(n) else { return };
                    // Nobody listens any more: the program ends.
                    if tell.send((n, seed, played(seed, arguments))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        // Told in the order of the seeds, whichever was played first.
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for (n, seed, outcome) in told {
            waiting.insert(n, (seed, outcome));
            while let Some((seed, outcome)) = waiting.remove(&due) {
                sum.add(seed, outcome);
                due += 1;
            }
            if shows_progress && n % 20 == 0 {
                eprint!("\r{due} seeds, {} calls, {} violations", sum.calls, sum.violations);
                // Only for people who watch.
                let _ = std::io::stderr().flush();
            }
        }
    });
    if shows_progress {
        eprint!("\r\x1b[K");
    }
}

fn shorten(failed: &[u64]) {
    for seed in failed.iter().take(SHRINK_SEEDS) {
        match scenario::shrink(*seed, SHRINK_MOST) {
            Some(shrunk) => println!("\n{shrunk}\n"),
            None => println!("\nseed {seed} did not fail again\n"),
        }
    }
}
