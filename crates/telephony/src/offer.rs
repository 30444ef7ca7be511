//! How a call reaches its owner and its monitors: the first offer, and every later grant of ownership.

use crate::calls::Phase;
use crate::shard::Shard;
use crate::{Event, Privilege, SessionId};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, MediaTypes, Provider};

/// Gives a call that came in to exactly one owner and to all monitors of its line, and tells them. False: nobody owns it.
pub(crate) fn offer(shard: &mut Shard, now: Time, provider: &dyn Provider, id: CallId) -> bool {
    let Shard { calls, lines, sessions, config, .. } = shard;
    let Some(call) = calls.get_mut(&id) else { return false };
    let Some(line) = lines.get(&call.line) else { return false };
    let possible = provider.capabilities(call.line).map_or(MediaTypes::ALL, |able| able.media);
    let first = line.first_owner(call.media, possible, call.address, sessions, &config.priorities);
    for open in &line.opens {
        if first.is_some_and(|(owner, _)| owner == open.session) {
            call.handles.set(open.session, Privilege::Owner);
        } else if open.interest.monitor {
            call.handles.set(open.session, Privilege::Monitor);
        }
    }
    if let Some((_, left)) = first {
        call.media = left;
    }
    announce(shard, provider, id, None);
    if let Some((owner, _)) = first {
        shard.record_owner(now, id, owner);
    }
    first.is_some()
}

/// Tells one holder, or all, that there is a new call, and where it is.
fn announce(shard: &mut Shard, provider: &dyn Provider, id: CallId, only: Option<SessionId>) {
    let Shard { calls, events, .. } = shard;
    let Some(call) = calls.get(&id) else { return };
    let mut known = None;
    let mut hearing =
        call.handles.iter().filter(|(session, _)| only.is_none_or(|only| only == *session)).peekable();
    while let Some((session, privilege)) = hearing.next() {
        // Built only where somebody listens, and once; the last one gets it itself.
        if known.is_none() {
            known = provider.call_info(id).map(Box::new);
        }
        let info = if hearing.peek().is_some() { known.clone() } else { known.take() };
        if let Some(mut info) = info {
            info.media = call.media;
            let (line, address) = (call.line, call.address);
            events.push_back((session, Event::NewCall { line, address, call: id, privilege, info }));
        }
        let (state, privilege) = (call.state.clone(), Some(privilege));
        events.push_back((session, Event::CallState { call: id, state, privilege }));
    }
}

/// Lets the monitors of a line see a call that another application made (spec 4.8): unknown first, its state later.
pub(crate) fn show_to_monitors(shard: &mut Shard, provider: &dyn Provider, id: CallId) {
    let Shard { calls, lines, .. } = shard;
    let Some(call) = calls.get_mut(&id) else { return };
    let Some(line) = lines.get(&call.line) else { return };
    let mut added = Vec::new();
    for open in line.opens.iter().filter(|open| open.interest.monitor) {
        if call.handles.get(open.session).is_none() {
            call.handles.set(open.session, Privilege::Monitor);
            added.push(open.session);
        }
    }
    for session in added {
        announce(shard, provider, id, Some(session));
    }
}

/// Makes `to` an owner and tells it so, even if it was one already (spec 4.6); `from` caused it.
pub(crate) fn grant(shard: &mut Shard, now: Time, provider: &dyn Provider, id: CallId, to: SessionId) {
    let dropped = shard.take_dropped(to, id);
    let Some(call) = shard.calls.get_mut(&id) else { return };
    // A handle that its holder has dropped is a new one.
    let before = call.handles.get(to).filter(|_| !dropped);
    call.handles.set(to, Privilege::Owner);
    match before {
        None => announce(shard, provider, id, Some(to)),
        Some(Privilege::Owner | Privilege::Monitor) => {
            let state = call.state.clone();
            let privilege = Some(Privilege::Owner);
            shard.tell(to, Event::CallState { call: id, state, privilege });
        }
    }
    if before != Some(Privilege::Owner) {
        shard.record_owner(now, id, to);
        shard.tell_owners(id, Some(to));
    }
}

/// Gives a call whose owner is gone to the next candidate. False: there is none.
pub(crate) fn pass_on(shard: &mut Shard, now: Time, provider: &dyn Provider, id: CallId) -> bool {
    let Some(call) = shard.calls.get(&id) else { return false };
    match call.phase() {
        Phase::Offered | Phase::Live => {}
        Phase::Disconnected | Phase::Idle => return false,
    }
    let Some(line) = shard.lines.get(&call.line) else { return false };
    let possible = provider.capabilities(call.line).map_or(MediaTypes::ALL, |able| able.media);
    let priorities = &shard.config.priorities;
    let next = line.first_owner(call.media, possible, call.address, &shard.sessions, priorities);
    let Some((next, left)) = next else { return false };
    if let Some(call) = shard.calls.get_mut(&id) {
        call.media = left;
    }
    grant(shard, now, provider, id, next);
    true
}
