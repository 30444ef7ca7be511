//! What will happen when: a queue in virtual time, in the order of its deadlines and then of its making.

use hookswitch_machine::Time;
use hookswitch_spi::{CallId, Reason, RequestId};
use std::collections::BTreeMap;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// A request is carried out.
    CarryOut(RequestId),
    /// A call looks for the party at this address.
    Route { call: CallId, destination: Box<str>, hops: u8, reason: Reason },
    /// A party outside answers.
    OutsideAnswers(CallId),
    /// A party outside refuses with this status.
    OutsideRefuses(CallId, u16),
    /// An offered call has rung long enough for its no-answer rule.
    NoAnswer(CallId),
    /// A caller gives up.
    GiveUp(CallId),
    /// The last digit was sent.
    DigitsSent(RequestId),
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
}
