//! Figures for people: lines on the screen, and tables in a document of which the rest is not ours.

use crate::answer::{Figures, Held, Rate};
use crate::arguments::Server;
use crate::fault::Fault;
use crate::memory::Memory;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// The rate that stands for all.
const REFERENCE: u32 = 5_000;

const fn name(server: Server) -> &'static str {
    match server {
        Server::Ours => "ours",
        Server::Sipp => "sipp",
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

pub(crate) fn rate_line(rate: &Rate) -> String {
    let counted = &rate.counted;
    format!(
        "{} at {}/s: {:.1} ms CPU per 1,000 calls; {} calls, {} failed, {:.0}/s reached, {} messages sent again, answer in {:.1} ms, \
         caller {:.1} ms per 1,000, {} MB resident",
        name(rate.server),
        rate.asked,
        ms(rate.cpu),
        counted.successful + counted.failed,
        counted.failed,
        counted.rate,
        counted.repeated,
        ms(counted.response),
        ms(rate.caller),
        rate.resident / 1_000_000,
    )
}

pub(crate) fn held_line(held: &Held) -> String {
    format!(
        "{} holding {} calls: {} bytes per call, {} failed",
        name(held.server),
        held.calls,
        held.per_call,
        held.failed
    )
}

/// `answer: ours A ms sipp B ms ratio C held D bytes`.
pub(crate) fn last_line(figures: &Figures) -> String {
    let cpu = |server| {
        let of = || figures.rates.iter().filter(move |rate| rate.server == server);
        let rate = of().find(|rate| rate.asked == REFERENCE).or_else(|| of().next_back());
        rate.map_or(f64::NAN, |rate| ms(rate.cpu))
    };
    let (ours, sipp) = (cpu(Server::Ours), cpu(Server::Sipp));
    let held = figures.held.iter().find(|held| held.server == Server::Ours).map_or(0, |held| held.per_call);
    format!("answer: ours {ours:.1} ms sipp {sipp:.1} ms ratio {:.2} held {held} bytes", ours / sipp)
}

pub(crate) fn write_answer(path: &Path, figures: &Figures) -> Result<(), Fault> {
    let mut text = String::new();
    let _ = writeln!(text, "{}; {}; {} s at each rate.\n", figures.machine, figures.sipp, figures.seconds);
    text.push_str(
        "| calls/s | server | CPU ms per 1,000 calls | failed | reached | INVITE to 200 | sent again | resident at the end |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for rate in &figures.rates {
        let counted = &rate.counted;
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {} of {} | {:.0}/s | {:.1} ms | {} | {} MB |",
            rate.asked,
            name(rate.server),
            ms(rate.cpu),
            counted.failed,
            counted.successful + counted.failed,
            counted.rate,
            ms(counted.response),
            counted.repeated,
            rate.resident / 1_000_000,
        );
    }
    text.push_str("\n| held calls | server | resident bytes per call | failed |\n|---|---|---|---|\n");
    for held in &figures.held {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            held.calls,
            name(held.server),
            held.per_call,
            held.failed
        );
    }
    text.push_str("\n| | first | goal | measured |\n|---|---|---|---|\n");
    let ours = |rate: &&Rate| rate.server == Server::Ours;
    if let Some(rate) = figures.rates.iter().filter(ours).find(|rate| rate.asked == REFERENCE) {
        let _ = writeln!(
            text,
            "| CPU ms per 1,000 answered calls at 5,000 calls/s | 100 | 35 | {:.1} |",
            ms(rate.cpu)
        );
    }
    if let Some(held) = figures.held.iter().find(|held| held.server == Server::Ours) {
        let _ =
            writeln!(text, "| bytes per held call, null media device | 16,000 | 4,000 | {} |", held.per_call);
    }
    let _ = writeln!(text, "\n`{}`", last_line(figures));
    insert(path, "answer", &text)
}

pub(crate) fn memory_lines(memory: &Memory) -> String {
    format!(
        "live bytes per held call: {} (with the lingering INVITE transaction: {})\n\
         live bytes per lingering transaction: {} (after a BYE), {} (after an answered INVITE)\n\
         allocations per call, set up and ended: {:.1}\n\
         time per call: {:.1} us, of which INVITE {:.1}, answer {:.1}, ACK {:.1}, BYE {:.1}, release {:.1}, timers {:.1}\n\
         peak of {} calls: {} bytes, again: {} bytes; left after them: {} and {} bytes",
        memory.per_held_call,
        memory.per_call_and_transaction,
        memory.per_bye_transaction,
        memory.per_invite_transaction,
        memory.allocations,
        memory.steps.iter().map(|step| step.as_secs_f64() * 1e6).sum::<f64>(),
        memory.steps[0].as_secs_f64() * 1e6,
        memory.steps[1].as_secs_f64() * 1e6,
        memory.steps[2].as_secs_f64() * 1e6,
        memory.steps[3].as_secs_f64() * 1e6,
        memory.steps[4].as_secs_f64() * 1e6,
        memory.steps[5].as_secs_f64() * 1e6,
        memory.calls,
        memory.peaks[0],
        memory.peaks[1],
        memory.left[0],
        memory.left[1],
    )
}

pub(crate) fn write_memory(path: &Path, memory: &Memory) -> Result<(), Fault> {
    let mut text = format!("```\n{}\n```\n\n", memory_lines(memory));
    text.push_str("| | first | goal | measured |\n|---|---|---|---|\n");
    let _ = writeln!(
        text,
        "| bytes per lingering transaction | 2,000 | 1,000 | {} |",
        memory.per_bye_transaction
    );
    insert(path, "memory", &text)
}

/// Puts `text` between the marks of `section`, which are added at the end where there are none.
fn insert(path: &Path, section: &str, text: &str) -> Result<(), Fault> {
    let at = || path.display().to_string();
    let old = match std::fs::read_to_string(path) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Performance\n".to_owned(),
        Err(error) => return Err(Fault::io(at())(error)),
    };
    std::fs::write(path, between(&old, section, text)).map_err(Fault::io(at()))
}

fn between(old: &str, section: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {section}: begin -->\n"), format!("<!-- {section}: end -->\n"));
    let found = old.split_once(&begin).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
    match found {
        Some((head, tail)) => format!("{head}{begin}{text}{end}{tail}"),
        None => format!("{}\n\n{begin}{text}{end}", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_changes() {
        let first = between("# A\nwords\n", "x", "1\n");
        let second = between(&format!("{first}more\n"), "x", "2\n");
        assert_eq!(second, "# A\nwords\n\n<!-- x: begin -->\n2\n<!-- x: end -->\nmore\n");
    }
}
