//! Why a call ended: from a SIP status, a Reason header field or a local cause to a disconnect mode (spec 2.6).

use hookswitch_spi::{Disconnect, DisconnectMode, EndedBy};

/// What the far end gave as reason (RFC 3326), already parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// `Q.850;cause=n`.
    pub(crate) q850: Option<u8>,
    /// `SIP;cause=n`.
    pub(crate) sip: Option<u16>,
    /// The first code of a Warning header field.
    pub(crate) warning: Option<u16>,
}

/// What a warning says that the status does not (RFC 3261 20.43).
const fn by_warning(code: u16) -> Option<DisconnectMode> {
    match code {
        // Insufficient bandwidth.
        370 => Some(DisconnectMode::QosUnavailable),
        _ => None,
    }
}

/// A phone that is not to be disturbed says so in words only.
fn do_not_disturb(status: u16, reason: &str) -> Option<DisconnectMode> {
    let words = reason.to_ascii_lowercase();
    let said = words.contains("do not disturb")
        || words.split(|c: char| !c.is_ascii_alphabetic()).any(|w| w == "dnd");
    (matches!(status, 480 | 486 | 600 | 603) && said).then_some(DisconnectMode::DoNotDisturb)
}

/// The end of an outgoing call by a final response. `alerted`: a 180 or 183 came before.
pub(crate) fn by_response(status: u16, reason: &str, given: Given, alerted: bool) -> Disconnect {
    let mode = given
        .q850
        .and_then(by_q850)
        .or_else(|| given.sip.filter(|status| *status >= 300).map(|status| by_status(status, alerted)))
        .or_else(|| given.warning.and_then(by_warning))
        .or_else(|| do_not_disturb(status, reason))
        .unwrap_or_else(|| by_status(status, alerted));
    Disconnect { mode, status: Some(status), q850: given.q850, reason: cut(reason), by: EndedBy::Peer }
}

/// The end of a connected call by a BYE.
pub(crate) fn by_bye(given: Given, text: &str) -> Disconnect {
    let mode = given
        .q850
        .and_then(by_q850)
        .or_else(|| given.sip.filter(|status| *status >= 300).map(|status| by_status(status, true)))
        .unwrap_or(DisconnectMode::Normal);
    Disconnect { mode, status: given.sip, q850: given.q850, reason: cut(text), by: EndedBy::Peer }
}

/// The end of an offered call by a CANCEL.
pub(crate) fn by_cancel(given: Given, text: &str) -> Disconnect {
    // An ordinary end, or one of which the switch knows no cause (127), says no more than that the caller gave up.
    let says_more =
        |mode: &DisconnectMode| !matches!(mode, DisconnectMode::Normal | DisconnectMode::Unavailable);
    let q850 = given.q850.and_then(by_q850).filter(says_more);
    let mode = q850.unwrap_or(match given.sip {
        Some(200) => DisconnectMode::Pickup,
        Some(300..=399) => DisconnectMode::Forwarded,
        Some(600 | 603 | 607) => DisconnectMode::Reject,
        Some(_) | None => DisconnectMode::Cancelled,
    });
    Disconnect { mode, status: Some(487), q850: given.q850, reason: cut(text), by: EndedBy::Peer }
}

/// A reason phrase is for people: what does not fit a line of a ladder is cut.
fn cut(text: &str) -> Box<str> {
    text.chars().filter(|c| !c.is_control()).take(80).collect::<String>().into()
}

/// The mode of a final SIP status.
pub(crate) fn by_status(status: u16, alerted: bool) -> DisconnectMode {
    use DisconnectMode as M;
    match status {
        603 | 607 => M::Reject,
        301 | 410 => M::NumberChanged,
        300 | 302 | 305 | 380 => M::Forwarded,
        486 | 600 => M::Busy,
        408 | 480 if alerted => M::NoAnswer,
        487 => M::Cancelled,
        404 | 416 | 484 | 485 | 604 => M::BadAddress,
        408 | 430 | 480 | 482 | 483 | 504 => M::Unreachable,
        503 => M::Congestion,
        406 | 415 | 420 | 421 | 488 | 493 | 494 | 501 | 505 | 513 | 606 => M::Incompatible,
        502 => M::OutOfOrder,
        500 | 481 => M::TemporaryFailure,
        580 => M::QosUnavailable,
        401 | 402 | 403 | 407 | 433 | 608 => M::Blocked,
        _ => M::Unknown,
    }
}

