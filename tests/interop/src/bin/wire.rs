//! Runs the behaviour checklist against the SIP provider over real sockets, with parties that other programs play.
//!
//! `--help` says what can be typed.
#![allow(clippy::disallowed_methods)]

use hookswitch_interop::needs;
use hookswitch_interop::wire::{Peers, asterisk::Asterisk, report::Report, scripted, sipp};
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "\
Runs the behaviour checklist against the SIP provider over real sockets, with parties that other programs play.

Usage: wire [OPTIONS]

  --peer NAME     only this one: sipp, asterisk, or scripted (the suite's own, to find out whose fault it is)
  --item N ...    only these points
  --page FILE     write the page there; with all points and all peers docs/conformance-wire.md is written anew
  --trace         show what passes
  --help          this

A line for each point, with what was seen where it failed; the last line sums up. The exit code is 0 if nothing failed and every point
was passed with some peer, 1 if not, 2 for wrong arguments. WIRE_PORTS names the first of the thousand ports that are used (26000).
";

#[derive(Default)]
struct Arguments {
    peer: Option<String>,
    items: Vec<u8>,
    page: Option<String>,
    trace: bool,
}

fn arguments(words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut words = words.peekable();
    let mut asked = Arguments::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--trace" => asked.trace = true,
            "--peer" => asked.peer = Some(words.next().ok_or("--peer wants a name")?),
            "--page" => asked.page = Some(words.next().ok_or("--page wants a file")?),
            "--item" | "--items" => {
                while let Some(number) = words.next_if(|word| !word.starts_with("--")) {
                    asked.items.push(number.parse().map_err(|_| format!("'{number}' is no point"))?);
                }
            }
            word => return Err(format!("'{word}' is not understood")),
        }
    }
    Ok(Some(asked))
}

/// Whether there can be an Asterisk: it runs in a container. Says so if not.
fn docker_answers() -> bool {
    let asked = Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let answers = asked.is_ok_and(|status| status.success());
    if !answers {
        eprintln!("wire: no Docker engine answers, so Asterisk is left out and the page is not written");
    }
    answers
}

fn main() -> ExitCode {
    let asked = match arguments(std::env::args().skip(1)) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("wire: {why}; --help shows what can be typed");
            return ExitCode::from(2);
        }
    };
    let mut peers: Vec<Box<dyn Peers>> = Vec::new();
    match asked.peer.as_deref() {
        Some("scripted") => peers.push(Box::new(scripted::Scripted)),
        Some("sipp") | None if needs(&["sipp"]) => peers.push(Box::new(sipp::Sipp::start())),
        Some(_) | None => {}
    }
    let asterisk = match asked.peer.as_deref() {
        Some(peer) => peer == "asterisk",
        None if std::env::var_os("HOOKSWITCH_PEERS").is_some() => needs(&["asterisk"]),
        None => docker_answers(),
    };
    if asterisk {
        match Asterisk::start() {
            Ok(asterisk) => peers.push(Box::new(asterisk)),
            Err(why) => {
                eprintln!("wire: Asterisk does not start: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    if peers.is_empty() {
        eprintln!("wire: there is no such peer here; --help shows which there may be");
        return ExitCode::FAILURE;
    }
    let mut report = Report::default();
    for peers in &peers {
        report.run(peers.as_ref(), &asked.items, asked.trace, |line| println!("{line}"));
    }
    // A page that lacks a peer says less than the one that is there.
    let whole = peers.len() == 2 && asked.items.is_empty();
    if let Some(path) = asked.page.or_else(|| whole.then(|| "docs/conformance-wire.md".to_owned()))
        && let Err(error) = std::fs::write(&path, report.page())
    {
        eprintln!("wire: cannot write {path}: {error}");
        return ExitCode::FAILURE;
    }
    let unproved = report.unproved();
    if !unproved.is_empty() {
        println!("passed with nobody: {unproved:?}");
    }
    println!("{}", report.summary());
    if report.failed() == 0 && unproved.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
