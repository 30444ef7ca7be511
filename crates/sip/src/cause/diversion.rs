//! The Diversion header (RFC 5806), and the reasons for diverting that all headers share.

use super::lex;
use super::party::{Party, Presentation};
use crate::message::NameAddr;
use std::fmt;

/// Why a call was diverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiversionReason {
    /// Always.
    Unconditional,
    /// The party was busy.
    Busy,
    /// The party did not answer.
    NoAnswer,
    /// The party chose to, for this call.
    Deflection,
    /// The party could not be reached.
    Unavailable,
    /// The party did not want to be disturbed.
    DoNotDisturb,
    /// By the time of day, by a follow-me list, because the party is away.
    Other,
    /// No reason is given.
    Unknown,
}

impl DiversionReason {
    /// The token in a Diversion header.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Unconditional => "unconditional",
            Self::Busy => "user-busy",
            Self::NoAnswer => "no-answer",
            Self::Deflection => "deflection",
            Self::Unavailable => "unavailable",
            Self::DoNotDisturb => "do-not-disturb",
            Self::Other => "away",
            Self::Unknown => "unknown",
        }
    }

    /// The reason a token stands for.
    pub fn from_token(token: &str) -> Self {
        let is = |wanted: &[&str]| wanted.iter().any(|w| w.eq_ignore_ascii_case(token));
        match () {
            () if is(&["unconditional"]) => Self::Unconditional,
            () if is(&["user-busy"]) => Self::Busy,
            () if is(&["no-answer"]) => Self::NoAnswer,
            () if is(&["deflection"]) => Self::Deflection,
            () if is(&["unavailable", "out-of-service"]) => Self::Unavailable,
            () if is(&["do-not-disturb"]) => Self::DoNotDisturb,
            () if is(&["time-of-day", "follow-me", "away"]) => Self::Other,
            () => Self::Unknown,
        }
    }

    /// The reason a `cause` stands for (RFC 4458 4), of a URI parameter or a SIP reason.
    pub const fn from_cause(cause: u16) -> Self {
        match cause {
            301 | 302 => Self::Unconditional,
            486 | 600 => Self::Busy,
            408 => Self::NoAnswer,
            // 487: while alerting; 480: at once.
            480 | 487 => Self::Deflection,
            404 | 503 => Self::Unavailable,
            603 => Self::DoNotDisturb,
            _ => Self::Unknown,
        }
    }
}

/// A Diversion: who sent the call on, and why. The topmost is the latest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// Who diverted.
    pub party: Party,
    /// Why.
    pub reason: DiversionReason,
    /// How many diversions it stands for.
    pub counter: u16,
}

impl Diversion {
    /// Reads one value; `None` if it is no address.
    pub fn parse(value: &str) -> Option<Self> {
        let address = NameAddr::parse(value).ok()?;
        let params = address.params();
        let mut party = Party::of(&address);
        match params.get("privacy") {
            Some(p) if p.eq_ignore_ascii_case("full") => party = Party::hidden(Presentation::Blocked),
            Some(p) if p.eq_ignore_ascii_case("uri") => (party.address, party.number) = (None, None),
            Some(p) if p.eq_ignore_ascii_case("name") => party.name = None,
            Some(_) | None => {}
        }
        let reason = params.get("reason").map_or(DiversionReason::Unknown, DiversionReason::from_token);
        let counter = params.get("counter").and_then(|digits| digits.parse().ok()).unwrap_or(1).max(1);
        Some(Self { party, reason, counter })
    }
}

impl fmt::Display for Diversion {
    /// The header's value; a party without address is written as anonymous.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.party.name {
            let mut quoted = String::new();
            lex::push_quoted(&mut quoted, name);
            write!(f, "{quoted} ")?;
        }
        let address = self.party.address.as_deref().unwrap_or("sip:anonymous@anonymous.invalid");
        write!(f, "<{address}>;reason={}", self.reason.token())?;
        if self.counter > 1 {
            write!(f, ";counter={}", self.counter)?;
        }
        if self.party.presentation == Presentation::Blocked { f.write_str(";privacy=full") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diversion_is_read_and_written() {
        let text = "\"Bob\" <sip:bob@b.com>;reason=user-busy;counter=3";
        let got = Diversion::parse(text).unwrap();
        assert_eq!((got.reason, got.counter), (DiversionReason::Busy, 3));
        assert_eq!(got.to_string(), text);
        let hidden = Diversion::parse("<sip:bob@b.com>;reason=\"no-answer\";privacy=\"full\"").unwrap();
        assert_eq!(
            (hidden.reason, hidden.party),
            (DiversionReason::NoAnswer, Party::hidden(Presentation::Blocked))
        );
    }

    #[test]
    fn privacy_hides_what_it_names() {
        let name = Diversion::parse("\"Bob\" <sip:1@b.com>;privacy=name").unwrap().party;
        assert!(name.name.is_none() && name.address.is_some());
        let uri = Diversion::parse("\"Bob\" <sip:1@b.com>;privacy=uri").unwrap().party;
        assert!(uri.name.is_some() && uri.address.is_none() && uri.number.is_none());
    }

    #[test]
    fn hostile_values_do_no_harm() {
        assert_eq!(Diversion::parse("<sip:"), None);
        let got = Diversion::parse("<sip:b@b.com>;counter=99999999;reason").unwrap();
        assert_eq!((got.counter, got.reason), (1, DiversionReason::Unknown));
    }

    #[test]
    fn every_token_comes_back() {
        for token in [
            "unconditional",
            "user-busy",
            "no-answer",
            "deflection",
            "unavailable",
            "do-not-disturb",
            "unknown",
        ] {
            assert_eq!(DiversionReason::from_token(token).token(), token);
        }
    }
}
