//! The Subscription-State header (RFC 6665 8.2.3, 4.1.3).

use crate::cause::lex;
use std::fmt;

/// The value of a Subscription-State header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState<'a> {
    /// `active`, or a state we do not know: it goes on.
    Active {
        /// For how many seconds.
        expires: Option<u32>,
    },
    /// `pending`: waiting for somebody's consent.
    Pending {
        /// For how many seconds.
        expires: Option<u32>,
    },
    /// `terminated`.
    Terminated {
        /// Why: `noresource`, `timeout`, `rejected`, ...
        reason: Option<&'a str>,
        /// In how many seconds to subscribe again, if that is worth trying.
        retry_after: Option<u32>,
    },
}

/// Why a notifier ended a subscription (RFC 6665 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Subscribe again at once: another notifier takes over.
    Deactivated,
    /// Not now; subscribe again later.
    Probation,
    /// Not allowed: do not subscribe again.
    Rejected,
    /// It ran out: subscribe again if it is still wanted.
    Timeout,
    /// Consent was not had in time; subscribe again later.
    GiveUp,
    /// What was watched does not exist any more: do not subscribe again.
    NoResource,
    /// What was watched does not change: do not subscribe again.
    Invariant,
    /// No reason, or one we do not know: as [`Timeout`](Self::Timeout).
    Unspecified,
}

impl EndReason {
    const ALL: [Self; 7] = [
        Self::Deactivated,
        Self::Probation,
        Self::Rejected,
        Self::Timeout,
        Self::GiveUp,
        Self::NoResource,
        Self::Invariant,
    ];

    /// The reason of this name.
    pub fn of(name: Option<&str>) -> Self {
        let same = |reason: &Self| {
            name.is_some_and(|name| reason.name().is_some_and(|own| own.eq_ignore_ascii_case(name)))
        };
        Self::ALL.into_iter().find(same).unwrap_or(Self::Unspecified)
    }

    /// The name on the wire.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Deactivated => Some("deactivated"),
            Self::Probation => Some("probation"),
            Self::Rejected => Some("rejected"),
            Self::Timeout => Some("timeout"),
            Self::GiveUp => Some("giveup"),
            Self::NoResource => Some("noresource"),
            Self::Invariant => Some("invariant"),
            Self::Unspecified => None,
        }
    }
}

impl<'a> SubscriptionState<'a> {
    /// Terminated for this reason.
    pub const fn ended(reason: EndReason) -> Self {
        Self::Terminated { reason: reason.name(), retry_after: None }
    }

    /// Reads the header's value.
    pub fn parse(value: &'a str) -> Self {
        let mut parts = lex::split(value, b';');
        let state = parts.next().unwrap_or("");
        let parameter = |wanted: &str| {
            let mut found = lex::split(value, b';').skip(1).map(lex::parameter);
            found.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).and_then(|(_, value)| value)
        };
        let seconds = |wanted: &str| parameter(wanted).and_then(seconds);
        if state.eq_ignore_ascii_case("terminated") {
            let reason = parameter("reason").filter(|reason| lex::is_token(reason));
            Self::Terminated { reason, retry_after: seconds("retry-after") }
        } else if state.eq_ignore_ascii_case("pending") {
            Self::Pending { expires: seconds("expires") }
        } else {
            Self::Active { expires: seconds("expires") }
        }
    }
}

/// delta-seconds have any length (RFC 3261 25.1); what does not fit is long.
fn seconds(digits: &str) -> Option<u32> {
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(u32::MAX))
}

impl fmt::Display for SubscriptionState<'_> {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, expires) = match self {
            Self::Active { expires } => ("active", expires),
            Self::Pending { expires } => ("pending", expires),
            Self::Terminated { reason, retry_after } => {
                f.write_str("terminated")?;
                if let Some(reason) = reason {
                    write!(f, ";reason={reason}")?;
                }
                return retry_after.map_or(Ok(()), |seconds| write!(f, ";retry-after={seconds}"));
            }
        };
        f.write_str(state)?;
        expires.map_or(Ok(()), |seconds| write!(f, ";expires={seconds}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_and_written() {
        for (value, state) in [
            ("active;expires=60", SubscriptionState::Active { expires: Some(60) }),
            ("active", SubscriptionState::Active { expires: None }),
            ("pending;expires=3600", SubscriptionState::Pending { expires: Some(3_600) }),
            ("terminated", SubscriptionState::Terminated { reason: None, retry_after: None }),
            ("terminated;reason=noresource", SubscriptionState::ended(EndReason::NoResource)),
            (
                "terminated;reason=probation;retry-after=600",
                SubscriptionState::Terminated { reason: Some("probation"), retry_after: Some(600) },
            ),
        ] {
            assert_eq!(SubscriptionState::parse(value), state);
            assert_eq!(state.to_string(), value);
        }
    }

    #[test]
    fn sloppy_and_unknown_states_have_a_plain_meaning() {
        for (value, state) in [
            ("", SubscriptionState::Active { expires: None }),
            (" Active ; Expires = 5 ", SubscriptionState::Active { expires: Some(5) }),
            ("active;expires=99999999999", SubscriptionState::Active { expires: Some(u32::MAX) }),
            ("active;expires=-1", SubscriptionState::Active { expires: None }),
            ("dormant;expires=7", SubscriptionState::Active { expires: Some(7) }),
            ("TERMINATED;reason=\"x y\"", SubscriptionState::Terminated { reason: None, retry_after: None }),
        ] {
            assert_eq!(SubscriptionState::parse(value), state, "{value}");
        }
    }

    #[test]
    fn reasons_have_their_names() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::of(reason.name()), reason);
        }
        assert_eq!(EndReason::of(Some("NoResource")), EndReason::NoResource);
        assert_eq!(EndReason::of(Some("whim")), EndReason::Unspecified);
        assert_eq!(EndReason::of(None), EndReason::Unspecified);
    }
}
