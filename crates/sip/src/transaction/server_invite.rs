//! The INVITE server transaction: RFC 3261 17.2.1 (figure 7) as amended by RFC 6026 7.1 and 8.8.

use super::timers::Timers;
use std::time::Duration;

/// The state of an INVITE that we received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInvite {
    /// No final response yet.
    Proceeding {
        /// What the peer has heard.
        said: Said,
    },
    /// The user answered with a 2xx, which it retransmits itself until the ACK; the INVITE's retransmissions are absorbed.
    Accepted,
    /// The user answered with a 300-699, which is retransmitted until the ACK.
    Completed {
        /// Retransmissions so far.
        again: u8,
    },
    /// The ACK came; its retransmissions are absorbed.
    Confirmed,
    /// The end.
    Terminated,
}

/// What the peer has heard of an INVITE without a final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// A provisional response.
    Provisional,
}

/// The timers of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The user is slow: the peer gets a 100.
    Trying,
    /// Retransmission.
    G,
    /// No ACK comes.
    H,
    /// Retransmissions of the ACK have ceased.
    I,
    /// Retransmissions of the accepted INVITE have ceased.
    L,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The INVITE came again.
    Invite,
    /// An ACK.
    Ack,
    /// The user responds with a 1xx.
    Provisional,
    /// The user responds with a 2xx.
    Success,
    /// The user responds with a 300-699.
    Failure,
    /// A response cannot be delivered.
    TransportError,
    /// A timer fired.
    Timer(Timer),
}

/// What is to be done, in order. Entering [`ServerInvite::Terminated`] stops all timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the latest response; before the user's first, that is the 100.
    Send,
    /// Refuse the user's response: it comes too late.
    Refuse,
    /// Pass the ACK to the user (RFC 6026 7.1).
    DeliverAck,
    /// Tell the user that its 300-699 was acknowledged.
    Acked,
    /// Tell the user that its 300-699 was not acknowledged.
    NoAck,
    /// Tell the user that a response could not be delivered.
    TransportFailed,
    /// Set a timer.
    Start(Timer),
    /// Take a timer back.
    Stop(Timer),
}

impl ServerInvite {
    /// The state after the INVITE has been passed to the user, and what to do at first; `trying`: send a 100 if the user is
    /// slow.
    pub fn start(trying: bool) -> (Self, &'static [Action]) {
        let state = Self::Proceeding { said: Said::Nothing };
        if trying { (state, &[Action::Start(Timer::Trying)]) } else { (state, &[]) }
    }

