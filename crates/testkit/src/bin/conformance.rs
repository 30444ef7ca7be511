//! Runs the behaviour checklist against the SIP provider and the loopback provider.
//!
//! ```text
//! conformance [NUMBER ...]             these items, or all
//! conformance --mutants                every fault has to make its item fail
//! conformance --page FILE              where the page goes (docs/conformance.md)
//! conformance --only sip|loopback      one kind of subject
//! ```
use hookswitch_testkit::conformance::{Factory, loopback, report::Report, sip};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = Vec::new();
    let (mut page, mut only, mut mutants) = (None, None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--mutants" => mutants = true,
            "--page" => page = arguments.next(),
            "--only" => only = arguments.next(),
            number => match number.parse() {
                Ok(number) => numbers.push(number),
                Err(_) => {
                    eprintln!("conformance: '{number}' is neither a checklist number nor an option");
                    eprintln!(
                        "usage: conformance [--mutants] [--only sip|loopback] [--page FILE] [NUMBER ...]"
                    );
                    return ExitCode::from(2);
                }
            },
        }
    }
    if mutants {
        return loopback::mutants(&numbers, |line| println!("{line}"));
    }
    let all: [&dyn Factory; 2] = [&sip::Sip, &loopback::Exchange];
    let wanted: Vec<&dyn Factory> =
        all.into_iter().filter(|factory| only.as_deref().is_none_or(|only| only == factory.name())).collect();
    let report = Report::run(&wanted, &numbers, |line| println!("{line}"));
    let whole = numbers.is_empty() && only.is_none();
    if let Some(path) = page.or_else(|| whole.then(|| "docs/conformance.md".to_owned()))
        && let Err(error) = std::fs::write(&path, report.page())
    {
        eprintln!("conformance: cannot write {path}: {error}");
        return ExitCode::FAILURE;
    }
    println!("{}", report.summary());
    if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
