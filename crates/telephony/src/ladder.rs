//! A call's timeline as a ladder: applications, our line and the other side as three rails, time running down.

use hookswitch_machine::Time;
use hookswitch_spi::{RequestId, TimelineEntry, TimelineFact, Way};
use std::fmt::Write;
use std::time::Duration;

/// What stands above the rails.
#[derive(Clone, Copy, Debug)]
pub struct LadderNames<'a> {
    /// The left rail: the applications.
    pub applications: &'a str,
    /// The middle rail: our line.
    pub line: &'a str,
    /// The right rail: the other side.
    pub peer: &'a str,
}

impl Default for LadderNames<'_> {
    fn default() -> Self {
        Self { applications: "application", line: "line", peer: "peer" }
    }
}

/// Columns between the left and the middle rail.
const LEFT: usize = 26;
/// Columns between the middle and the right rail.
const RIGHT: usize = 34;
/// Columns before the left rail.
const TIME: usize = 14;

/// A request that is sent a second time sooner than this is no retransmission (RFC 3261 17.1.1.1: after 500 ms): a large one found no
/// TCP connection and goes out by UDP (RFC 3261 18.1.1).
const ANOTHER_WAY: Duration = Duration::from_millis(250);

/// Draws the entries of one call, oldest first, as a ladder: SIP messages and requests are arrows with the time in seconds
/// since the first entry; states, media and ownership are notes beside the rail they belong to. A request that went out by another
/// transport at once, because the first one was closed, is one arrow.
pub fn ladder<'a>(entries: impl IntoIterator<Item = &'a TimelineEntry>, names: LadderNames<'_>) -> String {
    let mut out = String::new();
    heading(&mut out, names);
    let mut start: Option<Time> = None;
    let mut asked: Vec<(RequestId, &'static str)> = Vec::new();
    let mut sent: Option<&TimelineEntry> = None;
    for entry in entries {
        match &entry.fact {
            TimelineFact::Request { way: Way::Sent, .. } => {
                let same =
                    |sent: &TimelineEntry| sent.fact == entry.fact && entry.at.since(sent.at) < ANOTHER_WAY;
                if sent.replace(entry).is_some_and(same) {
                    continue;
                }
            }
            TimelineFact::Request { way: Way::Received, .. } | TimelineFact::Response { .. } => sent = None,
            TimelineFact::State(_)
            | TimelineFact::Ended(_)
            | TimelineFact::Asked(..)
            | TimelineFact::Completed(..)
            | TimelineFact::Owner(_)
            | TimelineFact::Media(_)
            | TimelineFact::Note(_) => {}
        }
        let since = entry.at.since(*start.get_or_insert(entry.at));
        let (left, right) = sides(&entry.fact, &mut asked);
        let time = format!("+{}.{:03}", since.as_secs(), since.subsec_millis());
        let _infallible = writeln!(out, "{time:>12}  |{left}|{right}|");
    }
    out
}

fn heading(out: &mut String, names: LadderNames<'_>) {
    let mut line = String::new();
    for (rail, name) in
        [(TIME, names.applications), (TIME + LEFT + 1, names.line), (TIME + LEFT + RIGHT + 2, names.peer)]
    {
        let width = name.chars().count();
        let begin = rail.saturating_sub(width / 2).max(line.chars().count() + usize::from(!line.is_empty()));
        while line.chars().count() < begin {
            line.push(' ');
        }
        line.push_str(name);
    }
    let _infallible = writeln!(out, "{line}");
}

/// What stands between the rails for one entry.
fn sides(fact: &TimelineFact, asked: &mut Vec<(RequestId, &'static str)>) -> (String, String) {
    let (blank_left, blank_right) = (note("", LEFT), note("", RIGHT));
    match fact {
        TimelineFact::Request { way, method, cseq, sdp } => (
            blank_left,
            arrow(&format!("{} {cseq}{}", method.as_str(), with_sdp(*sdp)), *way == Way::Sent, RIGHT),
        ),
        TimelineFact::Response { way, status, method, cseq, sdp } => {
            let label = format!("{status} ({} {cseq}){}", method.as_str(), with_sdp(*sdp));
            (blank_left, arrow(&label, *way == Way::Sent, RIGHT))
        }
        TimelineFact::State(state) => (note(&format!("= {state}"), LEFT), blank_right),
        TimelineFact::Ended(mode) => (note(&format!("= ended: {}", mode.name()), LEFT), blank_right),
        TimelineFact::Asked(request, name) => {
            asked.push((*request, name));
            (arrow(name, true, LEFT), blank_right)
        }
        TimelineFact::Completed(request, done) => {
            let name = asked.iter().find(|(id, _)| id == request).map_or("request", |(_, name)| *name);
            let label = format!("{name} {}", if *done { "done" } else { "failed" });
            (arrow(&label, false, LEFT), blank_right)
        }
        TimelineFact::Owner(name) => (note(&format!("* owner: {}", printable(name)), LEFT), blank_right),
        TimelineFact::Media(text) => (blank_left, note(&format!("~ {text}"), RIGHT)),
        TimelineFact::Note(text) => (blank_left, note(text, RIGHT)),
    }
}

fn with_sdp(sdp: bool) -> &'static str {
    if sdp { " SDP" } else { "" }
}

