//! Thousands of random calls over bad networks in virtual time.
//!
//! `simulate --seeds N [--seed K] [--first F] [--verbose]`: runs seeds F to F+N-1 (or K alone) and checks the contracts. A
//! failing seed prints itself and the ladders of its calls; the last line sums up; the exit code is 1 if anything was wrong.

use hookswitch_testkit::scenario;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

struct Arguments {
    first: u64,
    seeds: u64,
    verbose: bool,
}

const USAGE: &str = "usage: simulate [--seeds N] [--first F] [--seed K] [--verbose]";

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { first: 1, seeds: 100, verbose: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or(format!("{word} wants a number; {USAGE}"))?;
            value.parse::<u64>().map_err(|_| format!("{word} wants a number, not '{value}'; {USAGE}"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--first" => arguments.first = number()?,
            "--seed" => (arguments.first, arguments.seeds) = (number()?, 1),
            "--verbose" => arguments.verbose = true,
            _ => return Err(format!("'{word}' is not known; {USAGE}")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let Arguments { first, seeds, verbose } = match arguments() {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let shows_progress = std::io::stderr().is_terminal();
    let (mut calls, mut violations) = (0, 0);
    let mut coverage: std::collections::BTreeMap<&str, usize> = Default::default();
    for n in 0..seeds {
        let seed = first.wrapping_add(n);
        let mut outcome = scenario::run(seed, verbose);
        // Every tenth seed runs twice: a trace that differs would make failures impossible to replay.
        if n % 10 == 0 && scenario::run(seed, false).trace != outcome.trace {
            outcome.violations.push("the same seed gave another trace when it ran again".into());
        }
        calls += outcome.calls;
        for (what, times) in &outcome.coverage {
            *coverage.entry(what).or_default() += times;
        }
        violations += outcome.violations.len();
        for what in &outcome.violations {
            println!("seed {seed}: {what}");
        }
        if let Some(explanation) = &outcome.explanation {
            println!("{explanation}");
        }
        if shows_progress && n % 20 == 0 {
            eprint!("\r{n} of {seeds} seeds, {calls} calls, {violations} violations");
            // Only for people who watch.
            let _ = std::io::stderr().flush();
        }
    }
    if shows_progress {
        eprint!("\r\x1b[K");
    }
    let happened: Vec<String> = coverage.iter().map(|(what, times)| format!("{what} {times}")).collect();
    println!("happened: {}", happened.join(", "));
    println!("simulate: {seeds} seeds, {calls} calls, {violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
