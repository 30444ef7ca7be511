//! What names a physical call on all its legs: the Session-ID of its caller (RFC 7989), a header field of the switch's own, or the
//! Call-ID where there is nothing better.

use crate::core::Core;
use crate::inbound::physical;
use hookswitch_sip::headers::SessionId;
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::{CallId, InfoParts, LineId};

/// The number of a new call: the first half of the Session-ID that we begin it with, made of random bits.
pub(crate) fn number(random: u64) -> u64 {
    number_of(SessionId::first(u128::from(random) << 64))
}

/// The Session-ID of a call with this number.
pub(crate) fn session_id(number: u64, random: u64) -> SessionId {
    SessionId::first(u128::from(number) << 64 | u128::from(random))
}

/// The number of the call whose caller began it with this.
const fn number_of(session: SessionId) -> u64 {
    (session.local >> 64) as u64
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
        if !call.is_embryo() {
            self.changed(id, InfoParts::IDENTITY);
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
        for random in [0, 7, u64::MAX] {
            let number = number(random);
            let text = session_id(number, random).to_string();
            assert_eq!(SessionId::parse(&text).map(number_of), Some(number), "{text}");
        }
    }
}
