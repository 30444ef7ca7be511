//! From what the shards tell a session to the events of its application. On the shards' threads: nothing here waits.

use crate::queue::{Congestion, Noted};
use crate::session::{Asked, Session, Wakes};
use crate::{Error, Event, shards};
use hookswitch_spi::{CallId, CallState};
use hookswitch_telephony::{AppRequestId, Event as TelephonyEvent, Privilege, Reply, SnapshotPart, Weight};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl Session {
    /// Takes what telephony tells this session. On the shard's thread: never waits.
    pub(crate) fn deliver(self: &Arc<Self>, event: TelephonyEvent, wakes: &mut Wakes) {
        let weight = event.weight();
        match event {
            TelephonyEvent::Completed { request, result } => {
                self.answer(request, result.map_err(Error::Failed), wakes);
            }
            TelephonyEvent::Refused { request, error } => {
                self.answer(request, Err(Error::Refused(error)), wakes)
            }
            TelephonyEvent::NewCall { call, privilege, info, .. } => {
                self.announced.lock().unwrap_or_else(PoisonError::into_inner).push((call, info, privilege));
            }
            TelephonyEvent::CallState { call, state, privilege } => self.state(call, state, privilege, wakes),
            TelephonyEvent::CallInfo { call, changed } => {
                self.hear(Event::Info { call, changed }, weight, wakes);
            }
            TelephonyEvent::Owners { call, owners, monitors } => {
                self.hear(Event::Owners { call, owners, monitors }, weight, wakes);
            }
            TelephonyEvent::Digit { call, digit, duration } => {
                if let Some(call) = self.known(call) {
                    call.pressed(digit);
                    wakes.calls.push(call);
                }
                self.hear(Event::Digit { call, digit, duration }, weight, wakes);
            }
            TelephonyEvent::Played { call } => self.hear(Event::Played { call }, weight, wakes),
            TelephonyEvent::MediaFailed { call, message } => {
                self.hear(Event::MediaFailed { call, message }, weight, wakes);
            }
            TelephonyEvent::CallForgotten { call } => self.forget(call),
            TelephonyEvent::LineState { line, state } => {
                self.line_news.send_replace(());
                self.hear(Event::Line { line, state }, weight, wakes);
            }
            TelephonyEvent::LineOpens { line, opened, opens } => {
                self.hear(Event::LineOpens { line, opened, opens }, weight, wakes);
            }
            TelephonyEvent::Forwarding { line, address } => {
                self.hear(Event::Forwarding { line, address }, weight, wakes);
            }
            TelephonyEvent::LineClosed { line } => self.hear(Event::LineClosed { line }, weight, wakes),
            TelephonyEvent::LineCreated { line } => self.hear(Event::LineCreated { line }, weight, wakes),
            TelephonyEvent::LineRemoved { line } => self.hear(Event::LineRemoved { line }, weight, wakes),
            TelephonyEvent::DigitBegun { call, digit } => {
                self.hear(Event::DigitBegun { call, digit }, weight, wakes);
            }
            TelephonyEvent::Tone { call, tag } => self.hear(Event::Tone { call, tag }, weight, wakes),
            TelephonyEvent::Media { call, media } => self.hear(Event::Media { call, media }, weight, wakes),
            TelephonyEvent::Ringing { line, mode, count } => {
                self.hear(Event::Ringing { line, mode, count }, weight, wakes);
            }
            TelephonyEvent::MessageWaiting { line, waiting, new, old } => {
                self.hear(Event::MessageWaiting { line, waiting, new, old }, weight, wakes);
            }
            TelephonyEvent::CallCount { line, address, calls } => {
                self.hear(Event::CallCount { line, address, calls }, weight, wakes);
            }
            TelephonyEvent::CompletionEnded { line, completion } => {
                self.hear(Event::CompletionEnded { line, completion }, weight, wakes);
            }
            TelephonyEvent::CapabilitiesChanged { line } => {
                self.hear(Event::CapabilitiesChanged { line }, weight, wakes);
            }
            TelephonyEvent::Extension { line, event } => {
                self.hear(Event::Extension { line, event }, weight, wakes);
            }
            TelephonyEvent::Reinitialise { why } => {
                let mut told = self.start_over.lock().unwrap_or_else(PoisonError::into_inner);
                // Each shard says so; once is enough.
                if told.as_ref() != Some(&why) {
                    *told = Some(why.clone());
                    self.hear(Event::Reinitialise { why }, weight, wakes);
                }
            }
            TelephonyEvent::RequestWaiting => self.hear(Event::RequestWaiting, weight, wakes),
            TelephonyEvent::Snapshot(part) => self.picture(part, wakes),
            TelephonyEvent::GivenUp => {
                self.given_up.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Each shard tells its part of a picture; together they are one.
    fn picture(self: &Arc<Self>, part: SnapshotPart, wakes: &mut Wakes) {
        let mut pictures = self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        match part {
            SnapshotPart::Begin { request } => {
                if !pictures.iter().any(|(of, ..)| *of == request) {
                    let begin = self.push(Noted::Event(Event::SnapshotBegin), Weight::Essential, wakes);
                    pictures.push((request, begin, 0));
                }
            }
            SnapshotPart::Line(line) => {
                self.push(Noted::Event(Event::SnapshotLine(line)), Weight::Essential, wakes);
            }
            SnapshotPart::Call(snapshot) => {
                let held = || self.call(snapshot.call, snapshot.state.clone(), snapshot.info.clone());
                let handle = (!self.is_lost()).then(held);
                self.push(Noted::Picture { snapshot, handle }, Weight::Essential, wakes);
            }
            SnapshotPart::End { request } => {
                let Some(place) = pictures.iter().position(|(of, ..)| *of == request) else { return };
                let Some((_, begin, told)) = pictures.get_mut(place) else { return };
                *told += 1;
                if *told < self.shards.len() {
                    return;
                }
                let begin = *begin;
                pictures.swap_remove(place);
                self.push(Noted::Event(Event::SnapshotEnd { begin }), Weight::Essential, wakes);
                self.last_picture.store(begin, Ordering::SeqCst);
            }
        }
    }

    fn answer(self: &Arc<Self>, request: AppRequestId, result: Result<Reply, Error>, wakes: &mut Wakes) {
        let Some((asked, result)) = self.complete_answer(request, result) else { return };
        if !self.is_here() && asked.answer.is_closed() {
            let call = match &result {
                Ok(Reply::Created(call) | Reply::Conference { conference: call, .. }) => Some(*call),
                Ok(_) | Err(_) => asked.call,
            };
            let result = result.as_ref().map(drop).map_err(Clone::clone);
            self.hear(Event::Completed { what: asked.what, call, result }, Weight::Essential, wakes);
        }
        let answered = result.map(|reply| {
            // The calls' handles exist before their events come. If nobody waits for them any more, they are let go of here.
            let calls = match &reply {
                Reply::Created(id) => vec![self.call(*id, CallState::Dialing, None)],
                Reply::Conference { conference, consult } => {
                    let calls = std::iter::once(conference).chain(consult);
                    calls.map(|id| self.call(*id, CallState::Unknown, None)).collect()
                }
                Reply::Calls(calls) | Reply::Attached { calls, .. } => calls
                    .iter()
                    .map(|call| self.call(call.call, call.state.clone(), call.info.clone()))
                    .collect(),
                _ => Vec::new(),
            };
            (reply, calls)
        });
        wakes.answers.push((asked.answer, answered));
    }

    /// The whole answer to a request, once every shard that was asked has said its part. An error of one is the answer.
    fn complete_answer(
        &self,
        request: AppRequestId,
        result: Result<Reply, Error>,
    ) -> Option<(Asked, Result<Reply, Error>)> {
        {
            let mut asked = self.pending.get_mut(&request.0)?;
            let whole = match (asked.so_far.take(), result) {
                (None, result) => result,
                (Some(Ok(first)), Ok(second)) => Ok(shards::merged(first, second)),
                (Some(Err(error)), _) | (Some(Ok(_)), Err(error)) => Err(error),
            };
            asked.missing = asked.missing.saturating_sub(1);
            asked.so_far = Some(whole);
            if asked.missing > 0 {
                return None;
            }
        }
        let (_, mut asked) = self.pending.remove(&request.0)?;
        let whole = asked.so_far.take()?;
        Some((asked, whole))
    }

    fn state(
        self: &Arc<Self>,
        id: CallId,
        state: CallState,
        privilege: Option<Privilege>,
        wakes: &mut Wakes,
    ) {
        let announced = {
            let mut list = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
            list.iter().position(|(call, ..)| *call == id).map(|at| list.swap_remove(at))
        };
        if let Some((_, info, granted)) = announced {
            let privilege = privilege.unwrap_or(granted);
            // One that is lost finds its calls when it comes back.
            let handle = (!self.is_lost()).then(|| self.call(id, state.clone(), Some(info)));
            self.push(Noted::Call { id, state, privilege, handle }, Weight::Essential, wakes);
            return;
        }
        let known = self.known(id);
        if known.is_none() && self.is_here() {
            // The application has let go of it.
            return;
        }
        if let Some(call) = known {
            call.entered(state.clone());
            wakes.calls.push(call);
        }
        self.hear(Event::State { call: id, state, privilege }, Weight::Essential, wakes);
    }

    fn hear(self: &Arc<Self>, event: Event, weight: Weight, wakes: &mut Wakes) {
        self.push(Noted::Event(event), weight, wakes);
    }

    fn push(self: &Arc<Self>, event: Noted, weight: Weight, wakes: &mut Wakes) -> u64 {
        wakes.session(self);
        let (number, congestion) = self.queue.push(event, weight);
        if congestion == Congestion::Begins {
            self.offers();
        }
        number
    }
}
