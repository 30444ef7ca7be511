//! What names a physical call on all its legs: the Session-ID of its caller (RFC 7989), a header field of the switch's own, or the
//! Call-ID where there is nothing better.

use crate::call::Halves;
use crate::core::Core;
use crate::inbound::physical;
use hookswitch_sip::headers::SessionId;
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::{CallId, InfoParts, LineId};

/// The bits that are random in both halves of a UUID: not its version, not its variant (RFC 4122 4.4).
const RANDOM: u64 = !(0xf000 | 0b11 << 62);

/// The number of a new call, of random bits.
pub(crate) const fn number(random: u64) -> u64 {
    random & RANDOM
}

/// A Session-ID for a call with this number.
pub(crate) fn session_id(number: u64, random: u64) -> SessionId {
    SessionId::first(u128::from(number ^ random) << 64 | u128::from(random))
}

/// The number of the call whose caller began it with this: its halves folded into one.
const fn number_of(session: SessionId) -> u64 {
    ((session.local >> 64) as u64 ^ session.local as u64) & RANDOM
}

impl Core {
    /// The number of an incoming call.
    pub(crate) fn physical_of(&self, line: LineId, message: &Message) -> u64 {
        let linked = self.linked_id(line, message).map(physical);
        let session = || message.header(Name::SessionId).and_then(SessionId::parse).map(number_of);
        linked.or_else(session).filter(|number| *number != 0).unwrap_or_else(|| physical(message.call_id()))
    }

    /// The switch says of a call of ours by what it knows it.
    pub(crate) fn note_physical(&mut self, id: CallId, message: &Message) {
        let Some(line) = self.calls.get(id).map(|call| call.line) else { return };
        let Some(number) = self.linked_id(line, message).map(physical) else { return };
        let Some(call) = self.calls.get_mut(id).filter(|call| call.facts.physical != number) else { return };
        call.facts.physical = number;
        if !call.embryo {
            self.changed(id, InfoParts::IDENTITY);
        }
    }

    /// The Session-ID of an incoming call: our half, of random bits, and the caller's. Who sends none gets none.
    pub(crate) fn session_of(&mut self, message: &Message) -> Option<Box<Halves>> {
        let theirs = message.header(Name::SessionId).and_then(SessionId::parse)?;
        let random = u128::from(self.entropy.next_u64()) << 64 | u128::from(self.entropy.next_u64());
        Some(Box::new(Halves { own: SessionId::first(random).local, theirs: theirs.local }))
    }

    /// The other side has another half than before: it was transferred, or has answered (RFC 7989 6, 7).
    pub(crate) fn note_session(&mut self, id: CallId, message: &Message) {
        let Some(theirs) = message.header(Name::SessionId).and_then(SessionId::parse) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        if let Some(session) = call.facts.session.as_mut().filter(|known| known.theirs != theirs.local) {
            session.theirs = theirs.local;
            self.refresh_standing(id);
        }
    }

    fn linked_id<'a>(&self, line: LineId, message: &'a Message) -> Option<&'a str> {
        let name = self.line(line)?.account.profile.linked_id.as_deref()?;
        message.header(Name::new(name)).map(str::trim).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_count_the_same() {
        for random in [0, 7, u64::MAX, 0x0123_4567_89ab_cdef] {
            let number = number(random);
            let text = session_id(number, random.rotate_left(17)).to_string();
            assert_eq!(SessionId::parse(&text).map(number_of), Some(number), "{text}");
        }
    }
}
