//! One attached application as the service keeps it: its requests on the way, its calls, its queue.

use crate::call::{Call, CallShared};
use crate::queue::{Congestion, Queue};
use crate::shards::{self, Shard};
use crate::{Error, Event};
use dashmap::DashMap;
use hookswitch_engine::Request as EngineRequest;
use hookswitch_runtime::RequestError as DriverError;
use hookswitch_runtime::media::Media;
use hookswitch_spi::{CallId, CallInfo, CallState};
use hookswitch_telephony::{AppRequestId, Event as TelephonyEvent, Privilege, Reply, Request, SessionId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{oneshot, watch};

/// The reply, and the handles of the calls that it brought.
type Answered = Result<(Reply, Vec<Call>), Error>;
type Answer = oneshot::Sender<Answered>;

/// A request on its way.
struct Asked {
    answer: Answer,
    /// Shards that have not answered yet.
    missing: usize,
    /// What the others said.
    so_far: Option<Result<Reply, Error>>,
}

/// Whom to wake at the end of a turn of the shard. Waking costs a system call and often the processor, so it is done once for all
/// that a turn had to tell, and after its messages were sent.
#[derive(Default)]
pub(crate) struct Wakes {
    sessions: Vec<Arc<Session>>,
    calls: Vec<Arc<CallShared>>,
    answers: Vec<(Answer, Answered)>,
}

impl Wakes {
    fn session(&mut self, session: &Arc<Session>) {
        if !self.sessions.iter().any(|known| Arc::ptr_eq(known, session)) {
            self.sessions.push(Arc::clone(session));
        }
    }

    /// Wakes them all.
    pub(crate) fn wake(&mut self) {
        for (answer, answered) in self.answers.drain(..) {
            // Nobody may wait any more.
            let _ = answer.send(answered);
        }
        for call in self.calls.drain(..) {
            call.wake();
        }
        for session in self.sessions.drain(..) {
            session.queue.wake();
        }
    }
}

/// Shared by the application's handles and the shard's sink.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    shards: Arc<[Shard]>,
    pub(crate) queue: Queue,
    /// Changes whenever the service of a line does.
    pub(crate) line_news: watch::Sender<()>,
    pending: DashMap<u64, Asked>,
    calls: DashMap<CallId, Weak<CallShared>>,
    /// Calls that were announced and whose first state has not come yet.
    announced: Mutex<Vec<(CallId, Box<CallInfo>, Privilege)>>,
    /// Held while the shards are told whether offers are wanted.
    telling: Mutex<()>,
    next: AtomicU64,
}

impl Session {
    pub(crate) fn new(id: SessionId, shards: Arc<[Shard]>) -> Arc<Self> {
        Arc::new(Self {
            id,
            shards,
            queue: Queue::default(),
            line_news: watch::Sender::new(()),
            pending: DashMap::new(),
            calls: DashMap::new(),
            announced: Mutex::new(Vec::new()),
            telling: Mutex::new(()),
            next: AtomicU64::new(1),
        })
    }

    /// Asks, and waits for the one answer.
    pub(crate) async fn request(&self, what: Request) -> Result<Reply, Error> {
        self.request_call(what).await.map(|(reply, _)| reply)
    }

    /// Asks for something that makes a call.
    pub(crate) async fn request_call(&self, what: Request) -> Answered {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let missing = shards::concerned(&what, self.shards.len()).map_or(self.shards.len(), |_| 1);
        self.pending.insert(number, Asked { answer, missing, so_far: None });
        if self.queue.is_closed() {
            // The application has left: nobody would pass the answer on.
            self.pending.remove(&number);
            return Err(Error::Stopped);
        }
        if let Err(error) = self.send(AppRequestId(number), what) {
            self.pending.remove(&number);
            return Err(error);
        }
        answered.await.unwrap_or(Err(Error::Stopped))
    }

