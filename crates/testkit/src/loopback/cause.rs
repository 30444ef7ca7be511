//! How a call ends that was not set up: from SIP statuses and Reason values to disconnect modes (spec 2.6).

use hookswitch_spi::{Disconnect, DisconnectMode, EndedBy};

/// A refusal as the calling side gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The SIP status.
    pub status: u16,
    /// `Reason: Q.850;cause=`.
    pub q850: Option<u8>,
    /// `Reason: SIP;cause=`.
    pub sip_cause: Option<u16>,
    /// It is the doing of a do-not-disturb rule.
    pub do_not_disturb: bool,
}

impl Refusal {
    /// With nothing but a status.
    pub const fn with(status: u16) -> Self {
        Self { status, q850: None, sip_cause: None, do_not_disturb: false }
    }

    /// Its mode; `alerted`: the called party had been alerted before.
    pub fn mode(&self, alerted: bool) -> DisconnectMode {
        if self.do_not_disturb {
            return DisconnectMode::DoNotDisturb;
        }
        let by_q850 = self.q850.and_then(of_q850);
        let by_cause = || self.sip_cause.map(|cause| of_status(cause, alerted));
        by_q850.or_else(by_cause).unwrap_or_else(|| of_status(self.status, alerted))
    }

    /// How a caller gives up that says so: `Reason` header fields without a status.
    pub fn given_up(&self) -> Disconnect {
        let said = self.q850.is_some() || self.sip_cause.is_some();
        let mode = if said { self.mode(false) } else { DisconnectMode::Cancelled };
        Disconnect { q850: self.q850, ..Disconnect::new(mode, EndedBy::Peer, "") }
    }

    /// The end that it is.
    pub fn end(&self, alerted: bool) -> Disconnect {
        Disconnect {
            status: Some(self.status),
            q850: self.q850,
            ..Disconnect::new(self.mode(alerted), EndedBy::Peer, "")
        }
    }
}

/// The mode of a final status.
fn of_status(status: u16, alerted: bool) -> DisconnectMode {
    use DisconnectMode as M;
    match status {
        200 => M::Pickup,
        486 | 600 => M::Busy,
        603 | 607 => M::Reject,
        301 | 410 => M::NumberChanged,
        300 | 302 | 305 | 380 => M::Forwarded,
        408 | 480 | 487 if alerted => M::NoAnswer,
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

/// The mode of a Q.850 cause, if it says anything.
fn of_q850(cause: u8) -> Option<DisconnectMode> {
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
    fn q850_goes_before_the_sip_cause_and_that_before_the_status() {
        let rows = [
            (486, None, None, M::Busy),
            (486, None, Some(603), M::Reject),
            (486, Some(1), Some(603), M::BadAddress),
            (503, Some(200), None, M::Congestion),
            (480, None, None, M::Unreachable),
        ];
        for (status, q850, sip_cause, mode) in rows {
            let refusal = Refusal { status, q850, sip_cause, do_not_disturb: false };
            assert_eq!(refusal.mode(false), mode, "{refusal:?}");
        }
        assert_eq!(Refusal::with(480).mode(true), M::NoAnswer);
    }
}
