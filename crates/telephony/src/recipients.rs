//! Who gets the calls that other programs want to be made, and when they are told.

use crate::shard::Shard;
use crate::{CallRequest, Event, RequestError, SessionId};

/// Makes a session a recipient (lineRegisterRequestRecipient), or no recipient any more.
pub(crate) fn register(shard: &mut Shard, session: SessionId, wanted: bool) {
    if !wanted {
        return leave(shard, session);
    }
    if !shard.assisted.recipients.contains(&session) {
        shard.assisted.recipients.push(session);
    }
    announce(shard);
}

/// A session is no recipient any more, if it was one; what waits is for the next.
pub(crate) fn leave(shard: &mut Shard, session: SessionId) {
    if shard.assisted.remove(session) {
        announce(shard);
    }
}

/// A recipient is lost, and stays one if it comes back; until then another is told.
pub(crate) fn away(shard: &mut Shard, session: SessionId) {
    if shard.assisted.told.take_if(|told| *told == session).is_some() {
        announce(shard);
    }
}

/// Queues a call that somebody wants to be made (tapiRequestMakeCall); success means no more than that. With `hold` it waits
/// for a recipient that is about to register.
pub(crate) fn request(shard: &mut Shard, what: CallRequest, hold: bool) -> Result<(), RequestError> {
    if !what.fits() {
        return Err(RequestError::InvalidCallRequest(CallRequest::LONGEST));
    }
    let most = shard.config.limits.call_requests;
    if shard.assisted.waiting.len() >= most as usize {
        return Err(RequestError::RequestQueueFull(most));
    }
    if !hold && best(shard).is_none() {
        return Err(RequestError::NoRequestRecipient);
    }
    shard.assisted.waiting.push_back(what);
    announce(shard);
    Ok(())
}

/// Gives the oldest request to a recipient (lineGetRequest).
pub(crate) fn take(shard: &mut Shard, session: SessionId) -> Result<CallRequest, RequestError> {
    if !shard.assisted.recipients.contains(&session) {
        return Err(RequestError::NotRecipient);
    }
    shard.assisted.take().ok_or(RequestError::NoRequest)
}

/// The recipient that stands first, of those that are here.
fn best(shard: &Shard) -> Option<SessionId> {
    let here = shard.assisted.recipients.iter().filter_map(|id| {
        let session = shard.sessions.get(*id).filter(|session| session.is_here())?;
        Some((shard.config.priorities.recipient_rank(&session.name), *id))
    });
    here.min_by_key(|(rank, _)| *rank).map(|(_, id)| id)
}

/// Tells the best recipient that something waits, unless somebody was told already (LINE_REQUEST).
pub(crate) fn announce(shard: &mut Shard) {
    if shard.assisted.waiting.is_empty() || shard.assisted.told.is_some() {
        return;
    }
    if let Some(session) = best(shard) {
        shard.assisted.told = Some(session);
        shard.tell(session, Event::RequestWaiting);
    }
}
