//! What names a physical call on all its legs: the Session-ID of its caller (RFC 7989), a header field of the switch's own, or the
//! Call-ID where there is nothing better.

use crate::core::Core;
use crate::inbound::physical;
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::{CallId, InfoParts, LineId};
use std::fmt;

/// A Session-ID that we begin a call with: a random UUID (RFC 7989 5), of which the first half is the number of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId(u64, u64);

impl SessionId {
    pub(crate) const fn new(physical: u64, random: u64) -> Self {
        // RFC 4122 4.4: the variant of a random one.
        Self(physical, random & !(0b11 << 62) | 0b10 << 62)
    }

    /// The number of a new call.
    pub(crate) const fn number(random: u64) -> u64 {
        // RFC 4122 4.4: the version of a random one.
        random & !0xf000 | 0x4000
    }

    /// The number of the call whose caller began it with this.
    fn physical(value: &str) -> Option<u64> {
        let uuid = value.split(';').next()?.trim();
        let sound = uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_hexdigit());
        uuid.get(..16)
            .filter(|_| sound)
            .and_then(|half| u64::from_str_radix(half, 16).ok())
            .filter(|n| *n != 0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x};remote=00000000000000000000000000000000", self.0, self.1)
    }
}

impl Core {
    /// The number of an incoming call.
    pub(crate) fn physical_of(&self, line: LineId, message: &Message) -> u64 {
        let linked = self.linked_id(line, message).map(physical);
        let session = || message.header(Name::SessionId).and_then(SessionId::physical);
        linked.or_else(session).unwrap_or_else(|| physical(message.call_id()))
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
    fn a_session_id_is_a_random_uuid() {
        let number = SessionId::number(u64::MAX);
        let text = SessionId::new(number, u64::MAX).to_string();
        assert_eq!(text, "ffffffffffff4fffbfffffffffffffff;remote=00000000000000000000000000000000");
        assert_eq!(SessionId::physical(&text), Some(number), "both ends count the same");
        for bad in
            ["", "xyz", "0000", "00000000000000000000000000000000", "ffffffffffff4fffbffffffffffffff\u{e9}"]
        {
            assert_eq!(SessionId::physical(bad), None, "{bad}");
        }
    }
}
