//! The INVITE client transaction: RFC 3261 17.1.1 (figure 5) as amended by RFC 6026 8.4, and the cancelling of RFC 3261 9.1.

use super::timers::Timers;
use std::time::Duration;

/// The state of an INVITE that we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientInvite {
    /// Nothing has been heard; the request is retransmitted.
    Calling {
        /// Retransmissions so far.
        again: u8,
        /// What the user wants of it.
        intent: Intent,
    },
    /// A provisional response came.
    Proceeding {
        /// What the user wants of it; [`Intent::Cancel`]: the CANCEL is out.
        intent: Intent,
    },
    /// A 300-699 came and was acknowledged; its retransmissions are acknowledged too.
    Completed,
    /// A 2xx came; further 2xx go to the user (RFC 6026 7.2).
    Accepted,
    /// The end.
    Terminated,
}

/// What the user wants of an INVITE without a final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A call.
    Proceed,
    /// No call any more: CANCEL, as soon as a provisional response permits it (RFC 3261 9.1).
    Cancel,
}

/// The timers of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Retransmission.
    A,
    /// Nobody answers.
    B,
    /// Retransmissions of the 300-699 have ceased.
    D,
    /// Retransmissions and forks of the 2xx have ceased.
    M,
    /// A cancelled INVITE that gets no final response is given up (RFC 3261 9.1).
    Cancelled,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A 1xx.
    Provisional,
    /// A 2xx.
    Success,
    /// A 300-699.
    Failure,
    /// The user does not want the call any more.
    Cancel,
    /// The request cannot be delivered.
    TransportError,
    /// A timer fired.
    Timer(Timer),
}

/// What is to be done, in order. Entering [`ClientInvite::Terminated`] stops all timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the INVITE.
    Send,
    /// Send the ACK for the response at hand (RFC 3261 17.1.1.3).
    SendAck,
    /// Send a CANCEL (RFC 3261 9.1).
    SendCancel,
    /// Pass the response to the user.
    Deliver,
    /// Pass the response to the user as one that no transaction waits for: a late fork accepted.
    DeliverStray,
    /// Tell the user that there is no final response.
    TimedOut,
    /// Tell the user that the request could not be delivered.
    TransportFailed,
    /// Set a timer.
    Start(Timer),
    /// Take a timer back.
    Stop(Timer),
}

impl ClientInvite {
    /// The state after sending, and what to do at first.
    pub fn start(reliable: bool) -> (Self, &'static [Action]) {
        use Action::{Send, Start};
        let state = Self::Calling { again: 0, intent: Intent::Proceed };
        if reliable {
            (state, &[Send, Start(Timer::B)])
        } else {
            (state, &[Send, Start(Timer::A), Start(Timer::B)])
        }
    }