/// The mode of a Q.850 cause; `None` for causes that say nothing more than the status does.
pub(crate) fn by_q850(cause: u8) -> Option<DisconnectMode> {
    use DisconnectMode as M;
    Some(match cause {
        16 | 31 => M::Normal,
        21 => M::Reject,
        26 => M::Pickup,
        17 => M::Busy,
        18 | 19 => M::NoAnswer,
        1 | 28 => M::BadAddress,
        2 | 3 | 20 => M::Unreachable,
        34 | 42 | 44 => M::Congestion,
        55 | 57 | 58 | 65 | 69 | 79 | 88 => M::Incompatible,
        22 => M::NumberChanged,
        27 | 38 => M::OutOfOrder,
        41 | 102 => M::TemporaryFailure,
        49 => M::QosUnavailable,
        52 | 54 => M::Blocked,
        127 => M::Unavailable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DisconnectMode as M;

    #[test]
    fn every_row_of_the_table() {
        for (status, alerted, mode) in [
            (603, false, M::Reject),
            (607, false, M::Reject),
            (302, false, M::Forwarded),
            (380, false, M::Forwarded),
            (486, true, M::Busy),
            (600, false, M::Busy),
            (408, true, M::NoAnswer),
            (480, true, M::NoAnswer),
            (404, false, M::BadAddress),
            (416, false, M::BadAddress),
            (484, false, M::BadAddress),
            (485, false, M::BadAddress),
            (604, false, M::BadAddress),
            (408, false, M::Unreachable),
            (430, false, M::Unreachable),
            (480, false, M::Unreachable),
            (482, false, M::Unreachable),
            (483, false, M::Unreachable),
            (504, false, M::Unreachable),
            (503, false, M::Congestion),
            (488, false, M::Incompatible),
            (415, false, M::Incompatible),
            (606, false, M::Incompatible),
            (301, false, M::NumberChanged),
            (410, false, M::NumberChanged),
            (502, false, M::OutOfOrder),
            (500, false, M::TemporaryFailure),
            (580, false, M::QosUnavailable),
            (403, false, M::Blocked),
            (433, false, M::Blocked),
            (608, false, M::Blocked),
            (499, false, M::Unknown),
        ] {
            assert_eq!(by_status(status, alerted), mode, "{status}");
        }
    }

    #[test]
    fn q850_wins_over_the_status() {
        let end =
            by_response(503, "Service Unavailable", Given { q850: Some(17), ..Given::default() }, false);
        assert_eq!((end.mode, end.status, end.q850), (M::Busy, Some(503), Some(17)));
        let end = by_response(480, "", Given { q850: Some(99), sip: Some(486), warning: None }, false);
        assert_eq!(end.mode, M::Busy, "an unmapped cause leaves the decision to the next source");
    }

    #[test]
    fn cancel_says_where_the_call_went() {
        assert_eq!(by_cancel(Given { sip: Some(200), ..Given::default() }, "").mode, M::Pickup);
        assert_eq!(by_cancel(Given { sip: Some(302), ..Given::default() }, "").mode, M::Forwarded);
        assert_eq!(by_cancel(Given::default(), "").mode, M::Cancelled);
        for (q850, mode) in [(16, M::Cancelled), (127, M::Cancelled), (26, M::Pickup), (17, M::Busy)] {
            assert_eq!(by_cancel(Given { q850: Some(q850), ..Given::default() }, "").mode, mode, "{q850}");
        }
    }
}
