//! From the provider's events to the sessions' events.
//!
//! The cost per event is one look-up of the call and one of each session that holds it; nothing is built where nobody listens.

use crate::calls::{Call, Handles, Phase, Stage};
use crate::event::{Event, Reply};
use crate::requests::Purpose;
use crate::shard::Shard;
use crate::{RequestError, offer, release, unowned};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallId, CallState, LineId, MediaTypes, OperationError, Outcome, Provider, ProviderEvent,
    RequestId, TimelineFact,
};

/// Handles everything the provider has to tell.
pub(crate) fn pump(shard: &mut Shard, now: Time, provider: &mut dyn Provider) {
    while let Some(event) = provider.poll_event() {
        one(shard, now, provider, event);
    }
}

fn one(shard: &mut Shard, now: Time, provider: &mut dyn Provider, event: ProviderEvent) {
    match event {
        ProviderEvent::Completed { request, result } => completed(shard, now, provider, request, result),
        ProviderEvent::NewCall { line, address, call } => arrived(shard, now, provider, line, address, call),
        ProviderEvent::CallState { call, state, media } => entered(shard, now, provider, call, state, media),
        ProviderEvent::CallInfo { call, changed } => {
            about(shard, call, || Event::CallInfo { call, changed });
        }
        ProviderEvent::Digit { call, digit, duration } => {
            about(shard, call, || Event::Digit { call, digit, duration });
        }
        ProviderEvent::Played { call } => about(shard, call, || Event::Played { call }),
        ProviderEvent::MediaFailed { call, message } => {
            about(shard, call, || Event::MediaFailed { call, message: message.clone() });
        }
        ProviderEvent::LineState { line, state } => {
            about_line(shard, line, || Event::LineState { line, state: state.clone() });
        }
        ProviderEvent::Forwarding { line, address } => {
            about_line(shard, line, || Event::Forwarding { line, address });
        }
        ProviderEvent::DigitBegun { call, digit } => about(shard, call, || Event::DigitBegun { call, digit }),
        ProviderEvent::Tone { call, tag } => about(shard, call, || Event::Tone { call, tag }),
        ProviderEvent::Media { call, media } => about(shard, call, || Event::Media { call, media }),
        ProviderEvent::Ringing { line, mode, count } => {
            about_line(shard, line, || Event::Ringing { line, mode, count });
        }
        ProviderEvent::MessageWaiting { line, waiting, new, old } => {
            about_line(shard, line, || Event::MessageWaiting { line, waiting, new, old });
        }
        ProviderEvent::CallCount { line, address, calls } => {
            about_line(shard, line, || Event::CallCount { line, address, calls });
        }
        ProviderEvent::CompletionEnded { line, completion } => {
            about_line(shard, line, || Event::CompletionEnded { line, completion });
        }
        ProviderEvent::CapabilitiesChanged { line } => {
            about_line(shard, line, || Event::CapabilitiesChanged { line });
        }
        ProviderEvent::Extension { line, event } => {
            about_line(shard, line, || Event::Extension { line, event: event.clone() });
        }
        ProviderEvent::CloseRequested { line, why: _ } => close_requested(shard, now, provider, line),
        ProviderEvent::Reinitialise { why } => {
            everybody(shard, || Event::Reinitialise { why: why.clone() });
        }
        ProviderEvent::LineCreated { line } => everybody(shard, || Event::LineCreated { line }),
        ProviderEvent::LineRemoved { line } => removed(shard, now, provider, line),
        ProviderEvent::Recorded(entry) => match entry.fact {
            // States, requests and ownership are recorded here, once.
            TimelineFact::State(_)
            | TimelineFact::Ended(_)
            | TimelineFact::Asked(..)
            | TimelineFact::Completed(..)
            | TimelineFact::Owner(_) => {}
            TimelineFact::Request { .. }
            | TimelineFact::Response { .. }
            | TimelineFact::Media(_)
            | TimelineFact::Note(_) => shard.timeline.push(entry),
        },
    }
}

fn completed(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    request: RequestId,
    result: Result<Outcome, OperationError>,
) {
    // A second completion finds nothing.
    let Some(pending) = shard.requests.take(request) else { return };
    let done = result.is_ok();
    if let Some(call) = pending.call {
        shard.record(now, call, TimelineFact::Completed(request, done));
    }
    let created = match &result {
        Ok(Outcome::Call(call) | Outcome::Conference { conference: call, .. }) => Some(*call),
        Ok(
            Outcome::Done
            | Outcome::Transferred(_)
            | Outcome::Parked(_)
            | Outcome::Completion(_)
            | Outcome::Gathered { .. }
            | Outcome::Statistics(_)
            | Outcome::Extension(_),
        )
        | Err(_) => None,
    };
    let consult = match &result {
        Ok(Outcome::Conference { consult, .. }) => *consult,
        Ok(_) | Err(_) => None,
    };
    if let Some(who) = pending.who {
        shard.complete(who, result.map(Reply::from).map_err(RequestError::from));
    }
    match (pending.purpose, pending.call.or(created)) {
        (Purpose::Create(address), Some(call)) if created == Some(call) => {
            born(shard, now, provider, call);
            if let Some(consult) = consult {
                match pending.who {
                    Some((session, _)) => {
                        shard.conceive(consult, pending.line, address, session);
                        born(shard, now, provider, consult);
                    }
                    None => provider.close_call(now, consult),
                }
            }
        }
        (Purpose::Create(_), Some(call)) => shard.forget_call(call),
        (Purpose::SendAway, Some(call)) if !done => unowned::not_sent_away(shard, now, provider, call),
        (Purpose::Create(_) | Purpose::SendAway | Purpose::Plain, _) => {}
    }
}

