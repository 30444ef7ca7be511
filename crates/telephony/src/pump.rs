//! From the provider's events to the sessions' events.
//!
//! The cost per event is one look-up of the call and one of each session that holds it; nothing is built where nobody listens.

use crate::calls::{Call, Handles, Phase, Stage};
use crate::event::{Event, Reply};
use crate::monitoring::{self, Heard};
use crate::requests::Purpose;
use crate::shard::Shard;
use crate::{RequestError, SessionId, loss, offer, release, unowned};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallId, CallState, ExtensionEvent, InfoParts, LineId, MediaTypes, Operation, OperationError,
    Outcome, Provider, ProviderEvent, RequestId, StatusKind, TimelineFact,
};

/// Handles everything the provider has to tell.
pub(crate) fn pump(shard: &mut Shard, now: Time, provider: &mut dyn Provider) {
    while let Some(event) = provider.poll_event() {
        one(shard, now, provider, event);
    }
    if !shard.setting_media.is_empty() {
        let Shard { setting_media, requests, .. } = shard;
        setting_media.retain(|setting| requests.get(setting.request).is_some());
    }
}

fn one(shard: &mut Shard, now: Time, provider: &mut dyn Provider, event: ProviderEvent) {
    match event {
        ProviderEvent::Completed { request, result } => completed(shard, now, provider, request, result),
        ProviderEvent::NewCall { line, address, call } => arrived(shard, now, provider, line, address, call),
        ProviderEvent::CallState { call, state, media } => entered(shard, now, provider, call, state, media),
        ProviderEvent::CallInfo { call, changed } => {
            let setter = shard.setting_media.iter().find(|setting| setting.call == call);
            let knows = setter.map(|setting| setting.session).filter(|_| changed == InfoParts::MEDIA);
            about_those(shard, call, |_, holder| Some(holder) != knows, || Event::CallInfo { call, changed });
        }
        ProviderEvent::Digit { call, digit, duration } => {
            heard(shard, call, Heard::Digit, || Event::Digit { call, digit, duration });
        }
        ProviderEvent::Played { call } => about(shard, call, || Event::Played { call }),
        ProviderEvent::MediaFailed { call, message } => {
            about(shard, call, || Event::MediaFailed { call, message: message.clone() });
        }
        ProviderEvent::LineState { line, state } => {
            about_line(shard, line, StatusKind::Service, || Event::LineState { line, state: state.clone() });
        }
        ProviderEvent::Forwarding { line, address } => {
            about_line(shard, line, StatusKind::Forwarding, || Event::Forwarding { line, address });
        }
        ProviderEvent::DigitBegun { call, digit } => {
            heard(shard, call, Heard::DigitBegun, || Event::DigitBegun { call, digit });
        }
        ProviderEvent::Tone { call, tag } => {
            heard(shard, call, Heard::Tone(tag), || Event::Tone { call, tag });
        }
        ProviderEvent::Media { call, media } => {
            heard(shard, call, Heard::Media(media), || Event::Media { call, media });
        }
        ProviderEvent::Ringing { line, mode, count } => {
            about_line(shard, line, StatusKind::Ringing, || Event::Ringing { line, mode, count });
        }
        ProviderEvent::MessageWaiting { line, waiting, new, old } => {
            about_line(shard, line, StatusKind::MessageWaiting, || Event::MessageWaiting {
                line,
                waiting,
                new,
                old,
            });
        }
        ProviderEvent::CallCount { line, address, calls } => {
            about_line(shard, line, StatusKind::CallCount, || Event::CallCount { line, address, calls });
        }
        ProviderEvent::CompletionEnded { line, completion } => {
            about_line(shard, line, StatusKind::Completions, || Event::CompletionEnded { line, completion });
        }
        ProviderEvent::CapabilitiesChanged { line } => {
            capabilities_changed(shard, line);
        }
        ProviderEvent::Extension { line, event } => extended(shard, line, &event),
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
    if let Some(setting) = shard.setting_media.iter().find(|setting| setting.request == request)
        && let Some(call) = shard.calls.get_mut(&setting.call).filter(|_| done)
    {
        call.media = setting.media;
    }
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
    if let (None, Ok(Outcome::Completion(completion))) = (pending.who, &result) {
        // Who asked has closed the line, and was told that nothing comes of it.
        let (line, completion) = (pending.line, *completion);
        let uncomplete = Operation::UncompleteCall { line, completion };
        let _ended_already = shard.submit(now, provider, None, line, uncomplete, Purpose::Plain);
    }
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
    shard.add_call(call, Call::new(line, address, Stage::Arriving, Handles::default()));
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
            let Shard { calls, events, .. } = shard;
            let Some(call) = calls.get(&id) else { return };
            for (session, _) in call.handles.iter() {
                let state = call.state.clone();
                events.push_back((session, Event::CallState { call: id, state, privilege: None }));
            }
            match (before, phase) {
                (Phase::Offered | Phase::Live, Phase::Disconnected | Phase::Idle) => {
                    unowned::ended(shard, now, provider, id);
                }
                (Phase::Disconnected, Phase::Idle) => unowned::settle(shard, now, provider, id),
                (Phase::Offered | Phase::Live | Phase::Disconnected | Phase::Idle, _) => {
                    loss::answered(shard, now, provider, id);
                }
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

/// Something about a call that changes nothing here, for some of its holders.
fn about_those(
    shard: &mut Shard,
    id: CallId,
    wanted: impl Fn(&Call, SessionId) -> bool,
    mut event: impl FnMut() -> Event,
) {
    let Shard { calls, events, .. } = shard;
    let Some(call) = calls.get(&id).filter(|call| call.stage == Stage::Known) else { return };
    for (holder, _) in call.handles.iter().filter(|(holder, _)| wanted(call, *holder)) {
        events.push_back((holder, event()));
    }
}

/// Something heard in a call's audio, for the holders that want to know.
fn heard(shard: &mut Shard, call: CallId, heard: Heard, event: impl FnMut() -> Event) {
    about_those(shard, call, |call, holder| monitoring::wanted(call, holder, heard), event);
}

/// Something that the extension tells of a call, for the holders that have selected it.
fn extended(shard: &mut Shard, line: LineId, event: &ExtensionEvent) {
    let (ExtensionEvent::Received { call, .. } | ExtensionEvent::Stream { call }) = event;
    let in_force = shard.lines.get(&line).and_then(|line| line.extension.as_ref());
    let users = in_force.map(|extension| extension.users.clone()).unwrap_or_default();
    let selected = |_: &Call, holder| users.contains(&holder);
    about_those(shard, *call, selected, || Event::Extension { line, event: event.clone() });
}

/// Something about a line, for those who want such news.
fn about_line(shard: &mut Shard, line: LineId, news: StatusKind, mut event: impl FnMut() -> Event) {
    let Shard { lines, events, .. } = shard;
    let Some(line) = lines.get(&line) else { return };
    for session in line.hearing(news) {
        events.push_back((session, event()));
    }
}

/// Those who want to know; those who speak the oldest version must know in any case that they had better start over.
fn capabilities_changed(shard: &mut Shard, line: LineId) {
    let Some(entry) = shard.lines.get(&line) else { return };
    let mut told: Vec<SessionId> = entry.hearing(StatusKind::Capabilities).collect();
    let old = entry.sessions().into_iter().filter(|session| shard.sessions.is_old(*session));
    told.extend(old.filter(|session| !told.contains(session)).collect::<Vec<_>>());
    for session in told {
        shard.events.push_back((session, Event::CapabilitiesChanged { line }));
    }
}

fn everybody(shard: &mut Shard, mut event: impl FnMut() -> Event) {
    for session in shard.sessions.all() {
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
        // Once for each session, however often it has opened the line.
        if shard.sessions.get_mut(open.session).is_some_and(|session| session.lines.remove(&id)) {
            release::complete_rest(shard, open.session, id);
            shard.tell(open.session, Event::LineClosed { line: id });
        }
    }
}

/// A line is gone for good: its calls are closed, then it, then everybody learns.
fn removed(shard: &mut Shard, now: Time, provider: &mut dyn Provider, id: LineId) {
    close_requested(shard, now, provider, id);
    everybody(shard, || Event::LineRemoved { line: id });
}
