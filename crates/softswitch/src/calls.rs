//! The calls of the users as the softswitch sees them pass: what can be watched (RFC 4235), picked up, and shown with a phone.

use crate::location::UserId;
use hookswitch_machine::{Entropy, Map, TimerKey};
use hookswitch_sip::message::{Message, NameAddr};
use hookswitch_sip::refer::Replaces;
use hookswitch_sip::transaction::ServerId;
use hookswitch_spi::LampState;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// Names a call, never another one; rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CallNo(u64);

impl fmt::Display for CallNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The longest URI and name that are remembered.
const LONGEST: usize = 256;

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallState {
    /// Nobody has answered in any way. `server` is the caller's INVITE.
    Trying { server: ServerId },
    /// It rings.
    Early { server: ServerId },
    /// They talk.
    Confirmed,
}

/// One side of a call.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// A user of ours.
    pub(crate) user: Option<UserId>,
    /// The address, without parameters of the header field.
    pub(crate) uri: Box<str>,
    /// The name that was shown.
    pub(crate) display: Option<Box<str>>,
    /// The tag; empty while there is none.
    pub(crate) tag: Box<str>,
    /// The contact; empty while none is known.
    pub(crate) target: Box<str>,
}

impl Party {
    /// What From or To says. `user` is known by other means.
    pub(crate) fn of(address: &NameAddr<'_>, user: Option<UserId>) -> Self {
        let display = address.display().map(|name| cut(&name).into());
        let tag = cut(address.tag().unwrap_or_default()).into();
        Self { user, uri: cut(address.uri_str()).into(), display, tag, target: Box::default() }
    }

    /// With the contact that a message names.
    pub(crate) fn at(mut self, message: &Message) -> Self {
        self.reached(message);
        self
    }

    /// With this tag.
    pub(crate) fn tagged(mut self, tag: &str) -> Self {
        self.tag = cut(tag).into();
        self
    }

    fn reached(&mut self, message: &Message) {
        if let Some(contact) = message.contact() {
            self.target = cut(contact.uri_str()).into();
        }
    }
}

fn cut(text: &str) -> &str {
    if text.len() <= LONGEST { text } else { "" }
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) call_id: Box<str>,
    pub(crate) caller: Party,
    pub(crate) callee: Party,
    pub(crate) state: CallState,
    /// Somebody is picking it up.
    pub(crate) claimed: bool,
    /// Another INVITE took its place at the caller (RFC 3891): who rings is told that the call was answered elsewhere.
    pub(crate) replaced: bool,
    /// The call whose place it takes at one side (RFC 3891) if it is answered.
    pub(crate) replaces: Option<CallNo>,
    /// Forgets it in the end.
    timer: TimerKey,
}

/// A side of a call, seen from a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Caller,
    Callee,
}

impl Call {
    /// The sides as a user in this role sees them: its own, the other.
    pub(crate) const fn sides(&self, role: Role) -> (&Party, &Party) {
        match role {
            Role::Caller => (&self.caller, &self.callee),
            Role::Callee => (&self.callee, &self.caller),
        }
    }

    /// Whether a user is one of its sides.
    pub(crate) fn has(&self, user: UserId) -> bool {
        self.users().any(|(one, _)| one == user)
    }

    /// The users of ours in it, each with its role; the same one may have both.
    pub(crate) fn users(&self) -> impl Iterator<Item = (UserId, Role)> {
        let caller = self.caller.user.map(|user| (user, Role::Caller));
        let callee = self.callee.user.map(|user| (user, Role::Callee));
        caller.into_iter().chain(callee)
    }
}

/// Something happened to a call.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// It came about or changed its state.
    Changed(CallNo),
    /// It is over.
    Ended(CallNo, Box<Call>),
}

/// All calls.
#[derive(Debug)]
pub(crate) struct Calls {
    calls: Map<CallNo, Call>,
    by_id: Map<Box<str>, BTreeSet<CallNo>>,
    by_user: Map<UserId, BTreeSet<CallNo>>,
    next: u64,
    news: VecDeque<News>,
}

impl Calls {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self {
            calls: Map::with_hasher(entropy.hash_keys()),
            by_id: Map::with_hasher(entropy.hash_keys()),
            by_user: Map::with_hasher(entropy.hash_keys()),
            next: 0,
            news: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self.calls.len() {
            // Nothing may be left in the others either.
            0 => self.by_id.len().max(self.by_user.len()),
            calls => calls,
        }
    }

