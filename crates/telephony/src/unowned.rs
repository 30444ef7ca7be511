//! What becomes of calls that nobody owns, and of calls that have ended.

use crate::calls::Phase;
use crate::config::{Treatment, Unowned};
use crate::requests::Purpose;
use crate::shard::Shard;
use crate::{Event, Privilege, SessionId};
use hookswitch_machine::Time;
use hookswitch_spi::{CallId, CallState, Operation, Provider, RejectReason, StateKind, TimelineFact};

/// Applies the policy to a call that has no owner (any more).
pub(crate) fn apply(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: CallId) {
    let Some(call) = shard.calls.get(&id) else { return };
    let (phase, line, nobody) = (call.phase(), call.line, call.handles.is_empty());
    match phase {
        Phase::Disconnected | Phase::Idle => return settle(shard, now, provider, id),
        Phase::Offered | Phase::Live => {}
    }
    if has_no_other_side(shard, id) {
        shard.record(now, id, TimelineFact::Note("nobody owns it, and it has no other side"));
        return drop_call(shard, now, provider, id, RejectReason::Default);
    }
    let policy = shard.config.unowned.clone();
    let note = match policy {
        Unowned::Leave => "nobody owns it",
        Unowned::Reject(_) => "nobody owns it: dropped by policy",
        Unowned::Forward(_) => "nobody owns it: sent away by policy",
        Unowned::Treatment(_) => "nobody owns it: treated by policy",
    };
    shard.record(now, id, TimelineFact::Note(note));
    match policy {
        Unowned::Leave if phase == Phase::Live && nobody => shard.close_call(now, provider, id),
        Unowned::Leave => {}
        Unowned::Treatment(treatment) => treat(shard, now, provider, id, treatment),
        Unowned::Reject(reason) => drop_call(shard, now, provider, id, reason),
        Unowned::Forward(destination) => {
            let deadline = shard.config.transfer_deadline;
            let away = if phase == Phase::Offered {
                Operation::Redirect { call: id, destination }
            } else {
                Operation::BlindTransfer { call: id, destination, deadline }
            };
            if shard.submit(now, provider, None, line, away, Purpose::SendAway).is_err() {
                drop_call(shard, now, provider, id, RejectReason::NoAnswer);
            }
        }
    }
}

/// Whether only an owner could ever end a call: nothing was sent for it yet, or it is a conference without members.
fn has_no_other_side(shard: &Shard, id: CallId) -> bool {
    let Some(call) = shard.calls.get(&id) else { return false };
    match call.state.kind() {
        StateKind::Dialtone | StateKind::Dialing => true,
        StateKind::OnHoldPendingConference => {
            let state_of = |member: &CallId| shard.calls.get(member).map(|call| &call.state);
            !shard.calls_of(call.line).iter().any(|of| state_of(of) == Some(&CallState::Conferenced(id)))
        }
        _ => false,
    }
}

/// Lets the other side of an unowned call hear something. What cannot be done is left as it is: offered to nobody, or dropped if
/// it is up and nobody has a handle to it.
fn treat(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: CallId, treatment: Treatment) {
    let Some(call) = shard.calls.get(&id) else { return };
    let (line, state) = (call.line, call.state.kind());
    let forgotten = call.phase() == Phase::Live && call.handles.is_empty();
    let operation = match (treatment, state) {
        (Treatment::Ringback, StateKind::Offering) => Operation::accept(id),
        (Treatment::Answered(source), StateKind::Offering | StateKind::Accepted) => {
            Operation::Answer { call: id, source, user_info: None }
        }
        (Treatment::Answered(source), StateKind::Connected) => Operation::Play { call: id, source },
        (Treatment::Ringback | Treatment::Answered(_), _) => {
            if forgotten {
                shard.close_call(now, provider, id);
            }
            return;
        }
    };
    let _not_possible = shard.submit(now, provider, None, line, operation, Purpose::Plain);
}

/// Sending an unowned call away failed after all.
pub(crate) fn not_sent_away(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: CallId) {
    let Some(call) = shard.calls.get(&id) else { return };
    if call.handles.owners() == 0 {
        drop_call(shard, now, provider, id, RejectReason::NoAnswer);
    }
}

/// Drops a call for nobody in particular; it is closed when idle, or at once if it cannot be dropped.
pub(crate) fn drop_call(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    id: CallId,
    reason: RejectReason,
) {
    let Some(call) = shard.calls.get(&id) else { return };
    let (line, nobody) = (call.line, call.handles.is_empty());
    let drop = Operation::Drop { call: id, reason, user_info: None };
    if shard.submit(now, provider, None, line, drop, Purpose::Plain).is_err() && nobody {
        shard.close_call(now, provider, id);
    }
}

/// Lets go of what is not needed of a call that has ended or lost a handle: without handles it is closed, without an owner the
/// shard itself takes it from disconnected to idle.
pub(crate) fn settle(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: CallId) {
    let Some(call) = shard.calls.get(&id) else { return };
    if call.handles.is_empty() {
        return shard.close_call(now, provider, id);
    }
    match call.phase() {
        Phase::Disconnected if call.handles.owners() == 0 => {
            drop_call(shard, now, provider, id, RejectReason::Default);
        }
        Phase::Live if call.handles.owners() == 0 && has_no_other_side(shard, id) => {
            drop_call(shard, now, provider, id, RejectReason::Default);
        }
        Phase::Disconnected | Phase::Idle | Phase::Offered | Phase::Live => {}
    }
}

/// A call has ended: its holders may keep it, but not without bound.
pub(crate) fn ended(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: CallId) {
    let Some(call) = shard.calls.get(&id) else { return };
    let mut surplus: Option<Vec<(SessionId, CallId)>> = None;
    let most = shard.config.limits.ended_calls_per_session;
    for (holder, _) in call.handles.iter() {
        let oldest = shard.sessions.get_mut(holder).and_then(|session| session.note_ended(id, most));
        if let Some(oldest) = oldest {
            surplus.get_or_insert_default().push((holder, oldest));
        }
    }
    for (holder, oldest) in surplus.into_iter().flatten() {
        take_back(shard, now, provider, holder, oldest);
    }
    settle(shard, now, provider, id);
}

/// Notes an ended call that a session found later.
pub(crate) fn found_ended(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    holder: SessionId,
    id: CallId,
) {
    let most = shard.config.limits.ended_calls_per_session;
    if let Some(oldest) = shard.sessions.get_mut(holder).and_then(|session| session.note_ended(id, most)) {
        take_back(shard, now, provider, holder, oldest);
    }
}

fn take_back(shard: &mut Shard, now: Time, provider: &mut dyn Provider, holder: SessionId, id: CallId) {
    shard.take_dropped(holder, id);
    let Some(call) = shard.calls.get_mut(&id) else { return };
    let Some(_privilege @ (Privilege::Owner | Privilege::Monitor)) = call.let_go(holder) else {
        return;
    };
    shard.tell(holder, Event::CallForgotten { call: id });
    shard.tell_owners(id, None);
    settle(shard, now, provider, id);
}
