//! Sessions that are lost without a word, and those that come back.
//!
//! What was only offered to a lost session passes to the next candidate at once. Its live calls wait for its grace period, in
//! which it may come back and find them; the other side hears the treatment meanwhile. What there is to tell is told all the
//! same, for whoever keeps it until the session is back. Then its calls pass on too, or the unowned policy applies.

use crate::calls::{Phase, Stage};
use crate::event::Reply;
use crate::sessions::{Presence, Session};
use crate::shard::{Due, Shard};
use crate::{
    AppRequestId, Event, OpenLine, Privilege, RequestError, SessionId, downgrade, offer, recipients, release,
    treatment, unowned,
};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, LineId, Provider, StateKind, TimelineFact, VersionRange};
use std::time::Duration;

/// The longest name of an application, in octets.
pub(crate) const NAME_MOST: usize = 255;

/// What a session says of itself when it attaches.
pub(crate) struct Introduction {
    pub(crate) name: Box<str>,
    pub(crate) grace: Duration,
    pub(crate) versions: VersionRange,
    pub(crate) resume: Option<SessionId>,
}

/// Makes a session an application, or lets a lost one go on, under a new number if it has one.
pub(crate) fn attach(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    id: SessionId,
    Introduction { name, grace, versions, resume }: Introduction,
) -> Result<Reply, RequestError> {
    if name.is_empty() || name.len() > NAME_MOST {
        return Err(RequestError::InvalidName(name.len()));
    }
    if resume != Some(id) && shard.sessions.get(id).is_some() {
        return Err(RequestError::AlreadyAttached);
    }
    let version = match resume {
        Some(lost) => come_back(shard, now, provider, lost, id, &name, grace)?,
        None => {
            let version = downgrade::negotiate(versions)?;
            let most = shard.config.limits.sessions;
            if shard.sessions.len() >= most as usize {
                return Err(RequestError::TooManySessions(most));
            }
            shard.sessions.insert(id, Session::new(name, grace, version));
            version
        }
    };
    Ok(Reply::Attached { version, lines: opens(shard, id), calls: shard.snapshots(provider, id) })
}

fn opens(shard: &Shard, id: SessionId) -> Vec<OpenLine> {
    let lines = shard.sessions.get(id).into_iter().flat_map(|session| &session.lines);
    lines.flat_map(|line| shard.opens_of(id, *line)).collect()
}

fn come_back(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    lost: SessionId,
    new: SessionId,
    name: &str,
    grace: Duration,
) -> Result<hookswitch_spi::InterfaceVersion, RequestError> {
    if !shard.sessions.get(lost).is_some_and(|s| !s.is_here() && *s.name == *name) {
        return Err(RequestError::NothingToResume);
    }
    let mut session = shard.sessions.remove(lost).ok_or(RequestError::NothingToResume)?;
    if let Presence::Absent { until } = std::mem::replace(&mut session.presence, Presence::Present) {
        shard.timers.cancel(until);
    }
    session.grace = grace;
    let version = session.version;
    let lines: Vec<LineId> = session.lines.iter().copied().collect();
    shard.sessions.insert(new, session);
    if lost != new {
        rename(shard, lost, new, &lines);
    }
    for line in lines {
        shard.detect_media(provider, line);
        for call in shard.calls_of(line) {
            treatment::end(shard, now, provider, new, call);
        }
    }
    recipients::announce(shard);
    Ok(version)
}

fn rename(shard: &mut Shard, lost: SessionId, new: SessionId, lines: &[LineId]) {
    shard.requests.rename(lost, new);
    shard.assisted.rename(lost, new);
    for id in lines {
        if let Some(line) = shard.lines.get_mut(id) {
            for user in line.extension.iter_mut().flat_map(|extension| &mut extension.users) {
                if *user == lost {
                    *user = new;
                }
            }
            for open in line.opens.iter_mut().filter(|open| open.session == lost) {
                open.session = new;
            }
        }
        for call in shard.calls_of(*id) {
            if let Some(call) = shard.calls.get_mut(&call) {
                call.rename(lost, new);
            }
        }
    }
}

