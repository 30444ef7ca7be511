//! How often what happened, so that nobody believes in scenarios in which nothing does.

use crate::contract::kinds;
use crate::stage::Stage;
use crate::world::Passage;
use hookswitch_spi::{CallState, ConnectedMode, InfoParts, LineState, Reason, TransferOutcome};
use hookswitch_telephony::{Event, Reply};
use std::collections::BTreeMap;

/// Everything that can be asked and that was never accepted.
pub fn never_accepted(coverage: &BTreeMap<&'static str, usize>) -> Vec<&'static str> {
    kinds().filter(|kind| !coverage.contains_key(kind)).collect()
}

pub(super) fn coverage(stage: &Stage) -> BTreeMap<&'static str, usize> {
    let mut coverage = BTreeMap::new();
    let mut count = |what: &'static str| *coverage.entry(what).or_default() += 1;
    for (_, _, event) in stage.heard() {
        match event {
            Event::CallState { state, privilege: None, .. } => match state {
                CallState::Connected(ConnectedMode::ActiveHeld) => count("held by peer"),
                CallState::Disconnected(end) => count(end.mode.name()),
                state => count(state.kind().name()),
            },
            Event::Completed { result: Ok(Reply::Transferred(TransferOutcome::Succeeded)), .. } => {
                count("transfer succeeded");
            }
            Event::Completed { result: Ok(Reply::Transferred(TransferOutcome::Unknown)), .. } => {
                count("transfer unknown");
            }
            Event::Completed { result: Ok(Reply::Transferred(TransferOutcome::Bridged)), .. } => {
                count("transfer bridged");
            }
            Event::Completed { result: Ok(Reply::Conference { .. }), .. } => count("conference"),
            Event::Completed { result: Ok(Reply::Gathered { .. }), .. } => count("digits gathered"),
            Event::Completed { result: Ok(Reply::Completion(_)), .. } => count("completion arranged"),
            Event::Completed { result: Ok(Reply::Extension(_)), .. } => count("extension answered"),
            Event::Completed { result: Err(_), .. } => count("request failed"),
            Event::Completed { .. } => count("request done"),
            Event::Refused { .. } => count("request refused"),
            Event::CallInfo { changed, .. } if changed.contains(InfoParts::CONNECTED) => count("other party"),
            Event::LineState { state: LineState::InService, .. } => count("line in service"),
            Event::LineState { .. } => count("line out of service"),
            Event::NewCall { info, .. } if info.reason == Reason::CallCompletion => {
                count("completed call offered");
            }
            Event::NewCall { .. } => count("offered"),
            Event::CompletionEnded { .. } => count("completion ended"),
            Event::MessageWaiting { .. } => count("message lamp"),
            Event::Digit { .. } => count("digit"),
            Event::Extension { .. } => count("told by the extension"),
            _ => {}
        }
    }
    for crossing in stage.world.wire().iter().filter(|crossing| crossing.what != Passage::Arrived) {
        let head = crossing.bytes.get(..16).unwrap_or_default();
        for (start, what) in [
            (&b"SIP/2.0 491"[..], "491"),
            (b"SIP/2.0 481", "481"),
            (b"SIP/2.0 500", "500"),
            (b"SIP/2.0 302", "302"),
            (b"SIP/2.0 407", "407"),
            (b"CANCEL", "CANCEL"),
            (b"UPDATE", "UPDATE"),
            (b"REFER", "REFER"),
            (b"NOTIFY", "NOTIFY"),
            (b"SUBSCRIBE", "SUBSCRIBE"),
        ] {
            if head.starts_with(start) {
                count(what);
            }
        }
    }
    coverage.extend(stage.accepted());
    coverage
}
