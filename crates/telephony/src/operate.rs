//! What sessions ask of the provider: opening lines, and operations, for which they need the privilege.

use crate::opens::Open;
use crate::request::Interest;
use crate::requests::Purpose;
use crate::shard::{SettingMedia, Shard};
use crate::{AppRequestId, OpenId, RequestError, SessionId, extension, monitoring};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, AudioSource, Feature, InterfaceVersion, LineError, LineId, MediaType, MediaTypes, Operation,
    OperationError, Provider, Set, StatusKind, TransferMode, VersionRange,
};

/// The versions of the provider interface that this crate speaks.
const SPOKEN: VersionRange = VersionRange { low: InterfaceVersion::V1, high: InterfaceVersion::V1 };

/// Opens a line for a session (lineOpen); the first one opens it at the provider.
pub(crate) fn open_line(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    session: SessionId,
    id: LineId,
    interest: Interest,
) -> Result<OpenId, RequestError> {
    let most = shard.config.limits.lines_per_session;
    let opened = shard.sessions.get(session).ok_or(RequestError::NotAttached)?;
    if opened.lines.len() >= most as usize && !opened.lines.contains(&id) {
        return Err(RequestError::TooManyLines(most));
    }
    let most = shard.config.limits.opens_per_line;
    if shard.opens_of(session, id).count() >= most as usize {
        return Err(RequestError::TooManyOpens(most));
    }
    let possible = provider.capabilities(id).ok_or(LineError::NoSuchLine(id))?.media;
    let impossible =
        interest.owner.iter().filter(|one| *one != MediaType::Unknown && !possible.contains(*one));
    let impossible: MediaTypes = impossible.collect();
    if !impossible.is_empty() {
        return Err(LineError::UnsupportedMedia(impossible).into());
    }
    if let Some(address) = interest.address {
        let lines = provider.lines();
        let addresses = lines.iter().filter(|line| line.line == id).flat_map(|line| &line.addresses);
        if !addresses.into_iter().any(|known| known.address == address) {
            return Err(RequestError::NoSuchAddress(id));
        }
    }
    if !shard.lines.contains_key(&id) {
        let version = provider.negotiate(Some(id), SPOKEN)?;
        provider.open_line(now, id, version)?;
    }
    shard.last_open += 1;
    let open = OpenId(shard.last_open);
    shard.lines.entry(id).or_default().opens.push(Open { id: open, session, interest });
    if let Some(session) = shard.sessions.get_mut(session) {
        session.lines.insert(id);
    }
    shard.detect(provider, id);
    shard.tell_opens(id, session, true);
    Ok(open)
}

/// Chooses the news that come through an opening (lineSetStatusMessages).
pub(crate) fn set_status(
    shard: &mut Shard,
    provider: &mut dyn Provider,
    session: SessionId,
    id: LineId,
    open: OpenId,
    status: Set<StatusKind>,
) -> Result<(), RequestError> {
    let line = shard.lines.get_mut(&id).ok_or(RequestError::LineNotOpen(id))?;
    let theirs = line.opens.iter_mut().find(|known| known.id == open && known.session == session);
    theirs.ok_or(RequestError::NoSuchOpen(id, open))?.interest.status = status;
    shard.detect_status(provider, id);
    Ok(())
}

/// Asks the provider on behalf of a session. `Ok`: completes later.
pub(crate) fn operate(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    (session, request): (SessionId, AppRequestId),
    operation: Operation,
) -> Result<(), RequestError> {
    let feature = Feature::of(&operation);
    let (line, address) = match (operation.call(), operation.line()) {
        (Some(call), _) => {
            // Whoever watches may know, whoever owns may act.
            let call = if feature.needs_owner() {
                shard.owned(session, call)?
            } else {
                shard.held(session, call)?.0
            };
            (call.line, call.address)
        }
        (None, Some(line)) => (line, address_of(&operation)),
        (None, None) => {
            let nothing = "the request names neither a call nor a line".to_owned();
            return Err(OperationError::InvalidParameter(nothing).into());
        }
    };
    if let Some(other) = operation.other_call() {
        shard.owned(session, other)?;
    }
    if let Some(named) = operation.line().filter(|named| *named != line) {
        let elsewhere = format!("the call is on {line}, not on {named}");
        return Err(OperationError::InvalidParameter(elsewhere).into());
    }
    let purpose = if creates(&operation) { Purpose::Create(address) } else { Purpose::Plain };
    let opened = shard.sessions.get(session).is_some_and(|session| session.lines.contains(&line));
    if !opened {
        // A line that was removed is another mistake than one that is closed.
        return Err(match provider.capabilities(line) {
            Some(_) => RequestError::LineNotOpen(line),
            None => LineError::NoSuchLine(line).into(),
        });
    }
    extension::check(shard, provider, session, line, &operation)?;
    let about = operation.call();
    let widened = about.and_then(|id| monitoring::widened(shard.calls.get(&id)?, session, &operation));
    let (operation, wishes) = match widened {
        Some((operation, wishes)) => (operation, Some(wishes)),
        None => (operation, None),
    };
    let heard = heard_of(&operation);
    let setting = match &operation {
        Operation::SetMediaType { call, media } => Some((*call, *media)),
        _ => None,
    };
    let submitted = shard.submit(now, provider, Some((session, request)), line, operation, purpose)?;
    if let Some((call, media)) = setting {
        shard.setting_media.push(SettingMedia { request: submitted.request, call, session, media });
    }
    let Some(call) = submitted.created.or(about).and_then(|id| shard.calls.get_mut(&id)) else {
        return Ok(());
    };
    if let Some(playing) = heard.filter(|heard| *heard != AudioSource::Silence || call.audio.is_some()) {
        let audio = call.audio();
        (audio.playing, audio.treated) = (playing, false);
    }
    if let Some(wishes) = wishes {
        call.audio().wishes = wishes;
    }
    Ok(())
}

/// What the other side hears of a call after an operation, if that says so. Most hear nothing but a voice, which costs nothing.
fn heard_of(operation: &Operation) -> Option<AudioSource> {
    match operation {
        Operation::Answer { source, .. } | Operation::Play { source, .. } => Some(source.clone()),
        Operation::MakeCall { options, .. } => Some(options.source.clone()),
        _ => None,
    }
}

/// Whether a request brings a call into being that its session owns.
fn creates(operation: &Operation) -> bool {
    match operation {
        Operation::MakeCall { .. }
        | Operation::SetupTransfer { .. }
        | Operation::SetupConference { .. }
        | Operation::PrepareAddToConference { .. }
        | Operation::Unpark { .. }
        | Operation::Pickup { .. } => true,
        Operation::CompleteTransfer { mode, .. } => *mode == TransferMode::Conference,
        _ => false,
    }
}

/// The address that a request names; the first if it names none.
fn address_of(operation: &Operation) -> AddressId {
    match operation {
        Operation::MakeCall { address, .. }
        | Operation::Forward { address, .. }
        | Operation::SetupConference { address, .. }
        | Operation::Unpark { address, .. }
        | Operation::Pickup { address, .. } => *address,
        _ => AddressId(0),
    }
}
