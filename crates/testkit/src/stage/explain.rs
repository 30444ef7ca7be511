//! What happened, for people: ladders and the wire.

use super::Stage;
use crate::world::Passage;
use hookswitch_sip::message::{Limits, Message};
use hookswitch_spi::CallId;
use hookswitch_telephony::{LadderNames, ladder};
use std::fmt::Write;

impl Stage {
    /// The ladders of all calls, and the wire.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for call in self.observer.call_ids() {
            // Writing to a String cannot fail.
            let _ =
                writeln!(text, "{call}\n{}", ladder(self.engine().timeline(call), LadderNames::default()));
        }
        let _ = writeln!(text, "{}", self.wire());
        text
    }

    /// The ladders of the calls that some texts name; of all if they name none.
    pub fn explain_calls(&self, texts: &[String]) -> String {
        let named = |call: &CallId| {
            let name = call.to_string();
            texts.iter().any(|text| {
                text.match_indices(&name).any(|(at, _)| {
                    let rest = text.get(at + name.len()..).unwrap_or_default();
                    !rest.starts_with(|c: char| c.is_ascii_digit())
                })
            })
        };
        let mut calls: Vec<CallId> = self.observer.call_ids().filter(named).collect();
        if calls.is_empty() {
            calls = self.observer.call_ids().take(4).collect();
        }
        calls.into_iter().map(|call| format!("{call}\n{}", self.ladder(call))).collect()
    }

    /// The ladder of one call.
    pub fn ladder(&self, call: CallId) -> String {
        ladder(self.engine().timeline(call), LadderNames::default())
    }

    /// Everything that was sent, a line each: when, from, to, what, and what became of it.
    pub fn wire(&self) -> String {
        let mut text = String::new();
        for crossing in self.world.wire() {
            let Passage::Sent(fate) = crossing.what else { continue };
            let first = first_line(&crossing.bytes);
            let (from, to) = (self.world.name_of(crossing.from), self.world.name_of(crossing.to));
            let at = crossing.at;
            let _ = writeln!(text, "{at:?} {from:>12} > {to:<12} {first}  {fate:?}");
        }
        text
    }
}

/// The start line of a message, its CSeq and the start of its Call-ID.
pub fn first_line(bytes: &bytes::Bytes) -> String {
    match Message::parse(bytes.clone(), &Limits::default()) {
        Ok(message) => {
            let cseq = message.cseq();
            let call: String = message.call_id().chars().take(6).collect();
            let sdp = if message.body().is_empty() { "" } else { " +body" };
            match message.status() {
                Some(status) => format!("{status} ({} {}){sdp} [{call}]", cseq.method, cseq.number),
                None => format!(
                    "{} {} {}{sdp} [{call}]",
                    message.method(),
                    cseq.number,
                    message.request_uri().unwrap_or_default()
                ),
            }
        }
        Err(_) => format!("{} octets that are no SIP", bytes.len()),
    }
}
