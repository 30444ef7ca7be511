//! The non-INVITE client transaction: RFC 3261 17.1.2 (figure 6).

use super::timers::Timers;
use std::time::Duration;

/// The state of a request other than INVITE and ACK that we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientNonInvite {
    /// Nothing has been heard; the request is retransmitted.
    Trying {
        /// Retransmissions so far.
        again: u8,
    },
    /// A provisional response came; the request is retransmitted every T2.
    Proceeding,
    /// The final response came; its retransmissions are absorbed.
    Completed,
    /// The end.
    Terminated,
}

/// The timers of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Retransmission.
    E,
    /// Nobody answers.
    F,
    /// Retransmissions of the response have ceased.
    K,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A 1xx.
    Provisional,
    /// A 200-699.
    Final,
    /// The request cannot be delivered.
    TransportError,
    /// A timer fired.
    Timer(Timer),
}

/// What is to be done, in order. Entering [`ClientNonInvite::Terminated`] stops all timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request.
    Send,
    /// Pass the response to the user.
    Deliver,
    /// Tell the user that there is no final response.
    TimedOut,
    /// Tell the user that the request could not be delivered.
    TransportFailed,
    /// Set a timer.
    Start(Timer),
    /// Take a timer back.
    Stop(Timer),
}

impl ClientNonInvite {
    /// The state after sending, and what to do at first.
    pub fn start(reliable: bool) -> (Self, &'static [Action]) {
        use Action::{Send, Start};
        let state = Self::Trying { again: 0 };
        if reliable {
            (state, &[Send, Start(Timer::F)])
        } else {
            (state, &[Send, Start(Timer::E), Start(Timer::F)])
        }
    }

    /// One step.
    pub fn handle(&mut self, input: Input) -> &'static [Action] {
        use Action::{Deliver, Send, Start, Stop, TimedOut, TransportFailed};
        const FINAL: &[Action] = &[Stop(Timer::E), Stop(Timer::F), Start(Timer::K), Deliver];
        let (next, actions): (Self, &'static [Action]) = match *self {
            Self::Trying { again } => match input {
                Input::Provisional => (Self::Proceeding, &[Deliver]),
                Input::Final => (Self::Completed, FINAL),
                Input::TransportError => (Self::Terminated, &[TransportFailed]),
                Input::Timer(Timer::E) => {
                    (Self::Trying { again: again.saturating_add(1) }, &[Send, Start(Timer::E)])
                }
                Input::Timer(Timer::F) => (Self::Terminated, &[TimedOut]),
                Input::Timer(Timer::K) => (*self, &[]),
            },
            Self::Proceeding => match input {
                Input::Provisional => (Self::Proceeding, &[Deliver]),
                Input::Final => (Self::Completed, FINAL),
                Input::TransportError => (Self::Terminated, &[TransportFailed]),
                Input::Timer(Timer::E) => (Self::Proceeding, &[Send, Start(Timer::E)]),
                Input::Timer(Timer::F) => (Self::Terminated, &[TimedOut]),
                Input::Timer(Timer::K) => (Self::Proceeding, &[]),
            },
            Self::Completed => match input {
                Input::Timer(Timer::K) => (Self::Terminated, &[]),
                Input::Provisional
                | Input::Final
                | Input::TransportError
                | Input::Timer(Timer::E | Timer::F) => (Self::Completed, &[]),
            },
            Self::Terminated => (Self::Terminated, &[]),
        };
        *self = next;
        actions
    }

    /// How long `timer` runs if it is set in this state.
    pub fn length(&self, timer: Timer, timers: &Timers, reliable: bool) -> Duration {
        match timer {
            Timer::E => match *self {
                Self::Trying { again } => timers.doubled_to_t2(again),
                Self::Proceeding | Self::Completed | Self::Terminated => timers.t2,
            },
            Timer::F => timers.lifetime(),
            Timer::K => timers.drain(reliable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::ClientNonInvite::*;
    use super::*;

    const STATES: [ClientNonInvite; 4] = [Trying { again: 1 }, Proceeding, Completed, Terminated];
    const INPUTS: [Input; 6] = [
        Input::Provisional,
        Input::Final,
        Input::TransportError,
        Input::Timer(Timer::E),
        Input::Timer(Timer::F),
        Input::Timer(Timer::K),
    ];
    const DONE: &[Action] = &[Stop(Timer::E), Stop(Timer::F), Start(Timer::K), Deliver];

    /// Every transition that does something; all others stay and do nothing.
    const TABLE: &[(ClientNonInvite, Input, ClientNonInvite, &[Action])] = &[
        (Trying { again: 1 }, Input::Provisional, Proceeding, &[Deliver]),
        (Trying { again: 1 }, Input::Final, Completed, DONE),
        (Trying { again: 1 }, Input::TransportError, Terminated, &[TransportFailed]),
        (Trying { again: 1 }, Input::Timer(Timer::E), Trying { again: 2 }, &[Send, Start(Timer::E)]),
        (Trying { again: 1 }, Input::Timer(Timer::F), Terminated, &[TimedOut]),
        (Proceeding, Input::Provisional, Proceeding, &[Deliver]),
        (Proceeding, Input::Final, Completed, DONE),
        (Proceeding, Input::TransportError, Terminated, &[TransportFailed]),
        (Proceeding, Input::Timer(Timer::E), Proceeding, &[Send, Start(Timer::E)]),
        (Proceeding, Input::Timer(Timer::F), Terminated, &[TimedOut]),
        (Completed, Input::Timer(Timer::K), Terminated, &[]),
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
        assert_eq!(ClientNonInvite::start(true).1, [Send, Start(Timer::F)]);
        assert_eq!(ClientNonInvite::start(false).1, [Send, Start(Timer::E), Start(Timer::F)]);
    }

    #[test]
    fn eleven_requests_are_sent_before_the_end() {
        let timers = Timers::default();
        let (mut machine, _) = ClientNonInvite::start(false);
        let mut sent = 1;
        let mut now = machine.length(Timer::E, &timers, false);
        while now < machine.length(Timer::F, &timers, false) {
            machine.handle(Input::Timer(Timer::E));
            sent += 1;
            now += machine.length(Timer::E, &timers, false);
        }
        assert_eq!(sent, 11);
    }
}
