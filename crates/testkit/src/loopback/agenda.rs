//! What will happen when: a queue in virtual time, in the order of its deadlines and then of its making.

use super::cause::Refusal;
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, CompletionId, Disconnect, Party, Reason, RequestId};
use std::collections::BTreeMap;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// A request is carried out.
    CarryOut(RequestId),
    /// A call looks for the party at an address.
    Route(CallId, Search),
    /// A party outside answers.
    OutsideAnswers(CallId),
    /// A party outside refuses.
    OutsideRefuses(CallId, Refusal),
    /// The party outside has not said a word to a call that is being made.
    Unheard(RequestId),
    /// The busy tone has been heard long enough.
    BusyOver(CallId, Disconnect),
    /// An offered call has rung long enough for its no-answer rule.
    NoAnswer(CallId),
    /// A caller gives up.
    GiveUp(CallId),
    /// A ring cycle begins.
    Ring(CallId, u32),
    /// The next of the digits that are being sent.
    NextDigit(RequestId),
    /// A digit is over.
    DigitOver(CallId, char, std::time::Duration),
    /// A tone was sent to its end.
    ToneSent(RequestId),
    /// No digit came in time; the number is that of the digits that had come.
    GatherLate(RequestId, usize),
    /// A file was played to its end.
    PlayedOut(CallId),
    /// A call that was not taken is announced again.
    Announce(CallId),
    /// A transfer's outcome is waited for no longer.
    TransferDeadline(RequestId),
    /// A transfer to a party outside succeeds.
    TransferAnswered(RequestId),
    /// It is refused there with this status.
    TransferRefused(RequestId, u16),
    /// A parked call has waited long enough and comes back.
    Recall(u32),
    /// A call completion has waited long enough.
    Expire(CompletionId),
    /// Somebody whose call is to be completed may be free.
    LookForFree,
}

/// A search for the called party.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Where to look.
    pub(crate) destination: Box<str>,
    /// How often the call was sent on.
    pub(crate) hops: u8,
    /// Why it goes there.
    pub(crate) reason: Reason,
    /// Who sent it on last.
    pub(crate) redirecting: Party,
}

impl Search {
    /// A call that is dialled.
    pub(crate) fn direct(destination: &str) -> Self {
        Self {
            destination: destination.into(),
            hops: 0,
            reason: Reason::Direct,
            redirecting: Party::default(),
        }
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    tasks: BTreeMap<(Time, u64), Task>,
    made: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Time, task: Task) {
        self.made += 1;
        self.tasks.insert((at, self.made), task);
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self, now: Time) -> Option<(Time, Task)> {
        let entry = self.tasks.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), task) = entry.remove_entry();
        Some((at, task))
    }

    /// Nothing of what a called party was to do for this call happens any more.
    pub(crate) fn forget(&mut self, call: CallId) {
        self.tasks.retain(|_, task| match task {
            Task::Route(of, _)
            | Task::OutsideAnswers(of)
            | Task::OutsideRefuses(of, _)
            | Task::BusyOver(of, _)
            | Task::GiveUp(of) => *of != call,
            _ => true,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
    }
}
