//! The end of a REFER's subscription that received it: telling how the new call goes.

use super::notify::StatusLine;
use crate::event::SubscriptionState;
use hookswitch_machine::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// What happens to a REFER that we received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifierInput {
    /// The owner of the call agrees: the new call is being made.
    Accept,
    /// The owner does not agree: answer with this status.
    Refuse(u16),
    /// The new call has got this response; a final one ends the subscription.
    Progress(u16),
    /// The last NOTIFY was answered; true if with a 2xx.
    NotifyAnswered(bool),
    /// The peer has unsubscribed.
    Unsubscribed,
    /// Nothing can be sent to the peer any more.
    Abandoned,
    /// The time that [`Notifier::timeout`] named has come.
    Timer,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifierOutput {
    /// Answer the REFER. `subscription` false: with `Refer-Sub: false` (RFC 4488).
    Respond {
        /// The status.
        status: u16,
        /// Whether reports follow.
        subscription: bool,
    },
    /// Send a NOTIFY.
    Notify(Notify),
}

/// A NOTIFY to send, with `Event: refer;id=` and the CSeq number of the REFER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The value of its Subscription-State.
    pub state: SubscriptionState<'static>,
    /// Its body, of type [`SIPFRAG`](super::SIPFRAG).
    pub body: StatusLine<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not answered yet.
    Asked,
    /// Reporting; no NOTIFY is out. `last` is the status reported.
    Active { last: u16, until: Time },
    /// Reporting; a NOTIFY is out, `next` is what to report after it. One at a time, so that they cannot overtake.
    Waiting { last: u16, next: Option<u16>, until: Time },
    /// Nothing more to report.
    Done,
}

/// A REFER that we received, until its sender knows the outcome.
#[derive(Clone, Debug)]
pub struct Notifier {
    cseq: u32,
    subscription: bool,
    lifetime: Duration,
    state: State,
    outputs: VecDeque<NotifierOutput>,
}

impl Notifier {
    /// For the REFER with this CSeq number. `subscription` is false if it says `Refer-Sub: false`; reports are given for `lifetime`
    /// at most.
    pub const fn new(cseq: u32, subscription: bool, lifetime: Duration) -> Self {
        Self { cseq, subscription, lifetime, state: State::Asked, outputs: VecDeque::new() }
    }

    /// The value of the NOTIFYs' Event header.
    pub fn event(&self) -> String {
        format!("refer;id={}", self.cseq)
    }

    /// Whether there is nothing more to do.
    pub const fn is_done(&self) -> bool {
        match self.state {
            State::Asked | State::Active { .. } | State::Waiting { .. } => false,
            State::Done => true,
        }
    }

    /// When to call [`handle`](Self::handle) with [`NotifierInput::Timer`].
    pub const fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Active { until, .. } | State::Waiting { until, .. } => Some(until),
            State::Asked | State::Done => None,
        }
    }

    /// The next output. Call until `None` after each [`handle`](Self::handle).
    pub fn poll(&mut self) -> Option<NotifierOutput> {
        self.outputs.pop_front()
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: NotifierInput) {
        self.state = match input {
            NotifierInput::Accept => match self.state {
                State::Asked => self.accept(now),
                State::Active { .. } | State::Waiting { .. } | State::Done => self.state,
            },
            NotifierInput::Refuse(status) => match self.state {
                State::Asked => {
                    self.respond(status.clamp(300, 699), self.subscription);
                    State::Done
                }
                State::Active { .. } | State::Waiting { .. } | State::Done => self.state,
            },
            NotifierInput::Progress(status) => match self.state {
                State::Active { last, until } => self.report(now, last, status, until),
                State::Waiting { last, next, until } => {
                    // A result is not replaced by anything.
                    let next = if next.is_some_and(is_final) { next } else { Some(status) };
                    State::Waiting { last, next, until }
                }
                State::Asked | State::Done => self.state,
            },
            NotifierInput::NotifyAnswered(true) => match self.state {
                State::Waiting { last, next: Some(next), until } => self.report(now, last, next, until),
                State::Waiting { last, next: None, until } => State::Active { last, until },
                State::Asked | State::Active { .. } | State::Done => self.state,
            },
            // RFC 6665 4.2.2: whoever does not answer NOTIFY has no subscription.
            NotifierInput::NotifyAnswered(false) => match self.state {
                State::Active { .. } | State::Waiting { .. } | State::Done => State::Done,
                State::Asked => self.state,
            },
            NotifierInput::Unsubscribed => match self.state {
                State::Asked => self.state,
                State::Active { last, .. } => self.cut(last),
                State::Waiting { last, next, .. } => self.cut(next.unwrap_or(last)),
                State::Done => State::Done,
            },
            NotifierInput::Abandoned => State::Done,
            NotifierInput::Timer => match self.state {
                State::Active { last, until } if now >= until => self.cut(last),
                State::Waiting { last, next, until } if now >= until => self.cut(next.unwrap_or(last)),
                State::Asked | State::Active { .. } | State::Waiting { .. } | State::Done => self.state,
            },
        };
    }

    /// RFC 3515 2.4.4: the first NOTIFY follows at once.
    fn accept(&mut self, now: Time) -> State {
        if !self.subscription {
            self.respond(200, false);
            return State::Done;
        }
        self.respond(202, true);
        self.report(now, 0, 100, now + self.lifetime)
    }

    fn report(&mut self, now: Time, last: u16, status: u16, until: Time) -> State {
        if is_final(status) {
            return self.end(status, "noresource");
        }
        if status == last {
            return State::Active { last, until };
        }
        let expires = u32::try_from(until.since(now).as_secs()).ok();
        self.notify(SubscriptionState::Active { expires }, status);
        State::Waiting { last: status, next: None, until }
    }

    /// The subscription ends, whether there is a result or not.
    fn cut(&mut self, status: u16) -> State {
        self.end(status, if is_final(status) { "noresource" } else { "timeout" })
    }

    fn end(&mut self, status: u16, reason: &'static str) -> State {
        self.notify(SubscriptionState::Terminated { reason: Some(reason), retry_after: None }, status);
        State::Done
    }

    fn notify(&mut self, state: SubscriptionState<'static>, status: u16) {
        self.outputs.push_back(NotifierOutput::Notify(Notify { state, body: StatusLine::new(status) }));
    }

    fn respond(&mut self, status: u16, subscription: bool) {
        self.outputs.push_back(NotifierOutput::Respond { status, subscription });
    }
}