    /// One step.
    pub fn handle(&mut self, input: Input, reliable: bool) -> &'static [Action] {
        use Action::{Acked, DeliverAck, NoAck, Refuse, Send, Start, Stop, TransportFailed};
        let (next, actions): (Self, &'static [Action]) = match *self {
            Self::Proceeding { said } => match (input, said) {
                (Input::Invite, Said::Nothing) => (*self, &[]),
                (Input::Invite, Said::Provisional) => (*self, &[Send]),
                (Input::Ack, Said::Nothing | Said::Provisional) => (*self, &[]),
                (Input::Provisional, Said::Nothing) => {
                    (Self::Proceeding { said: Said::Provisional }, &[Stop(Timer::Trying), Send])
                }
                (Input::Provisional, Said::Provisional) => (*self, &[Send]),
                (Input::Success, Said::Nothing | Said::Provisional) => {
                    (Self::Accepted, &[Stop(Timer::Trying), Send, Start(Timer::L)])
                }
                (Input::Failure, Said::Nothing | Said::Provisional) => {
                    let next = Self::Completed { again: 0 };
                    if reliable {
                        (next, &[Stop(Timer::Trying), Send, Start(Timer::H)])
                    } else {
                        (next, &[Stop(Timer::Trying), Send, Start(Timer::G), Start(Timer::H)])
                    }
                }
                // RFC 6026 8.8: stay.
                (Input::TransportError, Said::Nothing | Said::Provisional) => (*self, &[TransportFailed]),
                (Input::Timer(Timer::Trying), Said::Nothing) => {
                    (Self::Proceeding { said: Said::Provisional }, &[Send])
                }
                (Input::Timer(Timer::Trying), Said::Provisional) => (*self, &[]),
                (
                    Input::Timer(Timer::G | Timer::H | Timer::I | Timer::L),
                    Said::Nothing | Said::Provisional,
                ) => (*self, &[]),
            },
            Self::Accepted => match input {
                Input::Ack => (Self::Accepted, &[DeliverAck]),
                // RFC 6026 7.1: the user's retransmission.
                Input::Success => (Self::Accepted, &[Send]),
                Input::Provisional | Input::Failure => (Self::Accepted, &[Refuse]),
                Input::TransportError => (Self::Accepted, &[TransportFailed]),
                Input::Timer(Timer::L) => (Self::Terminated, &[]),
                Input::Invite | Input::Timer(Timer::Trying | Timer::G | Timer::H | Timer::I) => {
                    (Self::Accepted, &[])
                }
            },
            Self::Completed { again } => match input {
                Input::Invite => (*self, &[Send]),
                Input::Ack => (Self::Confirmed, &[Stop(Timer::G), Stop(Timer::H), Acked, Start(Timer::I)]),
                Input::Provisional | Input::Success | Input::Failure => (*self, &[Refuse]),
                Input::TransportError => (*self, &[TransportFailed]),
                Input::Timer(Timer::G) => {
                    (Self::Completed { again: again.saturating_add(1) }, &[Send, Start(Timer::G)])
                }
                Input::Timer(Timer::H) => (Self::Terminated, &[NoAck]),
                Input::Timer(Timer::Trying | Timer::I | Timer::L) => (*self, &[]),
            },
            Self::Confirmed => match input {
                Input::Provisional | Input::Success | Input::Failure => (Self::Confirmed, &[Refuse]),
                Input::Timer(Timer::I) => (Self::Terminated, &[]),
                Input::Invite
                | Input::Ack
                | Input::TransportError
                | Input::Timer(Timer::Trying | Timer::G | Timer::H | Timer::L) => (Self::Confirmed, &[]),
            },
            Self::Terminated => match input {
                Input::Provisional | Input::Success | Input::Failure => (Self::Terminated, &[Refuse]),
                Input::Invite | Input::Ack | Input::TransportError | Input::Timer(_) => {
                    (Self::Terminated, &[])
                }
            },
        };
        *self = next;
        actions
    }

    /// How long `timer` runs if it is set in this state.
    pub fn length(&self, timer: Timer, timers: &Timers, reliable: bool) -> Duration {
        match timer {
            Timer::Trying => timers.trying.unwrap_or(Duration::MAX),
            Timer::G => match *self {
                Self::Completed { again } => timers.doubled_to_t2(again),
                Self::Proceeding { .. } | Self::Accepted | Self::Confirmed | Self::Terminated => timers.t1,
            },
            Timer::H | Timer::L => timers.lifetime(),
            Timer::I => timers.drain(reliable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::ServerInvite::*;
    use super::*;

    const QUIET: ServerInvite = Proceeding { said: Said::Nothing };
    const RINGING: ServerInvite = Proceeding { said: Said::Provisional };
    const STATES: [ServerInvite; 6] =
        [QUIET, RINGING, Accepted, Completed { again: 1 }, Confirmed, Terminated];
    const INPUTS: [Input; 11] = [
        Input::Invite,
        Input::Ack,
        Input::Provisional,
        Input::Success,
        Input::Failure,
        Input::TransportError,
        Input::Timer(Timer::Trying),
        Input::Timer(Timer::G),
        Input::Timer(Timer::H),
        Input::Timer(Timer::I),
        Input::Timer(Timer::L),
    ];
    const WAIT: &[Action] = &[Stop(Timer::Trying), Send, Start(Timer::G), Start(Timer::H)];

    /// Every transition over datagrams that does something; all others stay and do nothing.
    const TABLE: &[(ServerInvite, Input, ServerInvite, &[Action])] = &[
        (QUIET, Input::Provisional, RINGING, &[Stop(Timer::Trying), Send]),
        (QUIET, Input::Success, Accepted, &[Stop(Timer::Trying), Send, Start(Timer::L)]),
        (QUIET, Input::Failure, Completed { again: 0 }, WAIT),
        (QUIET, Input::TransportError, QUIET, &[TransportFailed]),
        (QUIET, Input::Timer(Timer::Trying), RINGING, &[Send]),
        (RINGING, Input::Invite, RINGING, &[Send]),
        (RINGING, Input::Provisional, RINGING, &[Send]),
        (RINGING, Input::Success, Accepted, &[Stop(Timer::Trying), Send, Start(Timer::L)]),
        (RINGING, Input::Failure, Completed { again: 0 }, WAIT),
        (RINGING, Input::TransportError, RINGING, &[TransportFailed]),
        (Accepted, Input::Ack, Accepted, &[DeliverAck]),
        (Accepted, Input::Provisional, Accepted, &[Refuse]),
        (Accepted, Input::Success, Accepted, &[Send]),
        (Accepted, Input::Failure, Accepted, &[Refuse]),
        (Accepted, Input::TransportError, Accepted, &[TransportFailed]),
        (Accepted, Input::Timer(Timer::L), Terminated, &[]),
        (Completed { again: 1 }, Input::Invite, Completed { again: 1 }, &[Send]),
        (
            Completed { again: 1 },
            Input::Ack,
            Confirmed,
            &[Stop(Timer::G), Stop(Timer::H), Acked, Start(Timer::I)],
        ),
        (Completed { again: 1 }, Input::Provisional, Completed { again: 1 }, &[Refuse]),
        (Completed { again: 1 }, Input::Success, Completed { again: 1 }, &[Refuse]),
        (Completed { again: 1 }, Input::Failure, Completed { again: 1 }, &[Refuse]),
        (Completed { again: 1 }, Input::TransportError, Completed { again: 1 }, &[TransportFailed]),
        (Completed { again: 1 }, Input::Timer(Timer::G), Completed { again: 2 }, &[Send, Start(Timer::G)]),
        (Completed { again: 1 }, Input::Timer(Timer::H), Terminated, &[NoAck]),
        (Confirmed, Input::Provisional, Confirmed, &[Refuse]),
        (Confirmed, Input::Success, Confirmed, &[Refuse]),
        (Confirmed, Input::Failure, Confirmed, &[Refuse]),
        (Confirmed, Input::Timer(Timer::I), Terminated, &[]),
        (Terminated, Input::Provisional, Terminated, &[Refuse]),
        (Terminated, Input::Success, Terminated, &[Refuse]),
        (Terminated, Input::Failure, Terminated, &[Refuse]),
    ];

    #[test]
    fn every_state_takes_every_input_as_drawn() {
        for reliable in [false, true] {
            let mut used = 0;
            for state in STATES {
                for input in INPUTS {
                    let row = TABLE.iter().find(|(from, on, ..)| (*from, *on) == (state, input));
                    used += usize::from(row.is_some());
                    let (next, actions) = row.map_or((state, [].as_slice()), |row| (row.2, row.3));
                    let expected: Vec<Action> = actions
                        .iter()
                        .copied()
                        .filter(|a| !(reliable && actions == WAIT && *a == Start(Timer::G)))
                        .collect();
                    let mut machine = state;
                    assert_eq!(machine.handle(input, reliable), expected, "{state:?} on {input:?}");
                    assert_eq!(machine, next, "{state:?} on {input:?}");
                }
            }
            assert_eq!(used, TABLE.len());
        }
    }

    #[test]
    fn a_user_that_answers_in_time_needs_no_100() {
        assert_eq!(ServerInvite::start(true), (QUIET, [Start(Timer::Trying)].as_slice()));
        assert_eq!(ServerInvite::start(false), (QUIET, [].as_slice()));
    }
}
