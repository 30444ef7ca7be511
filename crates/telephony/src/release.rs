//! Letting go on purpose: of a handle, of a line, of everything.

use crate::calls::{Phase, Stage};
use crate::requests::Purpose;
use crate::shard::Shard;
use crate::{RequestError, SessionId, unowned};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, LineId, Operation, OperationError, Provider};

/// Gives a handle back (lineDeallocateCall). The physical call is untouched unless it was the last handle.
pub(crate) fn release(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    id: CallId,
) -> Result<(), RequestError> {
    shard.held(session, id)?;
    let_go(shard, now, provider, session, id);
    Ok(())
}

fn let_go(shard: &mut Shard, now: Time, provider: &mut dyn Provider, session: SessionId, id: CallId) {
    if let Some(call) = shard.calls.get_mut(&id) {
        call.handles.remove(session);
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
    let Some(line) = shard.lines.get_mut(&id) else { return };
    line.close(session);
    if !line.opens.is_empty() {
        return shard.detect_media(provider, id);
    }
    for call in shard.calls_of(id) {
        shard.forget_call(call);
    }
    shard.lines.remove(&id);
    provider.close_line(now, id);
}

/// Completes what a session still has outstanding about a line that it has closed while others keep it open.
pub(crate) fn complete_rest(shard: &mut Shard, session: SessionId, line: LineId) {
    for request in shard.requests.abandon(session, line) {
        shard.complete((session, request), Err(OperationError::Closed.into()));
    }
}