    /// One step.
    pub fn handle(&mut self, input: Input) -> &'static [Action] {
        use Action::{
            Deliver, DeliverStray, Send, SendAck, SendCancel, Start, Stop, TimedOut, TransportFailed,
        };
        let (next, actions): (Self, &'static [Action]) = match *self {
            Self::Calling { again, intent } => match (input, intent) {
                (Input::Provisional, Intent::Proceed) => {
                    (Self::Proceeding { intent }, &[Stop(Timer::A), Stop(Timer::B), Deliver])
                }
                (Input::Provisional, Intent::Cancel) => (
                    Self::Proceeding { intent },
                    &[Stop(Timer::A), Stop(Timer::B), SendCancel, Start(Timer::Cancelled), Deliver],
                ),
                (Input::Success, Intent::Proceed | Intent::Cancel) => {
                    (Self::Accepted, &[Stop(Timer::A), Stop(Timer::B), Start(Timer::M), Deliver])
                }
                (Input::Failure, Intent::Proceed | Intent::Cancel) => {
                    (Self::Completed, &[Stop(Timer::A), Stop(Timer::B), SendAck, Start(Timer::D), Deliver])
                }
                // Retransmission goes on: only a provisional response permits the CANCEL.
                (Input::Cancel, Intent::Proceed | Intent::Cancel) => {
                    (Self::Calling { again, intent: Intent::Cancel }, &[])
                }
                (Input::TransportError, Intent::Proceed | Intent::Cancel) => {
                    (Self::Terminated, &[TransportFailed])
                }
                (Input::Timer(Timer::A), Intent::Proceed | Intent::Cancel) => {
                    (Self::Calling { again: again.saturating_add(1), intent }, &[Send, Start(Timer::A)])
                }
                (Input::Timer(Timer::B), Intent::Proceed | Intent::Cancel) => (Self::Terminated, &[TimedOut]),
                (Input::Timer(Timer::D | Timer::M | Timer::Cancelled), Intent::Proceed | Intent::Cancel) => {
                    (*self, &[])
                }
            },
            Self::Proceeding { intent } => match (input, intent) {
                (Input::Provisional, Intent::Proceed | Intent::Cancel) => (*self, &[Deliver]),
                (Input::Success, Intent::Proceed) => (Self::Accepted, &[Start(Timer::M), Deliver]),
                (Input::Success, Intent::Cancel) => {
                    (Self::Accepted, &[Stop(Timer::Cancelled), Start(Timer::M), Deliver])
                }
                (Input::Failure, Intent::Proceed) => (Self::Completed, &[SendAck, Start(Timer::D), Deliver]),
                (Input::Failure, Intent::Cancel) => {
                    (Self::Completed, &[Stop(Timer::Cancelled), SendAck, Start(Timer::D), Deliver])
                }
                (Input::Cancel, Intent::Proceed) => {
                    (Self::Proceeding { intent: Intent::Cancel }, &[SendCancel, Start(Timer::Cancelled)])
                }
                (Input::Cancel, Intent::Cancel) => (*self, &[]),
                // The request was delivered; the response can come another way (RFC 3261 18.2.2).
                (Input::TransportError, Intent::Proceed | Intent::Cancel) => (*self, &[]),
                (Input::Timer(Timer::Cancelled), Intent::Cancel) => (Self::Terminated, &[TimedOut]),
                (Input::Timer(Timer::Cancelled), Intent::Proceed) => (*self, &[]),
                (
                    Input::Timer(Timer::A | Timer::B | Timer::D | Timer::M),
                    Intent::Proceed | Intent::Cancel,
                ) => (*self, &[]),
            },
            Self::Completed => match input {
                Input::Failure => (Self::Completed, &[SendAck]),
                // A proxy forwards every 2xx, even after a failure (RFC 3261 16.7): somebody waits for an ACK and a BYE.
                Input::Success => (Self::Completed, &[DeliverStray]),
                // Only an ACK can have failed; the user has its final response.
                Input::TransportError | Input::Timer(Timer::D) => (Self::Terminated, &[]),
                Input::Provisional
                | Input::Cancel
                | Input::Timer(Timer::A | Timer::B | Timer::M | Timer::Cancelled) => (Self::Completed, &[]),
            },
            Self::Accepted => match input {
                Input::Success => (Self::Accepted, &[Deliver]),
                Input::Timer(Timer::M) => (Self::Terminated, &[]),
                Input::Provisional
                | Input::Failure
                | Input::Cancel
                | Input::TransportError
                | Input::Timer(Timer::A | Timer::B | Timer::D | Timer::Cancelled) => (Self::Accepted, &[]),
            },
            Self::Terminated => (Self::Terminated, &[]),
        };
        *self = next;
        actions
    }

    /// How long `timer` runs if it is set in this state.
    pub fn length(&self, timer: Timer, timers: &Timers, reliable: bool) -> Duration {
        match timer {
            Timer::A => match *self {
                Self::Calling { again, .. } => timers.doubled(again),
                Self::Proceeding { .. } | Self::Completed | Self::Accepted | Self::Terminated => timers.t1,
            },
            Timer::B | Timer::M | Timer::Cancelled => timers.lifetime(),
            Timer::D => timers.absorb(reliable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::ClientInvite::*;
    use super::Intent::*;
    use super::*;

    const STATES: [ClientInvite; 7] = [
        Calling { again: 2, intent: Proceed },
        Calling { again: 2, intent: Intent::Cancel },
        Proceeding { intent: Proceed },
        Proceeding { intent: Intent::Cancel },
        Completed,
        Accepted,
        Terminated,
    ];
    const INPUTS: [Input; 10] = [
        Input::Provisional,
        Input::Success,
        Input::Failure,
        Input::Cancel,
        Input::TransportError,
        Input::Timer(Timer::A),
        Input::Timer(Timer::B),
        Input::Timer(Timer::D),
        Input::Timer(Timer::M),
        Input::Timer(Timer::Cancelled),
    ];

    /// Every transition that does something; all others stay and do nothing.
    const TABLE: &[(ClientInvite, Input, ClientInvite, &[Action])] = &[
        (STATES[0], Input::Provisional, STATES[2], &[Stop(Timer::A), Stop(Timer::B), Deliver]),
        (STATES[0], Input::Success, Accepted, &[Stop(Timer::A), Stop(Timer::B), Start(Timer::M), Deliver]),
        (
            STATES[0],
            Input::Failure,
            Completed,
            &[Stop(Timer::A), Stop(Timer::B), SendAck, Start(Timer::D), Deliver],
        ),
        (STATES[0], Input::Cancel, STATES[1], &[]),
        (STATES[0], Input::TransportError, Terminated, &[TransportFailed]),
        (STATES[0], Input::Timer(Timer::A), Calling { again: 3, intent: Proceed }, &[Send, Start(Timer::A)]),
        (STATES[0], Input::Timer(Timer::B), Terminated, &[TimedOut]),
        (
            STATES[1],
            Input::Provisional,
            STATES[3],
            &[Stop(Timer::A), Stop(Timer::B), SendCancel, Start(Timer::Cancelled), Deliver],
        ),
        (STATES[1], Input::Success, Accepted, &[Stop(Timer::A), Stop(Timer::B), Start(Timer::M), Deliver]),
        (
            STATES[1],
            Input::Failure,
            Completed,
            &[Stop(Timer::A), Stop(Timer::B), SendAck, Start(Timer::D), Deliver],
        ),
        (STATES[1], Input::TransportError, Terminated, &[TransportFailed]),
        (
            STATES[1],
            Input::Timer(Timer::A),
            Calling { again: 3, intent: Intent::Cancel },
            &[Send, Start(Timer::A)],
        ),
        (STATES[1], Input::Timer(Timer::B), Terminated, &[TimedOut]),
        (STATES[2], Input::Provisional, STATES[2], &[Deliver]),
        (STATES[2], Input::Success, Accepted, &[Start(Timer::M), Deliver]),
        (STATES[2], Input::Failure, Completed, &[SendAck, Start(Timer::D), Deliver]),
        (STATES[2], Input::Cancel, STATES[3], &[SendCancel, Start(Timer::Cancelled)]),
        (STATES[3], Input::Provisional, STATES[3], &[Deliver]),
        (STATES[3], Input::Success, Accepted, &[Stop(Timer::Cancelled), Start(Timer::M), Deliver]),
        (STATES[3], Input::Failure, Completed, &[Stop(Timer::Cancelled), SendAck, Start(Timer::D), Deliver]),
        (STATES[3], Input::Timer(Timer::Cancelled), Terminated, &[TimedOut]),
        (Completed, Input::Failure, Completed, &[SendAck]),
        (Completed, Input::Success, Completed, &[DeliverStray]),
        (Completed, Input::TransportError, Terminated, &[]),
        (Completed, Input::Timer(Timer::D), Terminated, &[]),
        (Accepted, Input::Success, Accepted, &[Deliver]),
        (Accepted, Input::Timer(Timer::M), Terminated, &[]),
    ];

    #[test]
    fn every_state_takes_every_input_as_drawn() {
        let mut used = 0;
        for state in STATES {
            for input in INPUTS {
                let row = TABLE.iter().find(|(from, on, ..)| (*from, *on) == (state, input));
                used += usize::from(row.is_some());
                let (next, actions) = row.map_or((state, [].as_slice()), |row| (row.2, row.3));
                let mut machine = state;
                assert_eq!(machine.handle(input), actions, "{state:?} on {input:?}");
                assert_eq!(machine, next, "{state:?} on {input:?}");
            }
        }
        assert_eq!(used, TABLE.len());
    }

    #[test]
    fn only_datagrams_are_retransmitted() {
        assert_eq!(ClientInvite::start(true).1, [Send, Start(Timer::B)]);
        assert_eq!(ClientInvite::start(false).1, [Send, Start(Timer::A), Start(Timer::B)]);
    }

    #[test]
    fn seven_invites_are_sent_before_the_end() {
        let timers = Timers::default();
        let (mut machine, _) = ClientInvite::start(false);
        let mut sent_at = vec![Duration::ZERO];
        let mut now = machine.length(Timer::A, &timers, false);
        while now < machine.length(Timer::B, &timers, false) {
            machine.handle(Input::Timer(Timer::A));
            sent_at.push(now);
            now += machine.length(Timer::A, &timers, false);
        }
        let millis: Vec<u128> = sent_at.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    }
}
