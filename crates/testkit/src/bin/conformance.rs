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
        && let Err(error) = std::fs::write(&path, report.page(&on_the_wire()))
    {
        eprintln!("conformance: cannot write {path}: {error}");
        return ExitCode::FAILURE;
    }
    println!("{}", report.summary());
    if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The points that tests with real peers show: where a test's documentation says `Checklist 51, 54`. None where the sources of
/// these tests are not at hand.
#[expect(
    clippy::disallowed_methods,
    reason = "a command for whoever works on this tree: it reads the tests' sources"
)]
fn on_the_wire() -> Vec<(u8, String)> {
    let Ok(folder) = std::fs::read_dir("tests/interop/tests") else { return Vec::new() };
    let mut files: Vec<_> = folder.filter_map(Result::ok).map(|file| file.path()).collect();
    files.sort();
    let mut shown = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs")) {
        let file = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut numbers: Vec<u8> = Vec::new();
        for line in std::fs::read_to_string(path).unwrap_or_default().lines().map(str::trim) {
            if let Some((_, list)) = line.split_once("Checklist ").filter(|_| line.starts_with("///")) {
                let list = list.split(|c: char| !c.is_ascii_digit() && !", ".contains(c)).next();
                let parts = list.unwrap_or_default().split(',');
                numbers.extend(parts.filter_map(|number| number.trim().parse::<u8>().ok()));
            }
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            if let Some(name) = name.and_then(|rest| rest.split('(').next()) {
                shown.extend(numbers.drain(..).map(|number| (number, format!("{file}::{name}"))));
            }
        }
    }
    shown.sort();
    shown
}
