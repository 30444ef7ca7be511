//! The History-Info header (RFC 7044, RFC 4244 before it): every target a call had, and why it left it.

use super::diversion::DiversionReason;
use super::party::{Party, Presentation};
use super::reason::{Protocol, Reason};
use crate::message::NameAddr;

/// One target of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The target.
    pub party: Party,
    /// Its place in the tree, such as `1.2`; empty if none is given.
    pub index: String,
    /// Why the call came here, if by diversion: the `cause` of the URI (RFC 4458).
    pub cause: Option<u16>,
    /// The SIP status with which the call left here (Reason in the URI).
    pub left_with: Option<u16>,
    /// The entry that this one was mapped from, to another user: a diversion (RFC 7044 5.3 `mp`).
    pub mapped_from: Option<String>,
}

impl HistoryEntry {
    /// Reads one value; `None` if it is no address.
    pub fn parse(value: &str) -> Option<Self> {
        let address = NameAddr::parse(value).ok()?;
        let uri = address.uri();
        let reason = uri.header("Reason");
        let left_with = reason.as_deref().and_then(Reason::parse).filter(|r| r.protocol == Protocol::Sip);
        let private = uri.header("Privacy").is_some_and(|p| is_private(&p));
        let text = |name: &str| address.params().get(name).map(str::to_owned);
        Some(Self {
            party: if private { Party::hidden(Presentation::Blocked) } else { Party::of(&address) },
            index: text("index").unwrap_or_default(),
            cause: uri.params().get("cause").and_then(|digits| digits.parse().ok()),
            left_with: left_with.and_then(|r| r.cause),
            mapped_from: text("mp"),
        })
    }

    /// The diverter and the reason of the last diversion that these entries, in their order, tell of.
    pub(super) fn last_diversion(entries: &[Self]) -> Option<(&Self, DiversionReason)> {
        let diverted =
            entries.iter().enumerate().rev().find(|(_, e)| e.mapped_from.is_some() || e.cause.is_some());
        if let Some((at, entry)) = diverted {
            let mapped =
                entry.mapped_from.as_ref().and_then(|from| entries.iter().find(|e| e.index == *from));
            let before = || at.checked_sub(1).and_then(|before| entries.get(before));
            let diverter = mapped.or_else(before)?;
            let cause = entry.cause.or(diverter.left_with);
            return Some((diverter, cause.map_or(DiversionReason::Unknown, DiversionReason::from_cause)));
        }
        // RFC 4244: only the Reason of the target that was left tells; the last entry is where the call is now.
        let (_, left) = entries.split_last()?;
        let diverter = left.iter().rev().find(|e| e.left_with.is_some())?;
        Some((diverter, diverter.left_with.map_or(DiversionReason::Unknown, DiversionReason::from_cause)))
    }

    /// How many diversions these entries tell of.
    pub(super) fn diversions(entries: &[Self]) -> usize {
        let told = entries.iter().filter(|e| e.mapped_from.is_some() || e.cause.is_some()).count();
        if told > 0 {
            told
        } else {
            entries.split_last().map_or(0, |(_, left)| left.iter().filter(|e| e.left_with.is_some()).count())
        }
    }
}

/// Whether a Privacy value asks not to show history or identity (RFC 7044 10.1.2, RFC 3323 4.2).
fn is_private(value: &str) -> bool {
    let wanted = ["history", "header", "session", "user", "id"];
    value.split([';', ',']).any(|token| wanted.iter().any(|w| w.eq_ignore_ascii_case(token.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(values: &[&str]) -> Vec<HistoryEntry> {
        values.iter().filter_map(|v| HistoryEntry::parse(v)).collect()
    }

    #[test]
    fn an_entry_is_read() {
        let got =
            HistoryEntry::parse("\"B\" <sip:bob@b.com;cause=302?Reason=SIP%3Bcause%3D486>;index=1.2;mp=1")
                .unwrap();
        assert_eq!((got.index.as_str(), got.cause, got.left_with), ("1.2", Some(302), Some(486)));
        assert_eq!((got.mapped_from.as_deref(), got.party.name.as_deref()), (Some("1"), Some("B")));
        let hidden =
            HistoryEntry::parse("<sip:bob@b.com?Privacy=history&Reason=Q.850%3Bcause%3D17>;index=1").unwrap();
        assert_eq!((hidden.party.presentation, hidden.left_with), (Presentation::Blocked, None));
        assert_eq!(HistoryEntry::parse("junk <"), None);
    }

    #[test]
    fn the_last_diversion_is_found_in_old_and_new_entries() {
        use DiversionReason::{Busy, NoAnswer, Unconditional, Unknown};
        type Case<'a> = (&'a [&'a str], Option<(&'a str, DiversionReason)>, usize);
        let cases: [Case<'_>; 7] = [
            (&[], None, 0),
            (&["<sip:a@x>;index=1"], None, 0),
            (&["<sip:a@x>;index=1", "<sip:a@phone>;index=1.1;rc=1"], None, 0),
            (
                &["<sip:a@x>;index=1", "<sip:b@x;cause=302>;index=1.1;mp=1"],
                Some(("sip:a@x", Unconditional)),
                1,
            ),
            (
                &[
                    "<sip:a@x>;index=1",
                    "<sip:a@phone?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1",
                    "<sip:b@x;cause=486>;index=1.2;mp=1.1",
                ],
                Some(("sip:a@phone", Busy)),
                1,
            ),
            (
                &[
                    "<sip:a@x?Reason=SIP%3Bcause%3D302>;index=1",
                    "<sip:b@x?Reason=SIP%3Bcause%3D408>;index=1.1",
                    "<sip:c@x>;index=1.2",
                ],
                Some(("sip:b@x", NoAnswer)),
                2,
            ),
            (&["<sip:a@x>;index=1", "<sip:b@x>;index=1.1;mp=9"], Some(("sip:a@x", Unknown)), 1),
        ];
        for (values, expected, count) in cases {
            let entries = entries(values);
            let got = HistoryEntry::last_diversion(&entries)
                .map(|(e, r)| (e.party.address.as_deref().unwrap_or(""), r));
            assert_eq!(got, expected, "{values:?}");
            assert_eq!(HistoryEntry::diversions(&entries), count, "{values:?}");
        }
    }

    #[test]
    fn a_diversion_without_a_diverter_is_none() {
        assert_eq!(HistoryEntry::last_diversion(&entries(&["<sip:a@x;cause=302>;index=1"])), None);
    }
}
