//! REFERs that passed a moment ago: who sent whom to an orbit, and who gave whom its place in a call (RFC 5589 7).
//!
//! What the one who was sent then says of it (Referred-By, Replaces) anybody can write. This is what we have seen ourselves.

use crate::location::UserId;
use crate::services::OrbitNo;
use hookswitch_machine::Time;
use hookswitch_sip::refer::Replaces;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a REFER is remembered: its receiver may ask a person before it follows.
const REMEMBERED: Duration = Duration::from_secs(60);
/// REFERs that are remembered; beyond it the oldest are forgotten early.
const ROOM: usize = 1_024;
/// Those of one user.
const MOST_OF_ONE: usize = 16;
/// The longest identifiers that are remembered, together.
const LONGEST: usize = 512;

/// Where somebody was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To an orbit, to be parked.
    Orbit(OrbitNo),
    /// Into a call, in the place of the one who sent it.
    Call(Replaces),
}

/// A REFER that passed.
#[derive(Clone, Debug)]
struct Referral {
    by: UserId,
    whom: UserId,
    goal: Goal,
    at: Time,
}

/// All REFERs of the last minute, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Referrals {
    kept: VecDeque<Referral>,
}

impl Referrals {
    /// A user has sent another one somewhere.
    pub(crate) fn remember(&mut self, now: Time, by: UserId, whom: UserId, goal: Goal) {
        if matches!(&goal, Goal::Call(named) if octets(named) > LONGEST) {
            return;
        }
        self.forget_old(now);
        self.kept.retain(|kept| kept.by != by || kept.whom != whom || kept.goal != goal);
        if self.kept.iter().filter(|kept| kept.by == by).count() >= MOST_OF_ONE
            && let Some(first) = self.kept.iter().position(|kept| kept.by == by)
        {
            self.kept.remove(first);
        }
        if self.kept.len() >= ROOM {
            self.kept.pop_front();
        }
        self.kept.push_back(Referral { by, whom, goal, at: now });
    }

    /// Who has sent this user there.
    pub(crate) fn sent_by(&mut self, now: Time, whom: UserId, goal: &Goal) -> Option<UserId> {
        self.forget_old(now);
        self.kept.iter().rfind(|kept| kept.whom == whom && kept.goal == *goal).map(|kept| kept.by)
    }

    /// This user has come there: nobody is sent there by that REFER again.
    pub(crate) fn followed(&mut self, whom: UserId, goal: &Goal) {
        self.kept.retain(|kept| kept.whom != whom || kept.goal != *goal);
    }

    fn forget_old(&mut self, now: Time) {
        while self.kept.front().is_some_and(|kept| now.since(kept.at) >= REMEMBERED) {
            self.kept.pop_front();
        }
    }
}

fn octets(named: &Replaces) -> usize {
    named.call_id.len() + named.to_tag.len() + named.from_tag.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId(0);
    const BOB: UserId = UserId(1);

    fn call(id: &str) -> Goal {
        Goal::Call(Replaces {
            call_id: id.to_owned(),
            to_tag: "1".into(),
            from_tag: "2".into(),
            early_only: false,
        })
    }

    #[test]
    fn what_passed_holds_for_the_one_who_was_sent_and_for_a_minute() {
        let mut referrals = Referrals::default();
        let at = Time::from_millis;
        referrals.remember(at(0), ANN, BOB, call("a"));
        assert_eq!(referrals.sent_by(at(59_999), BOB, &call("a")), Some(ANN));
        assert_eq!(referrals.sent_by(at(59_999), BOB, &call("b")), None);
        assert_eq!(referrals.sent_by(at(59_999), ANN, &call("a")), None);
        assert_eq!(referrals.sent_by(at(60_000), BOB, &call("a")), None);
        referrals.remember(at(60_000), ANN, BOB, Goal::Orbit(701));
        assert_eq!(referrals.sent_by(at(60_000), BOB, &Goal::Orbit(701)), Some(ANN));
        referrals.followed(BOB, &Goal::Orbit(701));
        assert_eq!(referrals.sent_by(at(60_000), BOB, &Goal::Orbit(701)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_one_user_cannot_push_out_others() {
        let mut referrals = Referrals::default();
        referrals.remember(Time::ZERO, BOB, ANN, Goal::Orbit(701));
        for n in 0..10_000 {
            referrals.remember(Time::ZERO, ANN, BOB, call(&n.to_string()));
        }
        assert_eq!(referrals.kept.len(), 1 + MOST_OF_ONE);
        assert_eq!(referrals.sent_by(Time::ZERO, ANN, &Goal::Orbit(701)), Some(BOB));
        for n in 0..10_000 {
            referrals.remember(Time::ZERO, UserId(n), BOB, Goal::Orbit(702));
        }
        assert_eq!(referrals.kept.len(), ROOM);
        referrals.remember(Time::ZERO, ANN, BOB, call(&"x".repeat(LONGEST)));
        assert_eq!(referrals.sent_by(Time::ZERO, BOB, &call(&"x".repeat(LONGEST))), None);
    }
}
