//! The end of a REFER's subscription that sent it: what came of the transfer.

use crate::event::SubscriptionState;
use hookswitch_machine::Time;
use std::time::Duration;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer reported success, with this 2xx.
    Succeeded(u16),
    /// The REFER was refused, or the peer reported failure, with this status (300 to 699).
    Failed(u16),
    /// Nobody can tell.
    Unknown(Why),
}

/// Why the outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The REFER itself was not answered.
    #[error("the peer did not answer the REFER")]
    NoResponse,
    /// The peer agreed, but without reports (RFC 4488).
    #[error("the peer accepted without offering reports")]
    NoSubscription,
    /// The peer agreed, and no report came at all.
    #[error("the peer accepted and never reported")]
    NoNotify,
    /// The reports ended without a final one.
    #[error("the peer ended its reports without a result")]
    Terminated,
    /// The peer hung up before it reported a result.
    #[error("the peer hung up before it reported a result")]
    HungUp,
    /// The time was up.
    #[error("the peer reported no result in time")]
    DeadlinePassed,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For the first report after the REFER was accepted.
    pub first_report: Duration,
    /// For the result, after the REFER was accepted.
    pub result: Duration,
    /// For a report that the peer's BYE has overtaken.
    pub after_hang_up: Duration,
}

impl Default for Deadlines {
    /// 32 s (RFC 6665 4.1.2.4, timer N), 180 s, 2 s.
    fn default() -> Self {
        Self {
            first_report: Duration::from_secs(32),
            result: Duration::from_secs(180),
            after_hang_up: Duration::from_secs(2),
        }
    }
}

/// What happens to a REFER that we sent.
#[derive(Clone, Copy, Debug)]
pub enum SubscriberInput<'a> {
    /// Its response. Challenges are dealt with before.
    Response {
        /// The status; provisional ones are ignored.
        status: u16,
        /// Whether reports will follow: false if the response says `Refer-Sub: false`.
        subscription: bool,
    },
    /// No response came, or it could not be sent.
    TimedOut,
    /// A NOTIFY for it.
    Notify {
        /// Its Subscription-State.
        state: SubscriptionState<'a>,
        /// The status in its body, if there is one.
        status: Option<u16>,
    },
    /// The dialog it was sent in has ended.
    DialogEnded,
    /// The time that [`Subscriber::timeout`] named has come.
    Timer,
}

/// What follows from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The status to answer a NOTIFY with.
    pub answer: Option<u16>,
    /// What to tell.
    pub report: Option<Report>,
}

/// News of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The peer has agreed to try.
    Accepted,
    /// The new call has come this far (1xx).
    Progress(u16),
    /// It is over. Told once, and last.
    Finished(Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No final response to the REFER, no NOTIFY.
    Sent,
    /// Accepted; no NOTIFY yet.
    Accepted { deadline: Time, last: Time },
    /// NOTIFYs come. `responded`: the REFER has had its response (a NOTIFY may overtake it).
    Reporting { deadline: Time, responded: Responded },
    /// The dialog is gone; a report may still be on its way.
    HungUp { deadline: Time },
    /// The outcome is known; the peer has not ended its subscription.
    Decided,
    /// All over.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Responded {
    Yes,
    NotYet,
}

/// A REFER that we sent, until its outcome is known. Its reports name it by the number of its CSeq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    cseq: u32,
    deadlines: Deadlines,
    state: State,
}

impl Subscriber {
    /// For the REFER with this CSeq number, just sent.
    pub const fn new(cseq: u32, deadlines: Deadlines) -> Self {
        Self { cseq, deadlines, state: State::Sent }
    }

    /// After a challenge: the REFER was sent again with another number.
    pub const fn sent_again(&mut self, cseq: u32) {
        self.cseq = cseq;
    }

    /// Whether a NOTIFY with this id (see [`event_id`](super::event_id)) is about this REFER. Without an id it is about the first one
    /// of the dialog, and so about the only one.
    pub fn is_for(&self, id: Option<u32>) -> bool {
        id.is_none_or(|id| id == self.cseq)
    }

    /// Whether the outcome has been told.
    pub const fn is_finished(&self) -> bool {
        match self.state {
            State::Sent | State::Accepted { .. } | State::Reporting { .. } | State::HungUp { .. } => false,
            State::Decided | State::Over => true,
        }
    }

