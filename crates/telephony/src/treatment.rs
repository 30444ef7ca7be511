//! What the other side hears while nobody is there to talk to it.

use crate::requests::Purpose;
use crate::shard::Shard;
use crate::{Privilege, SessionId};
use hookswitch_machine::Time;
use hookswitch_spi::{AudioSource, CallId, Operation, Provider, StateKind, TimelineFact};

/// The owner of a live call is lost: its other side hears the treatment from now on.
pub(crate) fn begin(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: CallId) {
    let Some(source) = shard.config.lost_treatment.clone() else { return };
    let Some(call) = shard.calls.get_mut(&id) else { return };
    // A held call hears what is played to held calls; who still waits for an answer hears that.
    if call.state.kind() != StateKind::Connected {
        return;
    }
    call.audio().treated = true;
    play(shard, now, provider, id, source, "treatment: its owner is lost");
}

/// The owner is back: the other side hears what it heard before.
pub(crate) fn end(shard: &mut Shard, now: Time, provider: &mut dyn Provider, owner: SessionId, id: CallId) {
    let Some(call) = shard.calls.get_mut(&id) else { return };
    let owned = call.handles.get(owner) == Some(Privilege::Owner);
    let Some(audio) = call.audio.as_deref_mut().filter(|audio| owned && audio.treated) else { return };
    audio.treated = false;
    let source = audio.playing.clone();
    play(shard, now, provider, id, source, "its owner is back");
}

/// Plays something for nobody in particular. What the line cannot do it does not.
pub(crate) fn play(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    id: CallId,
    source: AudioSource,
    note: &'static str,
) {
    let Some(line) = shard.calls.get(&id).map(|call| call.line) else { return };
    shard.record(now, id, TimelineFact::Note(note));
    let _not_possible =
        shard.submit(now, provider, None, line, Operation::Play { call: id, source }, Purpose::Plain);
}