/// A session is gone without a word.
pub(crate) fn lost(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: SessionId) {
    let most = shard.config.limits.grace;
    let Some(session) = shard.sessions.get_mut(id).filter(|session| session.is_here()) else { return };
    let grace = session.grace.min(most);
    let until = shard.timers.set_after(now, grace, Due::Grace(id));
    // From here on it is offered nothing, not even its own calls.
    session.presence = Presence::Absent { until };
    if grace.is_zero() {
        shard.timers.cancel(until);
        return end(shard, now, provider, id);
    }
    let lines: Vec<LineId> = session.lines.iter().copied().collect();
    shard.keep_handles(id);
    recipients::away(shard, id);
    for line in lines {
        shard.detect_media(provider, line);
        for call in shard.calls_of(line) {
            without_owner(shard, now, provider, id, call);
        }
    }
}

/// The sole owner of a call is lost: an offered one passes on, a live one waits.
fn without_owner(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: SessionId, call: CallId) {
    let Some(entry) = shard.calls.get_mut(&call) else { return };
    if entry.stage != Stage::Known || !entry.handles.is_sole_owner(id) {
        return;
    }
    match entry.phase() {
        Phase::Disconnected | Phase::Idle => {}
        Phase::Live => {
            shard.record(now, call, TimelineFact::Note("its owner is lost"));
            treatment::begin(shard, now, provider, call);
        }
        Phase::Offered => {
            // It keeps the call in sight, so that it can take it back if nobody else has.
            entry.handles.set(id, Privilege::Monitor);
            shard.record(now, call, TimelineFact::Note("its owner is lost"));
            if !offer::pass_on(shard, now, provider, call) {
                shard.tell_owners(call, None);
                unowned::apply(shard, now, provider, call);
            }
        }
    }
}

/// A call entered another state: if it was answered while all its owners are lost, its other side hears the treatment from now on.
pub(crate) fn answered(shard: &mut Shard, now: Time, provider: &mut dyn Provider, call: CallId) {
    let Some(entry) = shard.calls.get(&call).filter(|entry| !entry.is_treated()) else { return };
    if entry.state.kind() != StateKind::Connected || entry.handles.owners() == 0 {
        return;
    }
    let is_here = |id| shard.sessions.get(id).is_some_and(|session| session.is_here());
    let is_owned = entry.handles.iter().any(|(id, privilege)| privilege == Privilege::Owner && is_here(id));
    if !is_owned {
        treatment::begin(shard, now, provider, call);
    }
}

/// The grace of a lost session has run out, or it had none.
pub(crate) fn end(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: SessionId) {
    let Some(session) = shard.sessions.get(id) else { return };
    let lines: Vec<LineId> = session.lines.iter().copied().collect();
    recipients::leave(shard, id);
    for line in lines {
        for call in shard.calls_of(line) {
            part(shard, now, provider, id, call);
        }
        let _nobody_waits = shard.requests.abandon(id, line);
        release::leave_line(shard, now, provider, id, line);
    }
    shard.tell(id, Event::GivenUp);
    shard.sessions.remove(id);
}

/// Takes one call away from a session that will not come back.
fn part(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: SessionId, call: CallId) {
    shard.take_dropped(id, call);
    let Some(entry) = shard.calls.get_mut(&call) else { return };
    let sole_owner = entry.handles.is_sole_owner(id);
    if entry.let_go(id).is_none() {
        return;
    }
    if entry.stage == Stage::Embryo {
        return shard.close_call(now, provider, call);
    }
    if sole_owner && offer::pass_on(shard, now, provider, call) {
        return;
    }
    shard.tell_owners(call, None);
    let Some(entry) = shard.calls.get(&call) else { return };
    if sole_owner || (entry.handles.is_empty() && entry.handles.owners() == 0) {
        unowned::apply(shard, now, provider, call);
    }
}

/// Answers to what a session asked before it was lost reach it like everything else; whether it asked under this number is what
/// [`Requests`](crate::requests::Requests) knows.
pub(crate) fn is_duplicate(shard: &mut Shard, id: SessionId, request: AppRequestId) -> bool {
    let Some(session) = shard.sessions.get_mut(id) else { return false };
    if request > session.highest {
        session.highest = request;
        return false;
    }
    shard.requests.is_outstanding(id, request)
}
