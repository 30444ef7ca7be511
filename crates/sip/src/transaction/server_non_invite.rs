//! The non-INVITE server transaction: RFC 3261 17.2.2 (figure 8), transport errors as in RFC 6026 8.8. A response that comes too
//! late for the peer is not sent (RFC 4320 4.2).

use super::timers::Timers;
use std::time::Duration;

/// The state of a request other than INVITE and ACK that we received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNonInvite {
    /// The user has not responded.
    Trying,
    /// The user sent a provisional response.
    Proceeding,
    /// The user sent the final response; the request's retransmissions are answered with it.
    Completed,
    /// The end.
    Terminated,
}

/// The timers of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The user has not responded, and the peer's timer F has fired.
    Expired,
    /// Retransmissions of the request have ceased.
    J,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The request came again.
    Request,
    /// The user responds with a 1xx.
    Provisional,
    /// The user responds with a 200-699.
    Final,
    /// A response cannot be delivered.
    TransportError,
    /// A timer fired.
    Timer(Timer),
}

/// What is to be done, in order. Entering [`ServerNonInvite::Terminated`] stops all timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the latest response.
    Send,
    /// Refuse the user's response: it comes too late.
    Refuse,
    /// Tell the user that a response could not be delivered.
    TransportFailed,
    /// Set a timer.
    Start(Timer),
    /// Take a timer back.
    Stop(Timer),
}

impl ServerNonInvite {
    /// The state after the request has been passed to the user, and what to do at first.
    pub fn start() -> (Self, &'static [Action]) {
        (Self::Trying, &[Action::Start(Timer::Expired)])
    }

    /// One step.
    pub fn handle(&mut self, input: Input) -> &'static [Action] {
        use Action::{Refuse, Send, Start, Stop, TransportFailed};
        let (next, actions): (Self, &'static [Action]) = match *self {
            Self::Trying => match input {
                Input::Provisional => (Self::Proceeding, &[Send]),
                Input::Final => (Self::Completed, &[Stop(Timer::Expired), Send, Start(Timer::J)]),
                Input::TransportError => (Self::Trying, &[TransportFailed]),
                Input::Timer(Timer::Expired) => (Self::Terminated, &[]),
                Input::Request | Input::Timer(Timer::J) => (Self::Trying, &[]),
            },
            Self::Proceeding => match input {
                Input::Request | Input::Provisional => (Self::Proceeding, &[Send]),
                Input::Final => (Self::Completed, &[Stop(Timer::Expired), Send, Start(Timer::J)]),
                Input::TransportError => (Self::Proceeding, &[TransportFailed]),
                Input::Timer(Timer::Expired) => (Self::Terminated, &[]),
                Input::Timer(Timer::J) => (Self::Proceeding, &[]),
            },
            Self::Completed => match input {
                Input::Request => (Self::Completed, &[Send]),
                Input::Provisional | Input::Final => (Self::Completed, &[Refuse]),
                Input::TransportError => (Self::Completed, &[TransportFailed]),
                Input::Timer(Timer::J) => (Self::Terminated, &[]),
                Input::Timer(Timer::Expired) => (Self::Completed, &[]),
            },
            Self::Terminated => match input {
                Input::Provisional | Input::Final => (Self::Terminated, &[Refuse]),
                Input::Request | Input::TransportError | Input::Timer(Timer::Expired | Timer::J) => {
                    (Self::Terminated, &[])
                }
            },
        };
        *self = next;
        actions
    }

    /// How long `timer` runs.
    pub fn length(&self, timer: Timer, timers: &Timers, reliable: bool) -> Duration {
        match timer {
            Timer::Expired => timers.lifetime(),
            Timer::J => timers.absorb(reliable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::ServerNonInvite::*;
    use super::*;

    const STATES: [ServerNonInvite; 4] = [Trying, Proceeding, Completed, Terminated];
    const INPUTS: [Input; 6] = [
        Input::Request,
        Input::Provisional,
        Input::Final,
        Input::TransportError,
        Input::Timer(Timer::Expired),
        Input::Timer(Timer::J),
    ];
    const DONE: &[Action] = &[Stop(Timer::Expired), Send, Start(Timer::J)];

    /// Every transition that does something; all others stay and do nothing.
    const TABLE: &[(ServerNonInvite, Input, ServerNonInvite, &[Action])] = &[
        (Trying, Input::Provisional, Proceeding, &[Send]),
        (Trying, Input::Final, Completed, DONE),
        (Trying, Input::TransportError, Trying, &[TransportFailed]),
        (Trying, Input::Timer(Timer::Expired), Terminated, &[]),
        (Proceeding, Input::Request, Proceeding, &[Send]),
        (Proceeding, Input::Provisional, Proceeding, &[Send]),
        (Proceeding, Input::Final, Completed, DONE),
        (Proceeding, Input::TransportError, Proceeding, &[TransportFailed]),
        (Proceeding, Input::Timer(Timer::Expired), Terminated, &[]),
        (Completed, Input::Request, Completed, &[Send]),
        (Completed, Input::Provisional, Completed, &[Refuse]),
        (Completed, Input::Final, Completed, &[Refuse]),
        (Completed, Input::TransportError, Completed, &[TransportFailed]),
        (Completed, Input::Timer(Timer::J), Terminated, &[]),
        (Terminated, Input::Provisional, Terminated, &[Refuse]),
        (Terminated, Input::Final, Terminated, &[Refuse]),
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
}
