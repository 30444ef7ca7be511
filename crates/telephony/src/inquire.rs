//! Questions: which calls there are, and what is known of them.

use crate::calls::{Phase, Stage};
use crate::shard::Shard;
use crate::{
    AppRequestId, CallSnapshot, Event, LineSnapshot, Privilege, RequestError, SessionId, SnapshotPart,
};
use hookswitch_spi::{AddressId, CallId, CallState, LineDescription, LineId, Provider};

/// Gives a session handles, as a monitor, to the calls of a line that it has none to (lineGetNewCalls); each call once. Calls
/// that have ended are not among them: nothing can be done with those any more.
pub(crate) fn existing_calls(
    shard: &mut Shard,
    provider: &dyn Provider,
    session: SessionId,
    line: LineId,
    address: Option<AddressId>,
) -> Result<Vec<CallSnapshot>, RequestError> {
    if !shard.sessions.get(session).is_some_and(|session| session.lines.contains(&line)) {
        return Err(RequestError::LineNotOpen(line));
    }
    let mut found = Vec::new();
    for id in shard.calls_of(line) {
        let Some(call) = shard.calls.get_mut(&id) else { continue };
        let over = match call.phase() {
            Phase::Offered | Phase::Live => false,
            Phase::Disconnected | Phase::Idle => true,
        };
        let elsewhere = address.is_some_and(|only| only != call.address);
        if over || elsewhere || call.stage != Stage::Known {
            continue;
        }
        found.extend(monitored(shard, provider, session, id, true));
    }
    Ok(found)
}

/// A call that the session becomes a monitor of, if it has no handle; `None` if it has one and only new ones are wanted.
fn monitored(
    shard: &mut Shard,
    provider: &dyn Provider,
    session: SessionId,
    id: CallId,
    only_new: bool,
) -> Option<CallSnapshot> {
    let dropped = shard.take_dropped(session, id);
    let call = shard.calls.get_mut(&id)?;
    if dropped {
        // Given back a moment ago: found again, as a monitor or still as its owner.
    } else if call.handles.get(session).is_some() {
        if only_new {
            return None;
        }
    } else {
        call.handles.set(session, Privilege::Monitor);
        shard.tell_owners(id, Some(session));
    }
    shard.snapshot(provider, session, id)
}

/// The conference that a call is or belongs to, then its members (lineGetConfRelatedCalls).
pub(crate) fn conference_calls(
    shard: &mut Shard,
    provider: &dyn Provider,
    session: SessionId,
    id: CallId,
) -> Result<Vec<CallSnapshot>, RequestError> {
    let (call, _) = shard.held(session, id)?;
    let line = call.line;
    let conference = match call.state {
        CallState::Conferenced(conference) => conference,
        _ => id,
    };
    let is_member = |call: &CallId| {
        let member = shard.calls.get(call).filter(|call| call.stage == Stage::Known);
        member.is_some_and(|call| call.state == CallState::Conferenced(conference))
    };
    let members: Vec<CallId> = shard.calls_of(line).into_iter().filter(is_member).collect();
    if members.is_empty() {
        return Err(RequestError::NoConference(id));
    }
    let all = std::iter::once(conference).chain(members);
    Ok(all.filter_map(|id| monitored(shard, provider, session, id, false)).collect())
}

/// A picture of all that a session knows, at this place in its stream.
pub(crate) fn picture(shard: &mut Shard, provider: &dyn Provider, session: SessionId, request: AppRequestId) {
    let mut states: Vec<LineDescription> = provider.lines();
    let lines = shard.sessions.get(session).map(|s| s.lines.clone()).unwrap_or_default();
    let mut parts = vec![SnapshotPart::Begin { request }];
    for line in lines {
        let Some(known) = states.iter_mut().find(|known| known.line == line) else { continue };
        let state = known.state.clone();
        let opens = shard.opens_of(session, line).collect();
        parts.push(SnapshotPart::Line(Box::new(LineSnapshot { line, state, opens })));
    }
    let calls = shard.snapshots(provider, session);
    parts.extend(calls.into_iter().map(|call| SnapshotPart::Call(Box::new(call))));
    parts.push(SnapshotPart::End { request });
    shard.events.extend(parts.into_iter().map(|part| (session, Event::Snapshot(part))));
}