/// Application names are chosen by others: nothing of them may break the drawing.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Text of at most `width` columns, filled with blanks.
fn note(text: &str, width: usize) -> String {
    let text: String = text.chars().take(width - 2).collect();
    format!(" {text:<fill$}", fill = width - 1)
}

/// An arrow of `width` columns with a label in it.
fn arrow(label: &str, to_the_right: bool, width: usize) -> String {
    let label: String = label.chars().take(width - 6).collect();
    let dashes = width - label.chars().count() - 3;
    let (before, after) = (dashes / 2, dashes - dashes / 2);
    let (before, after) = ("-".repeat(before), "-".repeat(after));
    if to_the_right { format!("{before} {label} {after}>") } else { format!("<{before} {label} {after}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_spi::{CallId, DisconnectMode, StateKind, Word};

    #[test]
    fn an_answered_call_prints_as_a_ladder() {
        let request =
            |way, method, cseq, sdp| TimelineFact::Request { way, method: Word::new(method), cseq, sdp };
        let response = |way, status, method, cseq, sdp| TimelineFact::Response {
            way,
            status,
            method: Word::new(method),
            cseq,
            sdp,
        };
        let facts = [
            (0, request(Way::Received, "INVITE", 1, true)),
            (0, TimelineFact::State(StateKind::Offering)),
            (0, TimelineFact::Owner("reception".into())),
            (1, response(Way::Sent, 180, "INVITE", 1, false)),
            (2_040, TimelineFact::Asked(RequestId(7), "answer")),
            (2_041, TimelineFact::Media("PCMU both ways")),
            (2_041, response(Way::Sent, 200, "INVITE", 1, true)),
            (2_050, request(Way::Received, "ACK", 1, false)),
            (2_050, TimelineFact::Completed(RequestId(7), true)),
            (2_050, TimelineFact::State(StateKind::Connected)),
            (62_000, request(Way::Received, "BYE", 2, false)),
            (62_000, response(Way::Sent, 200, "BYE", 2, false)),
            (62_000, TimelineFact::State(StateKind::Disconnected)),
            (62_000, TimelineFact::Ended(DisconnectMode::Normal)),
        ];
        let entry =
            |(at, fact): (u64, _)| TimelineEntry { at: Time::from_millis(5_000 + at), call: CallId(1), fact };
        let entries: Vec<_> = facts.into_iter().map(entry).collect();
        let drawn = ladder(&entries, LadderNames { peer: "sip:bob@example.org", ..LadderNames::default() });
        assert_eq!(drawn, include_str!("../tests/ladder.txt"), "\n{drawn}");
    }

    #[test]
    fn a_request_that_goes_out_by_another_transport_is_drawn_once_and_a_retransmission_again() {
        let invite = |way| TimelineFact::Request { way, method: Word::new("INVITE"), cseq: 1, sdp: true };
        let drawn = |times: &[u64], way| {
            let entry =
                |at: &u64| TimelineEntry { at: Time::from_millis(*at), call: CallId(1), fact: invite(way) };
            let entries: Vec<_> = times.iter().map(entry).collect();
            ladder(&entries, LadderNames::default()).matches("INVITE").count()
        };
        assert_eq!(drawn(&[0, 1], Way::Sent), 1);
        assert_eq!(drawn(&[0, 500, 1_500], Way::Sent), 3);
        assert_eq!(drawn(&[0, 1, 501], Way::Sent), 2);
        assert_eq!(drawn(&[0, 1], Way::Received), 2);
    }

    #[test]
    fn every_row_is_as_wide_as_the_others() {
        let long: Box<str> = "a name\nthat is much longer than the space that there is for it".into();
        let fact = TimelineFact::Owner(long);
        let entries = [TimelineEntry { at: Time::ZERO, call: CallId(1), fact }];
        let drawn = ladder(&entries, LadderNames::default());
        let row = drawn.lines().nth(1).unwrap();
        assert_eq!(row.chars().count(), TIME + LEFT + RIGHT + 3);
        assert_eq!(drawn.lines().count(), 2);
    }
}