    /// Says something that needs no answer and must not be lost: for handles that are dropped.
    pub(crate) fn tell(&self, what: Request) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let concerned = shards::concerned(&what, self.shards.len());
        for (n, shard) in self.shards.iter().enumerate() {
            if concerned.is_none_or(|only| only == n) {
                let (session, request) = (self.id, AppRequestId(number));
                // Only a driver that has stopped refuses it, and then there is nothing left to let go of.
                let _ =
                    shard.handle.last_word(EngineRequest::Session { session, request, what: what.clone() });
            }
        }
    }

    fn send(&self, request: AppRequestId, what: Request) -> Result<(), Error> {
        let to = |shard: &Shard, what: Request| {
            let request = EngineRequest::Session { session: self.id, request, what };
            shard.handle.request(request).map_err(|error| match error {
                DriverError::Full(_) => Error::Overloaded,
                _ => Error::Stopped,
            })
        };
        match shards::concerned(&what, self.shards.len()) {
            Some(shard) => self.shards.get(shard).map_or(Err(Error::Stopped), |shard| to(shard, what)),
            None => self.shards.iter().try_for_each(|shard| to(shard, what.clone())),
        }
    }

    /// The media threads that a call's audio runs on.
    pub(crate) fn media_of(&self, call: CallId) -> Option<&Media> {
        self.shards.get(usize::from(call.shard())).map(|shard| &*shard.media)
    }

    /// The handle of a call that this session has, made if there is none.
    pub(crate) fn call(self: &Arc<Self>, id: CallId, state: CallState, info: Option<Box<CallInfo>>) -> Call {
        if let Some(call) = self.calls.get(&id).and_then(|weak| weak.upgrade()) {
            return Call::from_shared(call);
        }
        let shared = CallShared::new(Arc::clone(self), id, state, info);
        self.calls.insert(id, Arc::downgrade(&shared));
        Call::from_shared(shared)
    }

    pub(crate) fn forget(&self, id: CallId) {
        self.calls.remove(&id);
    }

    /// The last handle of a call is gone; false if there is a newer one, made meanwhile.
    pub(crate) fn let_go(&self, id: CallId) -> bool {
        self.calls.remove_if(&id, |_, handle| handle.strong_count() == 0).is_some()
    }

    fn known(&self, id: CallId) -> Option<Arc<CallShared>> {
        self.calls.get(&id).and_then(|weak| weak.upgrade())
    }

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
                self.push(Event::Info { call, changed }, true, wakes)
            }
            TelephonyEvent::Owners { call, owners, monitors } => {
                self.push(Event::Owners { call, owners, monitors }, true, wakes);
            }
            TelephonyEvent::Digit { call, digit, duration } => {
                if let Some(call) = self.known(call) {
                    call.pressed(digit);
                    wakes.calls.push(call);
                }
                self.push(Event::Digit { call, digit, duration }, true, wakes);
            }
            TelephonyEvent::Played { call } => self.push(Event::Played { call }, true, wakes),
            TelephonyEvent::MediaFailed { call, message } => {
                self.push(Event::MediaFailed { call, message }, true, wakes)
            }
            TelephonyEvent::CallForgotten { call } => self.forget(call),
            TelephonyEvent::LineState { line, state } => {
                self.line_news.send_replace(());
                self.push(Event::Line { line, state }, false, wakes);
            }
            TelephonyEvent::Forwarding { line, address } => {
                self.push(Event::Forwarding { line, address }, true, wakes)
            }
            TelephonyEvent::LineClosed { line } => self.push(Event::LineClosed { line }, false, wakes),
            TelephonyEvent::DigitBegun { call, digit } => {
                self.push(Event::DigitBegun { call, digit }, true, wakes)
            }
            TelephonyEvent::Tone { call, tag } => self.push(Event::Tone { call, tag }, true, wakes),
            TelephonyEvent::Media { call, media } => self.push(Event::Media { call, media }, true, wakes),
            TelephonyEvent::Ringing { line, mode, count } => {
                self.push(Event::Ringing { line, mode, count }, true, wakes)
            }
            TelephonyEvent::MessageWaiting { line, waiting, new, old } => {
                self.push(Event::MessageWaiting { line, waiting, new, old }, true, wakes)
            }
            TelephonyEvent::CallCount { line, address, calls } => {
                self.push(Event::CallCount { line, address, calls }, true, wakes)
            }
            TelephonyEvent::CompletionEnded { line, completion } => {
                self.push(Event::CompletionEnded { line, completion }, false, wakes)
            }
            TelephonyEvent::CapabilitiesChanged { line } => {
                self.push(Event::CapabilitiesChanged { line }, true, wakes)
            }
            TelephonyEvent::Extension { line, event } => {
                self.push(Event::Extension { line, event }, true, wakes)
            }
            TelephonyEvent::Reinitialise { why } => self.push(Event::Reinitialise { why }, false, wakes),
            TelephonyEvent::LineCreated { line } => self.push(Event::LineCreated { line }, false, wakes),
            TelephonyEvent::LineRemoved { line } => self.push(Event::LineRemoved { line }, false, wakes),
        }
    }

    fn answer(self: &Arc<Self>, request: AppRequestId, result: Result<Reply, Error>, wakes: &mut Wakes) {
        let Some((answer, result)) = self.complete_answer(request, result) else { return };
        let answered = result.map(|reply| {
            // The calls' handles exist before their events come. If nobody waits for them any more, they are let go of here.
            let calls = match &reply {
                Reply::Created(id) => vec![self.call(*id, CallState::Dialing, None)],
                Reply::Calls(calls) => calls
                    .iter()
                    .map(|call| self.call(call.call, call.state.clone(), call.info.clone()))
                    .collect(),
                _ => Vec::new(),
            };
            (reply, calls)
        });
        wakes.answers.push((answer, answered));
    }

    /// The whole answer to a request, once every shard that was asked has said its part. An error of one is the answer.
    fn complete_answer(
        &self,
        request: AppRequestId,
        result: Result<Reply, Error>,
    ) -> Option<(Answer, Result<Reply, Error>)> {
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
        let (_, Asked { answer, so_far, .. }) = self.pending.remove(&request.0)?;
        Some((answer, so_far?))
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
            let call = self.call(id, state.clone(), Some(info));
            let privilege = privilege.unwrap_or(granted);
            let event = match (&state, privilege) {
                (CallState::Offering(_), Privilege::Owner) => Event::Offered(call),
                _ => Event::Appeared { call, state, privilege },
            };
            self.push(event, false, wakes);
            return;
        }
        if let Some(call) = self.known(id) {
            call.entered(state.clone());
            wakes.calls.push(call);
            self.push(Event::State { call: id, state, privilege }, false, wakes);
        }
    }

    fn push(self: &Arc<Self>, event: Event, informational: bool, wakes: &mut Wakes) {
        wakes.session(self);
        if self.queue.push(event, informational) == Congestion::Begins {
            self.offers();
        }
    }

    /// Tells the shards whether this session can take offers now. Whoever tells last tells what is so then.
    pub(crate) fn offers(&self) {
        let _in_turn = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = !self.queue.is_congested();
        for shard in self.shards.iter() {
            let _ = shard.handle.last_word(EngineRequest::Offers { session: self.id, wanted });
        }
    }

    /// The service has ended: nobody will answer any more.
    pub(crate) fn close(&self) {
        self.queue.close();
        self.pending.clear();
        // Nothing more will be heard of the calls: whoever waits for their end has waited long enough.
        let calls: Vec<Arc<CallShared>> = self.calls.iter().filter_map(|call| call.upgrade()).collect();
        for call in calls {
            call.entered(CallState::Idle);
        }
    }
}