    /// When to call [`handle`](Self::handle) with [`SubscriberInput::Timer`].
    pub const fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Accepted { deadline, .. }
            | State::Reporting { deadline, .. }
            | State::HungUp { deadline } => Some(deadline),
            // The transaction ends by itself.
            State::Sent | State::Decided | State::Over => None,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: SubscriberInput<'_>) -> Reaction {
        let mut answer = None;
        let report = match input {
            SubscriberInput::Response { status, .. } if status < 200 => None,
            SubscriberInput::Response { status, subscription } => self.responded(now, status, subscription),
            SubscriberInput::TimedOut => match self.state {
                State::Sent => self.over(Outcome::Unknown(Why::NoResponse)),
                // A NOTIFY has come, so the REFER did arrive.
                State::Accepted { .. }
                | State::Reporting { .. }
                | State::HungUp { .. }
                | State::Decided
                | State::Over => None,
            },
            SubscriberInput::Notify { state, status } => {
                answer = Some(if self.state == State::Over { 481 } else { 200 });
                self.notified(now, state, status)
            }
            SubscriberInput::DialogEnded => self.dialog_ended(now),
            SubscriberInput::Timer => self.timer(now),
        };
        Reaction { answer, report }
    }

    fn responded(&mut self, now: Time, status: u16, subscription: bool) -> Option<Report> {
        match self.state {
            State::Sent if !(200..300).contains(&status) => self.over(Outcome::Failed(status)),
            State::Sent if !subscription => self.over(Outcome::Unknown(Why::NoSubscription)),
            State::Sent => {
                let last = now + self.deadlines.result;
                let deadline = (now + self.deadlines.first_report).min(last);
                self.state = State::Accepted { deadline, last };
                Some(Report::Accepted)
            }
            State::Reporting { responded: Responded::NotYet, .. } if !(200..300).contains(&status) => {
                self.over(Outcome::Failed(status))
            }
            State::Reporting { deadline, responded: Responded::NotYet } => {
                self.state = State::Reporting { deadline, responded: Responded::Yes };
                None
            }
            State::HungUp { .. } if status >= 300 => self.over(Outcome::Failed(status)),
            State::Accepted { .. }
            | State::Reporting { responded: Responded::Yes, .. }
            | State::HungUp { .. }
            | State::Decided
            | State::Over => None,
        }
    }

    fn notified(&mut self, now: Time, state: SubscriptionState<'_>, status: Option<u16>) -> Option<Report> {
        let terminated = matches!(state, SubscriptionState::Terminated { .. });
        match self.state {
            State::Over => return None,
            State::Decided => {
                if terminated {
                    self.state = State::Over;
                }
                return None;
            }
            State::Sent | State::Accepted { .. } | State::Reporting { .. } | State::HungUp { .. } => {}
        }
        match status {
            Some(status @ 200..=299) => self.decide(Outcome::Succeeded(status), terminated),
            Some(status @ 300..) => self.decide(Outcome::Failed(status), terminated),
            Some(_) | None if terminated => self.over(Outcome::Unknown(Why::Terminated)),
            Some(_) | None => {
                self.progressed(now);
                status.map(Report::Progress)
            }
        }
    }

    /// A provisional report: from now on only the result is waited for.
    fn progressed(&mut self, now: Time) {
        self.state = match self.state {
            State::Sent => {
                State::Reporting { deadline: now + self.deadlines.result, responded: Responded::NotYet }
            }
            State::Accepted { last, .. } => State::Reporting { deadline: last, responded: Responded::Yes },
            State::Reporting { .. } | State::HungUp { .. } | State::Decided | State::Over => self.state,
        };
    }

    fn dialog_ended(&mut self, now: Time) -> Option<Report> {
        match self.state {
            State::Sent | State::Accepted { .. } | State::Reporting { .. } => {
                self.state = State::HungUp { deadline: now + self.deadlines.after_hang_up };
            }
            State::Decided => self.state = State::Over,
            State::HungUp { .. } | State::Over => {}
        }
        None
    }

    fn timer(&mut self, now: Time) -> Option<Report> {
        match self.state {
            State::Accepted { deadline, .. } if now >= deadline => self.over(Outcome::Unknown(Why::NoNotify)),
            State::Reporting { deadline, .. } if now >= deadline => {
                self.decide(Outcome::Unknown(Why::DeadlinePassed), false)
            }
            State::HungUp { deadline } if now >= deadline => self.over(Outcome::Unknown(Why::HungUp)),
            State::Sent
            | State::Accepted { .. }
            | State::Reporting { .. }
            | State::HungUp { .. }
            | State::Decided
            | State::Over => None,
        }
    }

    const fn decide(&mut self, outcome: Outcome, terminated: bool) -> Option<Report> {
        self.state = if terminated { State::Over } else { State::Decided };
        Some(Report::Finished(outcome))
    }

    const fn over(&mut self, outcome: Outcome) -> Option<Report> {
        self.decide(outcome, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_millis(1_000);
    const ACTIVE: SubscriptionState<'static> = SubscriptionState::Active { expires: Some(60) };
    const ENDED: SubscriptionState<'static> =
        SubscriptionState::Terminated { reason: Some("noresource"), retry_after: None };

    fn notify(state: SubscriptionState<'static>, status: impl Into<Option<u16>>) -> SubscriberInput<'static> {
        SubscriberInput::Notify { state, status: status.into() }
    }

    const fn response(status: u16) -> SubscriberInput<'static> {
        SubscriberInput::Response { status, subscription: true }
    }

    /// The machine in each state.
    fn states() -> Vec<(&'static str, Subscriber)> {
        let reach = |inputs: &[SubscriberInput<'static>]| {
            let mut subscriber = Subscriber::new(7, Deadlines::default());
            for input in inputs {
                subscriber.handle(START, *input);
            }
            subscriber
        };
        vec![
            ("Sent", reach(&[])),
            ("Accepted", reach(&[response(202)])),
            ("Reporting", reach(&[response(202), notify(ACTIVE, 100)])),
            ("Reporting, no response", reach(&[notify(ACTIVE, 100)])),
            ("HungUp", reach(&[response(202), SubscriberInput::DialogEnded])),
            ("Decided", reach(&[response(202), notify(ACTIVE, 200)])),
            ("Over", reach(&[response(603)])),
        ]
    }

    #[test]
    fn every_state_takes_every_input() {
        let inputs = [
            ("180", response(180)),
            ("202", response(202)),
            ("202 without reports", SubscriberInput::Response { status: 202, subscription: false }),
            ("603", response(603)),
            ("TimedOut", SubscriberInput::TimedOut),
            ("active", notify(ACTIVE, None)),
            ("active 180", notify(ACTIVE, 180)),
            ("active 200", notify(ACTIVE, 200)),
            ("ended 200", notify(ENDED, 200)),
            ("ended 486", notify(ENDED, 486)),
            ("ended 100", notify(ENDED, 100)),
            ("ended", notify(ENDED, None)),
            ("DialogEnded", SubscriberInput::DialogEnded),
            ("Timer", SubscriberInput::Timer),
        ];
        let mut table = String::new();
        for (name, subscriber) in states() {
            table += &format!("{name}\n");
            for (input_name, input) in inputs {
                let mut subscriber = subscriber;
                let now = subscriber.timeout().unwrap_or(START);
                let Reaction { answer, report } = subscriber.handle(now, input);
                let state = format!("{:?}", subscriber.state);
                let state = state.split(' ').next().unwrap_or("");
                let answer = answer.map_or(String::new(), |status| format!(" {status}"));
                let report = report.map_or(String::new(), |report| format!(" {report:?}"));
                table += &format!("  {input_name}: {state}{answer}{report}\n");
            }
        }
        assert_eq!(table, include_str!("subscriber_table.txt"), "\n{table}");
    }

    #[test]
    fn each_deadline_says_what_was_missing() {
        let deadlines = Deadlines::default();
        let mut silent = Subscriber::new(7, deadlines);
        silent.handle(START, response(202));
        assert_eq!(silent.timeout(), Some(START + deadlines.first_report));
        let mut slow = silent;
        slow.handle(START, notify(ACTIVE, 100));
        assert_eq!(slow.timeout(), Some(START + deadlines.result));
        let mut gone = slow;
        gone.handle(START, SubscriberInput::DialogEnded);
        assert_eq!(gone.timeout(), Some(START + deadlines.after_hang_up));
        for (mut subscriber, why) in
            [(silent, Why::NoNotify), (slow, Why::DeadlinePassed), (gone, Why::HungUp)]
        {
            let end = subscriber.timeout().unwrap();
            let early = subscriber.handle(Time::from_nanos(end.as_nanos() - 1), SubscriberInput::Timer);
            assert_eq!(early.report, None);
            let report = subscriber.handle(end, SubscriberInput::Timer).report;
            assert_eq!(report, Some(Report::Finished(Outcome::Unknown(why))));
            assert!(subscriber.is_finished() && subscriber.timeout().is_none());
        }
    }

    #[test]
    fn a_result_that_the_bye_overtook_still_counts() {
        let mut subscriber = Subscriber::new(7, Deadlines::default());
        subscriber.handle(START, response(202));
        subscriber.handle(START, SubscriberInput::DialogEnded);
        let report = subscriber.handle(START, notify(ENDED, 200)).report;
        assert_eq!(report, Some(Report::Finished(Outcome::Succeeded(200))));
    }

    #[test]
    fn reports_find_their_refer() {
        let subscriber = Subscriber::new(7, Deadlines::default());
        assert!(subscriber.is_for(Some(7)) && subscriber.is_for(None) && !subscriber.is_for(Some(8)));
    }
}
