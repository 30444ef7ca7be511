//! Questions: which calls there are, and what is known of them.

use crate::calls::{Phase, Stage};
use crate::shard::Shard;
use crate::{CallSnapshot, Privilege, RequestError, SessionId};
use hookswitch_spi::{LineId, Provider};

/// Gives a session handles, as a monitor, to the calls of a line that it has none to (lineGetNewCalls); each call once. Calls
/// that have ended are not among them: nothing can be done with those any more.
pub(crate) fn existing_calls(
    shard: &mut Shard,
    provider: &dyn Provider,
    session: SessionId,
    line: LineId,
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
        if over || call.stage != Stage::Known || call.handles.get(session).is_some() {
            continue;
        }
        call.handles.set(session, Privilege::Monitor);
        shard.tell_owners(id, Some(session));
        found.extend(shard.snapshot(provider, session, id));
    }
    Ok(found)
}
