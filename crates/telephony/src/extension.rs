//! Extension versions of a line: the first application that selects one fixes it for the others until all have let go of it.
//!
//! Nothing of an extension is possible for an application, and it hears nothing of it, unless it has selected a version itself
//! (lineSelectExtVersion, done for it by lineNegotiateExtVersion and lineOpen in TAPI).

use crate::opens::InForce;
use crate::shard::Shard;
use crate::{RequestError, SessionId};
use hookswitch_spi::{ExtensionVersion, LineError, LineId, Operation, OperationError, Provider};

/// Which version could be selected now (lineNegotiateExtVersion).
pub(crate) fn negotiate(
    shard: &Shard,
    provider: &dyn Provider,
    line: LineId,
    offered: (ExtensionVersion, ExtensionVersion),
) -> Result<ExtensionVersion, RequestError> {
    match shard.lines.get(&line).and_then(|line| line.extension.as_ref()) {
        Some(InForce { version, .. }) if offered.0 <= *version && *version <= offered.1 => Ok(*version),
        Some(_) => Err(LineError::IncompatibleExtension.into()),
        None => Ok(provider.negotiate_extension(line, offered)?),
    }
}

/// A session selects a version, or none any more.
pub(crate) fn select(
    shard: &mut Shard,
    provider: &mut dyn Provider,
    session: SessionId,
    id: LineId,
    wanted: ExtensionVersion,
) -> Result<(), RequestError> {
    if !shard.sessions.get(session).is_some_and(|session| session.lines.contains(&id)) {
        return Err(RequestError::LineNotOpen(id));
    }
    if wanted == ExtensionVersion::NONE {
        leave(shard, provider, session, id);
        return Ok(());
    }
    let line = shard.lines.get_mut(&id).ok_or(RequestError::LineNotOpen(id))?;
    match &mut line.extension {
        Some(InForce { version, users }) if *version == wanted => {
            if !users.contains(&session) {
                users.push(session);
            }
        }
        // Its only user may change its mind.
        Some(InForce { version, users }) if *users == [session] => {
            provider.select_extension(id, ExtensionVersion::NONE)?;
            if let Err(error) = provider.select_extension(id, wanted) {
                let before = *version;
                if provider.select_extension(id, before).is_err() {
                    line.extension = None;
                }
                return Err(error.into());
            }
            *version = wanted;
        }
        Some(_) => return Err(LineError::IncompatibleExtension.into()),
        None => {
            provider.select_extension(id, wanted)?;
            line.extension = Some(InForce { version: wanted, users: vec![session] });
        }
    }
    Ok(())
}

/// A session needs the extension no more; without anybody who does it is not in force.
pub(crate) fn leave(shard: &mut Shard, provider: &mut dyn Provider, session: SessionId, id: LineId) {
    let Some(line) = shard.lines.get_mut(&id) else { return };
    let Some(in_force) = &mut line.extension else { return };
    in_force.users.retain(|user| *user != session);
    if in_force.users.is_empty() {
        line.extension = None;
        // A provider that cannot let go of it goes on with it; nobody hears of it here.
        let _kept = provider.select_extension(id, ExtensionVersion::NONE);
    }
}

/// Whether a session may ask for this: what belongs to the extension only if it has selected a version that has it.
pub(crate) fn check(
    shard: &Shard,
    provider: &dyn Provider,
    session: SessionId,
    id: LineId,
    operation: &Operation,
) -> Result<(), RequestError> {
    let needed = match operation {
        Operation::Extension { command, .. } => command.since(),
        Operation::MakeCall { options, .. } if !options.headers.is_empty() => ExtensionVersion(1),
        Operation::SetupTransfer { consult, .. }
        | Operation::SetupConference { consult, .. }
        | Operation::PrepareAddToConference { consult, .. }
            if !consult.call.headers.is_empty() =>
        {
            ExtensionVersion(1)
        }
        _ => return Ok(()),
    };
    let name = provider.capabilities(id).and_then(|able| able.extension).map_or("none", |known| known.name);
    match shard.lines.get(&id).and_then(|line| line.extension.as_ref()) {
        Some(InForce { version, users }) if *version >= needed && users.contains(&session) => Ok(()),
        Some(_) | None => Err(OperationError::ExtensionNotSelected(name).into()),
    }
}
