//! Sessions that are lost without a word, and those that come back.
//!
//! What was only offered to a lost session passes to the next candidate at once. Its live calls wait for its grace period, in
//! which it may come back and find them; then they pass on too, or the unowned policy applies.

use crate::calls::{Phase, Stage};
use crate::event::Reply;
use crate::sessions::{Presence, Session};
use crate::shard::Shard;
use crate::{AppRequestId, Event, Privilege, RequestError, SessionId, offer, release, unowned};
use hookswitch_machine::Time;
use hookswitch_spi::{LineId, Provider, TimelineEntry, TimelineFact};
use std::time::Duration;

/// The longest name of an application, in octets.
pub(crate) const NAME_MOST: usize = 255;

/// Makes a session an application, or lets a lost one go on under a new number. Completes the request itself: the completions
/// that were missed come after it.
pub(crate) fn attach(
    shard: &mut Shard,
    provider: &mut dyn Provider,
    (session, request): (SessionId, AppRequestId),
    name: Box<str>,
    grace: Duration,
    resume: Option<SessionId>,
) -> Result<(), RequestError> {
    if name.is_empty() || name.len() > NAME_MOST {
        return Err(RequestError::InvalidName(name.len()));
    }
    if resume != Some(session) && shard.sessions.get(session).is_some() {
        return Err(RequestError::AlreadyAttached);
    }
    let missed = match resume {
        Some(lost) => come_back(shard, provider, lost, session, &name, grace)?,
        None => {
            let most = shard.config.limits.sessions;
            if shard.sessions.len() >= most as usize {
                return Err(RequestError::TooManySessions(most));
            }
            shard.sessions.insert(session, Session::new(name, grace));
            Vec::new()
        }
    };
    let lines = shard.sessions.get(session).map(|s| s.lines.iter().copied().collect()).unwrap_or_default();
    let calls = shard.snapshots(provider, session);
    shard.tell(session, Event::Completed { request, result: Ok(Reply::Attached { lines, calls }) });
    for (request, result) in missed {
        shard.tell(session, Event::Completed { request, result });
    }
    Ok(())
}

fn come_back(
    shard: &mut Shard,
    provider: &mut dyn Provider,
    lost: SessionId,
    new: SessionId,
    name: &str,
    grace: Duration,
) -> Result<Vec<crate::sessions::Missed>, RequestError> {
    if !shard.sessions.get(lost).is_some_and(|s| !s.hears() && *s.name == *name) {
        return Err(RequestError::NothingToResume);
    }
    let mut session = shard.sessions.remove(lost).ok_or(RequestError::NothingToResume)?;
    let missed = match std::mem::replace(&mut session.presence, Presence::Present) {
        Presence::Absent { until, missed } => {
            shard.graces.cancel(until);
            missed
        }
        Presence::Present | Presence::Busy => Vec::new(),
    };
    session.grace = grace;
    let lines: Vec<LineId> = session.lines.iter().copied().collect();
    shard.sessions.insert(new, session);
    shard.requests.rename(lost, new);
    for id in lines {
        if let Some(line) = shard.lines.get_mut(&id) {
            for open in line.opens.iter_mut().filter(|open| open.session == lost) {
                open.session = new;
            }
        }
        for call in shard.calls_of(id) {
            if let Some(call) = shard.calls.get_mut(&call) {
                call.handles.rename(lost, new);
            }
        }
        shard.detect_media(provider, id);
    }
    Ok(missed)
}

/// A session is gone without a word.
pub(crate) fn lost(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: SessionId) {
    let most = shard.config.limits.grace;
    let Some(session) = shard.sessions.get_mut(id).filter(|session| session.hears()) else { return };
    let grace = session.grace.min(most);
    let until = shard.graces.set_after(now, grace, id);
    session.presence = Presence::Absent { until, missed: Vec::new() };
    if grace.is_zero() {
        shard.graces.cancel(until);
        return end(shard, now, provider, id);
    }
    let lines: Vec<LineId> = session.lines.iter().copied().collect();
    for line in lines {
        shard.detect_media(provider, line);
        for call in shard.calls_of(line) {
            let Some(entry) = shard.calls.get_mut(&call) else { continue };
            let offered = entry.stage == Stage::Known && entry.phase() == Phase::Offered;
            if !offered || !entry.handles.is_sole_owner(id) {
                continue;
            }
            shard.timeline.push(TimelineEntry {
                at: now,
                call,
                fact: TimelineFact::Note("its owner is lost"),
            });
            // It keeps the call in sight, so that it can take it back if nobody else has.
            entry.handles.set(id, Privilege::Monitor);
            if !offer::pass_on(shard, now, provider, call) {
                shard.tell_owners(call, Some(id));
                unowned::apply(shard, now, provider, call);
            }
        }
    }
}

/// The grace of lost sessions has run out, or they had none.
pub(crate) fn expire(shard: &mut Shard, now: Time, provider: &mut dyn Provider) {
    while let Some(id) = shard.graces.pop(now) {
        end(shard, now, provider, id);
    }
}

fn end(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: SessionId) {
    let Some(session) = shard.sessions.get(id) else { return };
    let lines: Vec<LineId> = session.lines.iter().copied().collect();
    for line in lines {
        for call in shard.calls_of(line) {
            part(shard, now, provider, id, call);
        }
        let _nobody_waits = shard.requests.abandon(id, line);
        release::leave_line(shard, now, provider, id, line);
    }
    shard.sessions.remove(id);
}

/// Takes one call away from a session that will not come back.
fn part(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    id: SessionId,
    call: hookswitch_spi::CallId,
) {
    let Some(entry) = shard.calls.get_mut(&call) else { return };
    let sole_owner = entry.handles.is_sole_owner(id);
    if entry.handles.remove(id).is_none() {
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