/// A call that a request created exists from now on.
fn born(shard: &mut Shard, now: Time, provider: &dyn Provider, id: CallId) {
    let Some(call) = shard.calls.get_mut(&id).filter(|call| call.stage == Stage::Embryo) else { return };
    call.stage = Stage::Known;
    let owner = call.handles.iter().next().map(|(session, _)| session);
    if let Some(owner) = owner {
        shard.record_owner(now, id, owner);
    }
    offer::show_to_monitors(shard, provider, id);
}

fn arrived(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    line: LineId,
    address: AddressId,
    call: CallId,
) {
    if shard.calls.contains_key(&call) {
        return;
    }
    if !shard.lines.contains_key(&line) {
        return provider.close_call(now, call);
    }
    if shard.calls.len() >= shard.config.limits.calls as usize {
        return provider.take_call(now, call, false);
    }
    let (state, media, handles) = (CallState::Unknown, MediaTypes::NONE, Handles::default());
    shard.add_call(call, Call { line, address, media, stage: Stage::Arriving, state, handles });
    provider.take_call(now, call, true);
}

fn entered(
    shard: &mut Shard,
    now: Time,
    provider: &mut dyn Provider,
    id: CallId,
    state: CallState,
    media: MediaTypes,
) {
    let Some(call) = shard.calls.get_mut(&id) else { return };
    let (stage, before) = (call.stage, call.phase());
    if before == Phase::Idle || stage == Stage::Embryo {
        return;
    }
    let kind = state.kind();
    let ended = match &state {
        CallState::Disconnected(end) => Some(end.mode),
        _ => None,
    };
    call.state = state;
    // What the search for an owner has taken out of an unknown offer stays out, until the offer becomes known.
    if stage == Stage::Arriving || !media.contains(hookswitch_spi::MediaType::Unknown) {
        call.media = media;
    }
    call.stage = Stage::Known;
    let phase = call.phase();
    shard.record(now, id, TimelineFact::State(kind));
    if let Some(mode) = ended {
        shard.record(now, id, TimelineFact::Ended(mode));
    }
    match (stage, phase) {
        (Stage::Arriving, Phase::Offered | Phase::Live) => {
            if !offer::offer(shard, now, provider, id) {
                unowned::apply(shard, now, provider, id);
            }
        }
        (Stage::Arriving, Phase::Disconnected | Phase::Idle) => unowned::settle(shard, now, provider, id),
        (Stage::Known | Stage::Embryo, _) => {
            let Shard { calls, sessions, events, .. } = shard;
            let Some(call) = calls.get(&id) else { return };
            for (session, _) in call.handles.iter() {
                if sessions.get(session).is_some_and(|s| s.hears()) {
                    let state = call.state.clone();
                    events.push_back((session, Event::CallState { call: id, state, privilege: None }));
                }
            }
            match (before, phase) {
                (Phase::Offered | Phase::Live, Phase::Disconnected | Phase::Idle) => {
                    unowned::ended(shard, now, provider, id);
                }
                (Phase::Disconnected, Phase::Idle) => unowned::settle(shard, now, provider, id),
                (Phase::Offered | Phase::Live | Phase::Disconnected | Phase::Idle, _) => {}
            }
        }
    }
}

/// Something about a call that changes nothing here.
fn about(shard: &mut Shard, call: CallId, event: impl FnMut() -> Event) {
    if shard.calls.get(&call).is_some_and(|call| call.stage == Stage::Known) {
        shard.tell_holders(call, None, event);
    }
}

fn about_line(shard: &mut Shard, line: LineId, mut event: impl FnMut() -> Event) {
    let Shard { lines, sessions, events, .. } = shard;
    let Some(line) = lines.get(&line) else { return };
    for open in line.opens.iter().filter(|open| sessions.get(open.session).is_some_and(|s| s.hears())) {
        events.push_back((open.session, event()));
    }
}

fn everybody(shard: &mut Shard, mut event: impl FnMut() -> Event) {
    for session in shard.sessions.hearing() {
        shard.events.push_back((session, event()));
    }
}

/// The provider wants a line closed: its applications lose it (LINE_CLOSE).
fn close_requested(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: LineId) {
    for call in shard.calls_of(id) {
        shard.close_call(now, provider, call);
    }
    let Some(line) = shard.lines.remove(&id) else { return };
    provider.close_line(now, id);
    for open in line.opens {
        release::complete_rest(shard, open.session, id);
        if let Some(session) = shard.sessions.get_mut(open.session) {
            session.lines.remove(&id);
        }
        shard.tell(open.session, Event::LineClosed { line: id });
    }
}

/// A line is gone for good: its calls are closed, then it, then everybody learns.
fn removed(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: LineId) {
    close_requested(shard, now, provider, id);
    everybody(shard, || Event::LineRemoved { line: id });
}
