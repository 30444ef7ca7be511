//! Who may take whose place in a call (RFC 3891), and who may know what a call is called.
//!
//! The place of a call is for its two users, for whom one of them has sent there by a REFER that passed here, and for those to whom
//! a rule gives the callee's calls. The rule "everyone" gives what rings, as the feature code does; what was answered is given by a
//! group only. A call that we do not know is nobody's: an INVITE for it does not pass either, so that the answer tells nothing.

use crate::calls::{Call, CallState};
use crate::config::Rule;
use crate::core::Core;
use crate::location::UserId;
use crate::passage::Way;
use crate::referrals::Goal;
use crate::services::Code;
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::message::{Message, Name, Uri};
use hookswitch_sip::refer::{Join, ReferTo, Replaces};

/// The place in a call that an INVITE asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// None.
    Nothing,
    /// That of a party (RFC 3891).
    Of(Replaces),
    /// One more (RFC 3911).
    Beside(Replaces),
}

/// What an INVITE says of it cannot be read, or says it twice: answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Place {
    /// What an INVITE asks for.
    pub(crate) fn wanted(invite: &Message) -> Result<Self, Unreadable> {
        match (invite.header(Name::Replaces), invite.header(Name::Join)) {
            (None, None) => Ok(Self::Nothing),
            (Some(value), None) => {
                let replaces = Replaces::parse(value).map_err(|_| Unreadable)?;
                Ok(Self::Of(Replaces { early_only: false, ..replaces }))
            }
            (None, Some(value)) => {
                let Join { call_id, to_tag, from_tag } = Join::parse(value).map_err(|_| Unreadable)?;
                Ok(Self::Beside(Replaces { call_id, to_tag, from_tag, early_only: false }))
            }
            // RFC 3911 4: never both.
            (Some(_), Some(_)) => Err(Unreadable),
        }
    }
}

/// What right somebody has to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// None.
    No,
    /// It may fetch what rings: the phone is to be asked for an early dialog only, because it may be answered meanwhile.
    WhileItRings,
    /// It may have the place.
    Yes,
}

impl Core {
    /// What right the sender of an INVITE has to the place that it asks for.
    pub(crate) fn right_to(&mut self, now: Time, sender: UserId, place: &Place) -> Right {
        let (named, rings) = match place {
            Place::Nothing => return Right::Yes,
            Place::Of(replaces) => {
                if self.referrals.sent_by(now, sender, &Goal::Call(replaces.clone())).is_some() {
                    return Right::Yes;
                }
                (replaces, Right::WhileItRings)
            }
            Place::Beside(named) => (named, Right::No),
        };
        if self.all_named(named, |call| self.may_take_answered(sender, call)) {
            Right::Yes
        } else if self.all_named(named, |call| self.may_take(sender, call)) {
            rings
        } else {
            Right::No
        }
    }

    /// Whether calls of this name are known, and all of them are such. Call-ID and tags are chosen by the phones: whoever makes
    /// another call of the same name gains nothing by it.
    fn all_named(&self, named: &Replaces, is_such: impl Fn(&Call) -> bool) -> bool {
        let mut all = self.calls.named(named).map(|(_, _, call)| call).peekable();
        all.peek().is_some() && all.all(is_such)
    }

    /// Whether a user may take somebody's place in a call, and so may know what it is called.
    pub(crate) fn may_take(&self, user: UserId, call: &Call) -> bool {
        match call.state {
            CallState::Trying { .. } | CallState::Early { .. } => {
                call.has(user) || self.may_fetch(user, call, self.features.who_may_pick_up)
            }
            CallState::Confirmed => self.may_take_answered(user, call),
        }
    }

    /// Whether it may once the call is answered.
    fn may_take_answered(&self, user: UserId, call: &Call) -> bool {
        let by_group = match self.features.who_may_pick_up {
            Rule::Everyone => false,
            rule @ Rule::SameGroup => self.may_fetch(user, call, rule),
        };
        call.has(user) || by_group
    }

    fn may_fetch(&self, user: UserId, call: &Call, rule: Rule) -> bool {
        call.callee.user.is_some_and(|callee| self.locations.permits(rule, user, callee))
    }

    /// Who sends a request within a dialog, and to whom, if the path it came on is one of the sender's: the dialog's own, or one
    /// on which it is registered. The other side knows the dialog as well, and could write in its name.
    pub(crate) fn parties(&self, came: Flow, way: &Way) -> Option<(UserId, UserId)> {
        let (from, to) = (way.from.user?, way.to.user?);
        (came == way.from.flow || self.locations.is_path_of(from, came)).then_some((from, to))
    }

    /// A REFER passes from one user to another. Whoever is sent to an orbit is to be parked; whoever is sent into a call of the
    /// sender's may have its place.
    pub(crate) fn referred(
        &mut self,
        now: Time,
        by: UserId,
        whom: UserId,
        refer: &Message,
        code: impl Fn(&str) -> Option<Code>,
    ) {
        let target = refer.header(Name::ReferTo).and_then(|value| ReferTo::parse(value).ok());
        let Some(target) = target else { return };
        let Ok(uri) = Uri::parse(&target.uri) else { return };
        if let Some(Code::Orbit(orbit)) = uri.user_unescaped().and_then(|user| code(&user))
            && self.own.is_meant_by(&uri)
        {
            self.referrals.remember(now, by, whom, Goal::Orbit(orbit));
        }
        let Some(replaces) = target.replaces else { return };
        let replaces = Replaces { early_only: false, ..replaces };
        if self.all_named(&replaces, |call| call.has(by)) {
            self.referrals.remember(now, by, whom, Goal::Call(replaces));
        }
    }
}
