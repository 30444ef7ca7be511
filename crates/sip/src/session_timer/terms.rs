//! What both sides agree on.

use super::header::{Refresher, SessionExpires};
use crate::message::{Message, Method, Name};
use std::fmt;
use std::time::Duration;

/// No side may ask for less (RFC 4028 4).
const LEAST: u32 = 90;
/// Longer intervals are taken for this one: a day.
const LONGEST: u32 = 86_400;

/// What we want of session timers, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// How long a session shall live without a refresh.
    pub expires: u32,
    /// The least that we agree to.
    pub least: u32,
}

impl Default for Interval {
    /// What RFC 4028 recommends (4): half an hour, and 90 s at the least.
    fn default() -> Self {
        Self { expires: 1_800, least: LEAST }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its Session-Expires.
    pub expires: Option<SessionExpires>,
    /// Its Min-SE, in seconds.
    pub least: Option<u32>,
    /// Whether its sender supports session timers.
    pub supported: bool,
}

/// What is agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How long the session lives without a refresh, in seconds.
    pub seconds: u32,
    /// Who refreshes, seen from the request.
    pub refresher: Refresher,
}

impl Asked {
    /// Reads a request.
    pub fn of(request: &Message) -> Self {
        let supported = |name| request.lists(name, "timer");
        Self {
            expires: request.header(Name::SessionExpires).and_then(SessionExpires::parse),
            least: request.header(Name::MinSe).and_then(SessionExpires::parse_least),
            supported: supported(Name::Supported) || supported(Name::Require),
        }
    }
}

impl Interval {
    /// The least that we agree to, which is not less than the RFC's.
    pub fn least(&self) -> u32 {
        self.least.clamp(LEAST, LONGEST)
    }

    /// What we ask for in a request.
    pub fn wanted(&self) -> u32 {
        self.expires.clamp(self.least(), LONGEST)
    }

    /// What we answer to a request (RFC 4028 9, table 2): nothing, or what is agreed from now on. `present` is who refreshes up to now, seen
    /// from that request.
    ///
    /// # Errors
    /// The least that we agree to, for a 422: the request asks for less.
    pub fn answer(&self, asked: Asked, present: Option<Refresher>) -> Result<Option<Agreed>, u32> {
        let wanted = self.wanted().max(asked.least.unwrap_or(0)).min(LONGEST);
        match asked.expires {
            Some(SessionExpires { seconds, .. }) if seconds < self.least() => {
                // A proxy has asked for it, and the other side does not know what a 422 is.
                if asked.supported { Err(self.least()) } else { Ok(None) }
            }
            // It is lowered, never raised.
            Some(SessionExpires { seconds, refresher }) => {
                let refresher = match (asked.supported, refresher.or(present)) {
                    (true, Some(refresher)) => refresher,
                    (true, None) | (false, _) => Refresher::Uas,
                };
                Ok(Some(Agreed { seconds: seconds.min(wanted), refresher }))
            }
            None if asked.supported => {
                Ok(Some(Agreed { seconds: wanted, refresher: present.unwrap_or(Refresher::Uas) }))
            }
            None => Ok(None),
        }
    }

    /// What a 2xx to our request agrees to (RFC 4028 7.2).
    pub fn agreed(response: &Message) -> Option<Agreed> {
        let SessionExpires { seconds, refresher } =
            SessionExpires::parse(response.header(Name::SessionExpires)?)?;
        // It may not be less than the RFC's least; a refresher that is not named is us, to be safe.
        Some(Agreed {
            seconds: seconds.clamp(LEAST, LONGEST),
            refresher: refresher.unwrap_or(Refresher::Uac),
        })
    }

    /// What to ask for after a 422 (RFC 4028 7.4), which names a least; `present` is what the request named. Once for any least, again for
    /// the double at least: nobody can keep us busy.
    pub fn after_refusal(&self, present: Option<u32>, least: u32) -> Option<u32> {
        let present = present.unwrap_or(0);
        let first = present <= self.least();
        let grown = least > present && (first || least >= present.saturating_mul(2));
        (grown && least <= LONGEST).then_some(least)
    }
}

impl Agreed {
    /// When the refresher refreshes, after the last refresh (RFC 4028 10).
    pub const fn refresh_after(&self) -> Duration {
        Duration::from_secs((self.seconds / 2) as u64)
    }

    /// When a session that was not refreshed ends: a little before it is over (RFC 4028 10).
    pub const fn end_after(&self) -> Duration {
        let third = self.seconds / 3;
        let margin = if third < 32 { third } else { 32 };
        Duration::from_secs((self.seconds - margin) as u64)
    }
}

impl fmt::Display for Agreed {
    /// The header field lines of the 2xx that says so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = SessionExpires { seconds: self.seconds, refresher: Some(self.refresher) };
        write!(f, "Session-Expires: {value}\r\n")?;
        match self.refresher {
            // RFC 4028 9: whoever sent the request must understand.
            Refresher::Uac => f.write_str("Require: timer\r\n"),
            Refresher::Uas => Ok(()),
        }
    }
}

/// Whether a message says that its sender takes UPDATE (RFC 3311 4).
pub(crate) fn takes_update(message: &Message) -> bool {
    message.lists(Name::Allow, Method::Update.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_a_request_has_its_answer() {
        use Refresher::{Uac, Uas};
        let interval = Interval { expires: 600, least: 120 };
        let mut table = String::new();
        for supported in [true, false] {
            for expires in [None, Some(60), Some(300), Some(3_600)] {
                for least in [None, Some(900)] {
                    for refresher in [None, Some(Uac), Some(Uas)] {
                        if expires.is_none() && refresher.is_some() {
                            continue;
                        }
                        let expires = expires.map(|seconds| SessionExpires { seconds, refresher });
                        let asked = Asked { expires, least, supported };
                        let written = expires.map_or("none".into(), |e| e.to_string());
                        let head = format!(
                            "{} {written}{}",
                            if supported { "timer" } else { "-" },
                            least.map_or(String::new(), |least| format!(" min {least}"))
                        );
                        let answers = [None, Some(Uac), Some(Uas)].map(|present| {
                            match interval.answer(asked, present) {
                                Err(least) => format!("422({least})"),
                                Ok(None) => "nothing".into(),
                                Ok(Some(Agreed { seconds, refresher })) => format!("{seconds} {refresher:?}"),
                            }
                        });
                        table += &format!("{head}: {}\n", answers.join(", "));
                    }
                }
            }
        }
        assert_eq!(table, include_str!("terms_table.txt"), "\n{table}");
    }

    #[test]
    fn a_refusal_is_followed_a_bounded_number_of_times() {
        let interval = Interval::default();
        assert_eq!(interval.after_refusal(Some(90), 91), Some(91));
        assert_eq!(interval.after_refusal(Some(91), 92), None);
        assert_eq!(interval.after_refusal(Some(91), 182), Some(182));
        assert_eq!(interval.after_refusal(Some(182), 182), None);
        assert_eq!(interval.after_refusal(Some(90), u32::MAX), None);
        assert_eq!(interval.after_refusal(None, 0), None);
    }

    #[test]
    fn refreshes_come_at_half_the_time_and_the_end_before_the_whole() {
        let at = |seconds| {
            let agreed = Agreed { seconds, refresher: Refresher::Uac };
            (agreed.refresh_after().as_secs(), agreed.end_after().as_secs())
        };
        assert_eq!((at(90), at(1_800)), ((45, 60), (900, 1_768)));
    }
}
