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
                self.inform(Event::Info { call, changed }, wakes);
            }
            TelephonyEvent::Owners { call, owners, monitors } => {
                self.inform(Event::Owners { call, owners, monitors }, wakes);
            }
            TelephonyEvent::Digit { call, digit, duration } => {
                if let Some(call) = self.known(call) {
                    call.pressed(digit);
                    wakes.calls.push(call);
                }
                self.inform(Event::Digit { call, digit, duration }, wakes);
            }
            TelephonyEvent::Played { call } => self.inform(Event::Played { call }, wakes),
            TelephonyEvent::MediaFailed { call, message } => {
                self.inform(Event::MediaFailed { call, message }, wakes);
            }
            TelephonyEvent::CallForgotten { call } => self.forget(call),
            TelephonyEvent::LineState { line, state } => {
                self.line_news.send_replace(());
                self.note(Event::Line { line, state }, wakes);
            }
            TelephonyEvent::LineOpens { line, opened, opens } => {
                self.inform(Event::LineOpens { line, opened, opens }, wakes);
            }
            TelephonyEvent::Forwarding { line, address } => {
                self.inform(Event::Forwarding { line, address }, wakes);
            }
            TelephonyEvent::LineClosed { line } => self.note(Event::LineClosed { line }, wakes),
            TelephonyEvent::LineCreated { line } => self.note(Event::LineCreated { line }, wakes),
            TelephonyEvent::LineRemoved { line } => self.note(Event::LineRemoved { line }, wakes),
            TelephonyEvent::DigitBegun { call, digit } => {
                self.inform(Event::DigitBegun { call, digit }, wakes);
            }
            TelephonyEvent::Tone { call, tag } => self.inform(Event::Tone { call, tag }, wakes),
            TelephonyEvent::Media { call, media } => self.inform(Event::Media { call, media }, wakes),
            TelephonyEvent::Ringing { line, mode, count } => {
                self.inform(Event::Ringing { line, mode, count }, wakes);
            }
            TelephonyEvent::MessageWaiting { line, waiting, new, old } => {
                self.inform(Event::MessageWaiting { line, waiting, new, old }, wakes);
            }
            TelephonyEvent::CallCount { line, address, calls } => {
                self.inform(Event::CallCount { line, address, calls }, wakes);
            }
            TelephonyEvent::CompletionEnded { line, completion } => {
                self.note(Event::CompletionEnded { line, completion }, wakes);
            }
            TelephonyEvent::CapabilitiesChanged { line } => {
                self.inform(Event::CapabilitiesChanged { line }, wakes);
            }
            TelephonyEvent::Extension { line, event } => {
                self.inform(Event::Extension { line, event }, wakes);
            }
            TelephonyEvent::Reinitialise { why } => self.note(Event::Reinitialise { why }, wakes),
            TelephonyEvent::RequestWaiting => self.note(Event::RequestWaiting, wakes),
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
            self.note(Event::Completed { what: asked.what, call, result }, wakes);
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
        self.note(Event::State { call: id, state, privilege }, wakes);
    }

    /// What must not be missed.
    fn note(self: &Arc<Self>, event: Event, wakes: &mut Wakes) {
        self.push(Noted::Event(event), Weight::Essential, wakes);
    }

    /// What may be.
    fn inform(self: &Arc<Self>, event: Event, wakes: &mut Wakes) {
        self.push(Noted::Event(event), Weight::Informational, wakes);
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
