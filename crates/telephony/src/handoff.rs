//! Ownership moves: hand-off to an application, a media type or an address, taking it, and stepping back from it.

use crate::calls::Phase;
use crate::request::HandOffTarget;
use crate::requests::Purpose;
use crate::shard::Shard;
use crate::{AppRequestId, Privilege, RequestError, SessionId, offer, unowned};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, MediaType, Operation, Provider};

/// What a hand-off came to.
pub(crate) enum HandedOff {
    /// Ownership has moved.
    Done,
    /// The provider will tell.
    Asked,
}

/// Hands a call to somebody else (lineHandoff). The session that does so stays an owner until it releases the call. A refusal
/// changes nothing.
pub(crate) fn hand_off(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    (session, request): (SessionId, AppRequestId),
    id: CallId,
    to: HandOffTarget,
) -> Result<HandedOff, RequestError> {
    let (phase, line) = shard.owned(session, id).map(|call| (call.phase(), call.line))?;
    let target = match to {
        HandOffTarget::Application(name) => named(shard, id, &name),
        HandOffTarget::Media(media) => first_for(shard, id, media),
        HandOffTarget::Address(destination) => {
            let deadline = shard.config.transfer_deadline;
            let away = match phase {
                Phase::Offered => Operation::Redirect { call: id, destination },
                Phase::Live | Phase::Disconnected | Phase::Idle => {
                    Operation::BlindTransfer { call: id, destination, deadline }
                }
            };
            shard.submit(now, provider, Some((session, request)), line, away, Purpose::Plain)?;
            return Ok(HandedOff::Asked);
        }
    };
    match target {
        None => Err(RequestError::TargetNotFound),
        Some(target) if target == session => Err(RequestError::TargetSelf),
        Some(target) => {
            let new = shard.calls.get(&id).is_some_and(|call| call.handles.get(target).is_none());
            offer::grant(shard, now, provider, id, target);
            if new && matches!(phase, Phase::Disconnected | Phase::Idle) {
                unowned::found_ended(shard, now, provider, target, id);
            }
            Ok(HandedOff::Done)
        }
    }
}

/// The first opener of that name, if it has opened the line as owner of something (spec C7, newest form).
fn named(shard: &Shard, id: CallId, name: &str) -> Option<SessionId> {
    let line = shard.lines.get(&shard.calls.get(&id)?.line)?;
    let mut owners = line.opens.iter().filter(|open| !open.interest.owner.is_empty());
    let named =
        owners.find(|open| shard.sessions.get(open.session).is_some_and(|s| s.is_here() && *s.name == *name));
    named.map(|open| open.session)
}

fn first_for(shard: &Shard, id: CallId, media: MediaType) -> Option<SessionId> {
    let line = shard.lines.get(&shard.calls.get(&id)?.line)?;
    // An interest in one address restricts first ownership only.
    line.first_for(media, None, &shard.sessions, &shard.config.priorities)
}

/// Makes the holder of a handle an owner; nobody can prevent it (spec 4.7).
pub(crate) fn take(shard: &mut Shard, now: Time, session: SessionId, id: CallId) -> Result<(), RequestError> {
    match shard.held(session, id)?.1 {
        Privilege::Owner => {}
        Privilege::Monitor => {
            set_privilege(shard, session, id, Privilege::Owner);
            shard.record_owner(now, id, session);
        }
    }
    Ok(())
}

/// Makes an owner a monitor; a call that is not idle keeps its last owner.
pub(crate) fn step_back(shard: &mut Shard, session: SessionId, id: CallId) -> Result<(), RequestError> {
    let (call, privilege) = shard.held(session, id)?;
    match privilege {
        Privilege::Monitor => Ok(()),
        Privilege::Owner if call.handles.owners() == 1 && call.phase() != Phase::Idle => {
            Err(RequestError::SoleOwner(id))
        }
        Privilege::Owner => {
            set_privilege(shard, session, id, Privilege::Monitor);
            Ok(())
        }
    }
}

fn set_privilege(shard: &mut Shard, session: SessionId, id: CallId, privilege: Privilege) {
    if let Some(call) = shard.calls.get_mut(&id) {
        call.handles.set(session, privilege);
    }
    shard.tell_owners(id, Some(session));
}