    /// The number of the next call.
    pub(crate) fn next_no(&mut self) -> CallNo {
        self.next += 1;
        CallNo(self.next)
    }

    /// A call begins. `timer` will forget it.
    pub(crate) fn begin(
        &mut self,
        no: CallNo,
        call_id: &str,
        caller: Party,
        callee: Party,
        state: CallState,
        timer: TimerKey,
    ) {
        let call_id = call_id.into();
        let call =
            Call { call_id, caller, callee, state, claimed: false, replaced: false, replaces: None, timer };
        self.by_id.entry(call.call_id.clone()).or_default().insert(no);
        for (user, _) in call.users() {
            self.by_user.entry(user).or_default().insert(no);
        }
        self.calls.insert(no, call);
        self.news.push_back(News::Changed(no));
    }

    /// A provisional response that makes an early dialog.
    pub(crate) fn rings(&mut self, no: CallNo, response: &Message) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Some(tag) = response.to_tag().filter(|tag| tag.len() <= LONGEST) else { return };
        let server = match call.state {
            CallState::Trying { server } => server,
            CallState::Early { server } if call.callee.tag.is_empty() => server,
            // The branch that rang first stands for all.
            CallState::Early { .. } | CallState::Confirmed => return,
        };
        call.state = CallState::Early { server };
        call.callee.tag = tag.into();
        call.callee.reached(response);
        self.news.push_back(News::Changed(no));
    }

    /// A 2xx: they talk.
    pub(crate) fn answered(&mut self, no: CallNo, response: &Message) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        match call.state {
            CallState::Trying { .. } | CallState::Early { .. } => {}
            CallState::Confirmed => return,
        }
        call.state = CallState::Confirmed;
        let tag = response.to_tag().filter(|tag| tag.len() <= LONGEST);
        call.callee.tag = tag.unwrap_or_default().into();
        call.callee.reached(response);
        let replaces = call.replaces;
        self.news.push_back(News::Changed(no));
        if let Some(old) = replaces.and_then(|old| self.calls.get_mut(&old)) {
            old.replaced = true;
        }
    }

    /// It is over; the timer that would have forgotten it.
    pub(crate) fn end(&mut self, no: CallNo) -> Option<TimerKey> {
        let call = self.calls.remove(&no)?;
        if let Some(same) = self.by_id.get_mut(&call.call_id) {
            same.remove(&no);
            if same.is_empty() {
                self.by_id.remove(&call.call_id);
            }
        }
        for (user, _) in call.users() {
            if let Some(calls) = self.by_user.get_mut(&user) {
                calls.remove(&no);
                if calls.is_empty() {
                    self.by_user.remove(&user);
                }
            }
        }
        let timer = call.timer;
        self.news.push_back(News::Ended(no, Box::new(call)));
        if self.calls.is_empty() {
            self.calls.shrink_to(64);
            self.by_id.shrink_to(64);
        }
        Some(timer)
    }

    pub(crate) fn get(&self, no: CallNo) -> Option<&Call> {
        self.calls.get(&no)
    }

    pub(crate) fn get_mut(&mut self, no: CallNo) -> Option<&mut Call> {
        self.calls.get_mut(&no)
    }

    /// How many calls a user has.
    pub(crate) fn count_of(&self, user: UserId) -> usize {
        self.by_user.get(&user).map_or(0, BTreeSet::len)
    }

    /// The calls that a Replaces names by the tag of its receiver, who has this role in it. The other tag says no more: of a
    /// call that forks, only one is known here.
    pub(crate) fn named(&self, replaces: &Replaces) -> impl Iterator<Item = (CallNo, Role, &Call)> {
        let tag = &*replaces.to_tag;
        let of = self.by_id.get(&*replaces.call_id).into_iter().flatten();
        of.filter_map(|no| self.calls.get(no).map(|call| (*no, call))).filter_map(move |(no, call)| {
            let role = [Role::Caller, Role::Callee].into_iter().find(|role| *call.sides(*role).0.tag == *tag);
            role.map(|role| (no, role, call))
        })
    }

    /// The calls that a BYE ends, which may come from either side. One that was not answered ends with its INVITE.
    pub(crate) fn ended_by(&self, bye: &Message) -> Vec<CallNo> {
        let (from, to) = (bye.from_tag().unwrap_or_default(), bye.to_tag().unwrap_or_default());
        // A tag that is too long to be remembered stands for any.
        let fits = |party: &Party, tag: &str| party.tag.is_empty() || *party.tag == *tag;
        let ends = |no: &&CallNo| {
            self.calls.get(*no).filter(|call| call.state == CallState::Confirmed).is_some_and(|call| {
                let (caller, callee) = (&call.caller, &call.callee);
                fits(caller, from) && fits(callee, to) || fits(caller, to) && fits(callee, from)
            })
        };
        self.by_id.get(bye.call_id()).into_iter().flatten().filter(ends).copied().collect()
    }

    /// The calls of a user, oldest first.
    pub(crate) fn of_user(&self, user: UserId) -> impl Iterator<Item = (CallNo, Role, &Call)> {
        let numbers = self.by_user.get(&user).into_iter().flatten();
        numbers.filter_map(|no| self.calls.get(no).map(|call| (*no, call))).flat_map(move |(no, call)| {
            call.users().filter(move |(one, _)| *one == user).map(move |(_, role)| (no, role, call))
        })
    }

    /// The busy lamp of a user: flashing while it is alerted, steady while it is in a call.
    pub(crate) fn lamp(&self, user: UserId) -> LampState {
        let mut lamp = LampState::Off;
        for (_, role, call) in self.of_user(user) {
            match (role, call.state) {
                (Role::Callee, CallState::Early { .. }) => return LampState::Flash,
                (Role::Callee, CallState::Trying { .. }) => {}
                (Role::Caller, CallState::Trying { .. } | CallState::Early { .. })
                | (Role::Caller | Role::Callee, CallState::Confirmed) => lamp = LampState::Steady,
            }
        }
        lamp
    }

    /// What rings at a user and nobody picks up yet, oldest first, with the INVITE.
    pub(crate) fn ringing_at(&self, user: UserId) -> impl Iterator<Item = (CallNo, ServerId, &Call)> {
        self.of_user(user).filter_map(|(no, role, call)| match (role, call.state) {
            (Role::Callee, CallState::Trying { server } | CallState::Early { server }) if !call.claimed => {
                Some((no, server, call))
            }
            _ => None,
        })
    }

    /// What happened since; call until `None`.
    pub(crate) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::TimerQueue;
    use hookswitch_sip::message::{Limits, Method, Name, Request};

    fn party(user: u32, tag: &str) -> Party {
        let address = NameAddr::parse("<sip:x@example.org>").unwrap();
        Party::of(&address, Some(UserId(user))).tagged(tag)
    }

    fn bye(from: &str, to: &str) -> Message {
        let request = Request::new(Method::Bye, "sip:x@192.0.2.1")
            .via("UDP", "192.0.2.1:5060", "z9hG4bK1")
            .header(Name::From, format_args!("<sip:a@x>;tag={from}"))
            .header(Name::To, format_args!("<sip:b@x>;tag={to}"))
            .call_id("one")
            .cseq(1, Method::Bye);
        Message::parse(request.finish(), &Limits::default()).unwrap()
    }

    #[test]
    fn calls_of_one_name_are_told_apart_by_their_tags() {
        let mut calls = Calls::new(&mut Entropy::from_number(1));
        let mut timers = TimerQueue::new();
        let mut begin = |caller: &str, callee: &str| {
            let no = calls.next_no();
            let timer = timers.set(hookswitch_machine::Time::ZERO, ());
            calls.begin(no, "one", party(1, caller), party(2, callee), CallState::Confirmed, timer);
            no
        };
        let (first, second, third) = (begin("a", "b"), begin("a", "c"), begin("d", "a"));
        for (from, to, ended) in
            [("a", "b", vec![first]), ("c", "a", vec![second]), ("a", "d", vec![third]), ("b", "c", vec![])]
        {
            assert_eq!(calls.ended_by(&bye(from, to)), ended, "{from} {to}");
        }
        let replaces = |tag: &str| Replaces {
            call_id: "one".into(),
            to_tag: tag.into(),
            from_tag: "x".into(),
            early_only: false,
        };
        let named = |tag: &str| -> Vec<(CallNo, Role)> {
            calls.named(&replaces(tag)).map(|(no, role, _)| (no, role)).collect()
        };
        assert_eq!(named("b"), [(first, Role::Callee)]);
        assert_eq!(named("a"), [(first, Role::Caller), (second, Role::Caller), (third, Role::Callee)]);
        assert_eq!(named("e"), []);
    }
}
