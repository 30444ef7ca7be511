//! Runs the behaviour checklist against the SIP provider and the loopback provider.
//!
//! `--help` says what can be typed.
use hookswitch_testkit::conformance::{Factory, ITEMS, loopback, report::Report, sip};
use std::process::ExitCode;

const USAGE: &str = "\
Runs the behaviour checklist against the SIP provider (sip) and the provider in memory (loopback), in virtual time.

Usage: conformance [OPTIONS] [NUMBER ...]

  NUMBER ...             only these points; without, all, and docs/conformance.md is written anew
  --only sip|loopback    one provider
  --page FILE            write the page there
  --mutants              break a provider in one point after the other: each point has to find its fault
  --help                 this

A line for each point, with what was seen where it failed; the last line sums up. Point 16 compares what the others have seen with
what was advertised, so it says something only when all are run. The exit code is 0 if all passed, 1 if not, 2 for wrong arguments.

Examples:
  conformance                       everything
  conformance 30 31 --only sip      while working on the end of calls
  conformance --mutants 54          does point 54 still find its fault?
";

/// What was asked for.
#[derive(Default)]
struct Arguments {
    numbers: Vec<u8>,
    page: Option<String>,
    only: Option<String>,
    mutants: bool,
}

/// Reads the command line; `None` if help is wanted.
fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut asked = Arguments::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--mutants" => asked.mutants = true,
            "--page" => asked.page = Some(words.next().ok_or("--page wants a file, such as --page page.md")?),
            "--only" => match words.next() {
                Some(kind) if kind == "sip" || kind == "loopback" => asked.only = Some(kind),
                other => {
                    let got = other.unwrap_or_else(|| "nothing".to_owned());
                    return Err(format!("--only wants sip or loopback, not {got}"));
                }
            },
            word => {
                let number = word.parse::<u8>().ok();
                let known = |number: &u8| {
                    ITEMS.iter().flat_map(|part| part.iter()).any(|item| item.number == *number)
                };
                let number = number.filter(known);
                asked.numbers.push(
                    number.ok_or(format!("'{word}' is neither a point of the checklist nor an option"))?,
                );
            }
        }
    }
    Ok(Some(asked))
}

fn main() -> ExitCode {
    let Arguments { numbers, page, only, mutants } = match arguments(std::env::args().skip(1)) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("conformance: {why}; --help shows what can be typed");
            return ExitCode::from(2);
        }
    };
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
    let inside = |folder: &std::path::Path| -> Vec<_> {
        let files = std::fs::read_dir(folder).into_iter().flatten();
        files.filter_map(Result::ok).map(|file| file.path()).collect()
    };
    let tests = std::path::Path::new("tests/interop/tests");
    // A test of several files is a folder.
    let mut files: Vec<_> = inside(tests);
    files.extend(files.clone().iter().flat_map(|folder| inside(folder)));
    files.sort();
    let mut shown = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs")) {
        let name = path.strip_prefix(tests).unwrap_or(path).with_extension("");
        let file = name.to_string_lossy().replace('/', "::");
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
