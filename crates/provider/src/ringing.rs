//! Ring cycles: an offered call rings every few seconds until it is answered or ends (LINEDEVSTATE_RINGING), told to whoever wants to
//! hear of it.

use crate::call::Ring;
use crate::core::{Core, Timer};
use hookswitch_machine::Time;
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::{CallId, LineId, ProviderEvent, StateKind, StatusKind};
use std::time::Duration;

/// The ring mode that Alert-Info asks for (RFC 7462, and what switches say instead): 1 as usual, 2 for internal calls, 3 for
/// external ones, 4 for urgent ones; `dr1` to `dr8`, the distinctive rings of analogue exchanges, by their numbers.
pub(crate) fn mode(message: &Message) -> u8 {
    let Some(value) = message.header(Name::AlertInfo) else { return 1 };
    let value = value.to_ascii_lowercase();
    let known = [
        ("urn:alert:source:internal", 2),
        ("urn:alert:source:external", 3),
        ("urn:alert:priority:high", 4),
        ("info=internal", 2),
        ("info=external", 3),
    ];
    if let Some((_, mode)) = known.into_iter().find(|(word, _)| value.contains(word)) {
        return mode;
    }
    let digit =
        value.split_once("-dr").or_else(|| value.split_once("-r")).and_then(|(_, rest)| rest.chars().next());
    digit.and_then(|digit| digit.to_digit(10)).filter(|n| (1..=8).contains(n)).map_or(1, |n| n as u8)
}

impl Core {
    /// A call is offered to applications: it rings, if anybody listens.
    pub(crate) fn begin_ringing(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let offered = matches!(call.state.kind(), StateKind::Offering | StateKind::Accepted);
        let rings = call.extra.as_ref().is_some_and(|extra| extra.ring.is_some());
        if offered && !rings && self.line(call.line).is_some_and(|line| line.wants(StatusKind::Ringing)) {
            self.ring(now, id, 0);
        }
    }

    /// Somebody wants to hear of ringing from now on.
    pub(crate) fn begin_ringing_on(&mut self, now: Time, line: LineId) {
        for id in self.calls.on_line(line) {
            self.begin_ringing(now, id);
        }
    }

    /// The next cycle.
    pub(crate) fn ring_again(&mut self, now: Time, id: CallId) {
        let Some(ring) = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()?.ring.take()) else {
            return;
        };
        let Some(call) = self.calls.get(id) else { return };
        let offered = matches!(call.state.kind(), StateKind::Offering | StateKind::Accepted);
        if offered && (call.leg.is_some() || call.is_call_back()) {
            self.ring(now, id, ring.count);
        }
    }

    fn ring(&mut self, now: Time, id: CallId, count: u32) {
        let Some(call) = self.calls.get(id) else { return };
        let (line, mode) = (call.line, call.ring_mode);
        let Some(found) = self.line(line) else { return };
        let cycle = Duration::from_secs(found.account.profile.ring_cycle.clamp(1, 60).into());
        if found.wants(StatusKind::Ringing) {
            self.tell(id, ProviderEvent::Ringing { line, mode, count });
        }
        let timer = self.timers.set(now + cycle, Timer::Ring(id));
        if let Some(call) = self.calls.get_mut(id) {
            call.extra().ring = Some(Ring { timer, count: count.saturating_add(1) });
        }
    }
}
