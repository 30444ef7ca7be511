//! Letting go on purpose: of a handle, of a line, of everything.

use crate::calls::{Phase, Stage};
use crate::requests::Purpose;
use crate::shard::{Due, Shard};
use crate::{OpenId, RequestError, SessionId, extension, unowned};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, LineId, Operation, OperationError, Provider};

/// Gives a handle back (lineDeallocateCall). The physical call is untouched unless it was the last handle. In the oldest version
/// the only owner of a call that is not idle cannot (spec C3).
pub(crate) fn release(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    id: CallId,
) -> Result<(), RequestError> {
    let (call, _) = shard.held(session, id)?;
    if shard.sessions.is_old(session) && call.handles.is_sole_owner(session) && call.phase() != Phase::Idle {
        return Err(RequestError::SoleOwner(id));
    }
    let_go(shard, now, provider, session, id);
    Ok(())
}

/// A handle was dropped without a word: that of a live call is given back a little later, if its holder is not lost by then.
pub(crate) fn let_go_soon(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    id: CallId,
) -> Result<(), RequestError> {
    match shard.held(session, id)?.0.phase() {
        Phase::Offered | Phase::Live => {
            if !shard.dropped.contains_key(&(session, id)) {
                let after = shard.config.limits.let_go_after;
                let key = shard.timers.set_after(now, after, Due::LetGo(session, id));
                shard.dropped.insert((session, id), key);
            }
        }
        Phase::Disconnected | Phase::Idle => let_go(shard, now, provider, session, id),
    }
    Ok(())
}

/// The time of [`let_go_soon`] has come.
pub(crate) fn let_go_now(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    id: CallId,
) {
    if shard.dropped.remove(&(session, id)).is_some() && shard.held(session, id).is_ok() {
        let_go(shard, now, provider, session, id);
    }
}

fn let_go(shard: &mut Shard, now: Time, provider: &mut dyn Provider, session: SessionId, id: CallId) {
    shard.take_dropped(session, id);
    if let Some(call) = shard.calls.get_mut(&id) {
        call.let_go(session);
    }
    shard.tell_owners(id, Some(session));
    unowned::settle(shard, now, provider, id);
}

/// Closes a line for a session (lineClose): calls that only it owns are dropped, without waiting for the drop to complete; its
/// other handles are given back. What it has outstanding completes when the provider has had its say: [`complete_rest`].
pub(crate) fn close_line(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    line: LineId,
) {
    for id in shard.calls_of(line) {
        let Some(call) = shard.calls.get(&id) else { continue };
        if call.handles.get(session).is_none() {
            continue;
        }
        if call.stage == Stage::Embryo {
            shard.close_call(now, provider, id);
            continue;
        }
        if call.handles.is_sole_owner(session) && call.phase() != Phase::Idle {
            let drop = Operation::drop(id);
            // A refusal changes nothing: the call is closed or left to its monitors all the same.
            let _refused = shard.submit(now, provider, None, line, drop, Purpose::Plain);
        }
        let_go(shard, now, provider, session, id);
    }
    leave_line(shard, now, provider, session, line);
}

/// Takes a session out of a line; the last one closes it at the provider, which ends whatever calls are left.
pub(crate) fn leave_line(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    id: LineId,
) {
    if let Some(session) = shard.sessions.get_mut(session) {
        session.lines.remove(&id);
    }
    extension::leave(shard, provider, session, id);
    let Some(line) = shard.lines.get_mut(&id) else { return };
    line.close(session);
    if !line.opens.is_empty() {
        shard.tell_opens(id, session, false);
        return shard.detect(provider, id);
    }
    for call in shard.calls_of(id) {
        shard.forget_call(call);
    }
    shard.lines.remove(&id);
    provider.close_line(now, id);
}

/// Takes back one opening of a line while the session keeps others. False: it was the only one, so the line is to be closed.
pub(crate) fn close_open(
    shard: &mut Shard,
    provider: &mut dyn Provider,
    session: SessionId,
    id: LineId,
    open: OpenId,
) -> Result<bool, RequestError> {
    let line = shard.lines.get_mut(&id).ok_or(RequestError::LineNotOpen(id))?;
    if !line.of(session).any(|known| known.id == open) {
        return Err(RequestError::NoSuchOpen(id, open));
    }
    let several = line.of(session).nth(1).is_some();
    if several {
        line.opens.retain(|known| known.id != open);
        shard.tell_opens(id, session, false);
        shard.detect(provider, id);
    }
    Ok(several)
}

/// Completes what a session still has outstanding about a line that it has closed while others keep it open.
pub(crate) fn complete_rest(shard: &mut Shard, session: SessionId, line: LineId) {
    for request in shard.requests.abandon(session, line) {
        shard.complete((session, request), Err(OperationError::Closed.into()));
    }
}