const fn is_final(status: u16) -> bool {
    status >= 200
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_millis(1_000);

    fn notifier(inputs: &[NotifierInput]) -> Notifier {
        let mut notifier = Notifier::new(7, true, Duration::from_secs(60));
        for input in inputs {
            give(&mut notifier, START, *input);
        }
        notifier
    }

    fn give(notifier: &mut Notifier, now: Time, input: NotifierInput) -> Vec<String> {
        notifier.handle(now, input);
        std::iter::from_fn(|| notifier.poll())
            .map(|output| match output {
                NotifierOutput::Respond { status, .. } => format!("{status}"),
                NotifierOutput::Notify(Notify { state, body }) => format!("[{state} {}]", body.status),
            })
            .collect()
    }

    #[test]
    fn every_state_takes_every_input() {
        use NotifierInput::{Abandoned, Accept, NotifyAnswered, Progress, Refuse, Timer, Unsubscribed};
        let states = [
            ("Asked", notifier(&[])),
            ("Active", notifier(&[Accept, NotifyAnswered(true)])),
            ("Waiting", notifier(&[Accept])),
            ("Waiting, more", notifier(&[Accept, Progress(180)])),
            ("Waiting, result", notifier(&[Accept, Progress(486)])),
            ("Done", notifier(&[Refuse(603)])),
        ];
        let inputs = [
            Accept,
            Refuse(603),
            Progress(100),
            Progress(183),
            Progress(200),
            NotifyAnswered(true),
            NotifyAnswered(false),
            Unsubscribed,
            Abandoned,
            Timer,
        ];
        let mut table = String::new();
        for (name, notifier) in states {
            table += &format!("{name}\n");
            for input in inputs {
                let mut notifier = notifier.clone();
                let now = notifier.timeout().filter(|_| input == Timer).unwrap_or(START);
                let outputs = give(&mut notifier, now, input).join(" ");
                let state = format!("{:?}", notifier.state);
                let line = format!("  {input:?}: {} {outputs}", state.split(' ').next().unwrap_or(""));
                table += &format!("{}\n", line.trim_end());
            }
        }
        assert_eq!(table, include_str!("notifier_table.txt"), "\n{table}");
    }

    #[test]
    fn a_transfer_is_reported_from_trying_to_its_result() {
        let mut notifier = Notifier::new(7, true, Duration::from_secs(60));
        let mut give = |input| give(&mut notifier, START, input).join(" ");
        assert_eq!(give(NotifierInput::Accept), "202 [active;expires=60 100]");
        assert_eq!(give(NotifierInput::Progress(180)), "");
        assert_eq!(give(NotifierInput::NotifyAnswered(true)), "[active;expires=60 180]");
        assert_eq!(give(NotifierInput::Progress(183)), "");
        assert_eq!(give(NotifierInput::Progress(200)), "");
        assert_eq!(give(NotifierInput::NotifyAnswered(true)), "[terminated;reason=noresource 200]");
        assert_eq!(notifier.event(), "refer;id=7");
        assert!(notifier.is_done());
    }

    #[test]
    fn who_wants_no_reports_gets_none() {
        let mut notifier = Notifier::new(7, false, Duration::from_secs(60));
        notifier.handle(START, NotifierInput::Accept);
        assert_eq!(notifier.poll(), Some(NotifierOutput::Respond { status: 200, subscription: false }));
        notifier.handle(START, NotifierInput::Progress(200));
        assert_eq!(notifier.poll(), None);
    }
}
