//! One attached application as the service keeps it: its requests on the way, its calls, its queue.

use crate::call::{Call, CallShared};
use crate::queue::{Congestion, Noted, Queue};
use crate::shards::{self, Shard};
use crate::{Error, Event};
use dashmap::DashMap;
use hookswitch_engine::Request as EngineRequest;
use hookswitch_runtime::RequestError as DriverError;
use hookswitch_runtime::media::Media;
use hookswitch_spi::{CallId, CallInfo, CallState, StateKind};
use hookswitch_telephony::{
    AppRequestId, Event as TelephonyEvent, Privilege, Reply, Request, SessionId, SnapshotPart, Weight,
};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
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
    /// For whoever did not wait: what was asked, and of which call.
    what: &'static str,
    call: Option<CallId>,
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
    /// Pictures on their way: which request asked, the number of the beginning, shards that have told their part.
    pictures: Mutex<Vec<(AppRequestId, u64, usize)>>,
    /// The beginning of the last picture that is complete.
    last_picture: AtomicU64,
    /// Held while the shards are told whether offers are wanted.
    telling: Mutex<()>,
    next: AtomicU64,
    /// What an application needs to come back.
    pub(crate) token: SessionToken,
    /// How long its calls wait for it, in milliseconds.
    grace: AtomicU64,
    /// Its application was dropped without closing: nobody acts for it, what it is told is kept.
    lost: AtomicBool,
    /// Shards that have given it up.
    given_up: AtomicUsize,
}

/// What an application shows to come back after it was lost, together with its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionToken {
    pub(crate) session: SessionId,
    secret: [u64; 2],
}

impl SessionToken {
    pub(crate) const fn new(session: SessionId, secret: [u64; 2]) -> Self {
        Self { session, secret }
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret is none of a log's business.
        write!(f, "SessionToken({})", self.session)
    }
}

impl Session {
    pub(crate) fn new(token: SessionToken, shards: Arc<[Shard]>) -> Arc<Self> {
        let id = token.session;
        Arc::new(Self {
            id,
            shards,
            queue: Queue::default(),
            line_news: watch::Sender::new(()),
            pending: DashMap::new(),
            calls: DashMap::new(),
            announced: Mutex::new(Vec::new()),
            pictures: Mutex::new(Vec::new()),
            last_picture: AtomicU64::new(0),
            telling: Mutex::new(()),
            next: AtomicU64::new(1),
            token,
            grace: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            given_up: AtomicUsize::new(0),
        })
    }

    /// Its application is gone without a word: calls and events wait for it.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        self.queue.let_go();
        self.tell(Request::Lost);
    }

    /// How long its calls wait for it.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace.load(Ordering::Relaxed))
    }

    pub(crate) fn set_grace(&self, grace: Duration) {
        self.grace.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Somebody acts for it again; false if somebody does already, or it is over.
    pub(crate) fn take_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst) == 0
            && self.lost.compare_exchange(true, false, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Whether all shards have given it up.
    pub(crate) fn is_over(&self) -> bool {
        self.given_up.load(Ordering::SeqCst) >= self.shards.len()
    }

    /// Asks for a picture of lines and calls; the number of its beginning.
    pub(crate) async fn snapshot(&self) -> Result<u64, Error> {
        self.request(Request::Snapshot).await?;
        Ok(self.last_picture.load(Ordering::SeqCst))
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
        let (name, call) = asked_for(&what);
        self.pending.insert(number, Asked { answer, missing, so_far: None, what: name, call });
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

    /// The handle that an event about a call is read with. A call that the session has no handle to any more is over for it.
    pub(crate) fn call_again(self: &Arc<Self>, id: CallId) -> Call {
        self.call(id, CallState::Idle, None)
    }

    /// The last handle of a call is gone: the application lets go of it, unless there is a newer one, made meanwhile, or the
    /// application is lost and is to find its calls when it comes back.
    pub(crate) fn let_go(&self, call: CallId) {
        let gone = self.calls.remove_if(&call, |_, handle| handle.strong_count() == 0).is_some();
        if gone && !self.is_lost() {
            self.tell(Request::LetGo { call });
        }
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
        if self.is_lost() && asked.answer.is_closed() {
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
        if known.is_none() && !self.is_lost() {
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

    /// The next event for the application with its number.
    pub(crate) fn next(self: &Arc<Self>) -> Option<(u64, Event)> {
        let (event, congestion) = self.queue.pop();
        if congestion == Congestion::Ends {
            self.offers();
        }
        let (number, event) = event?;
        Some((number, self.told(event)))
    }

    fn told(self: &Arc<Self>, event: Noted) -> Event {
        match event {
            Noted::Call { id, state, privilege, handle } => {
                let call = handle.unwrap_or_else(|| self.call_again(id));
                if state.kind() == StateKind::Offering && privilege == Privilege::Owner {
                    Event::Offered(call)
                } else {
                    Event::Appeared { call, state, privilege }
                }
            }
            Noted::Picture { snapshot, handle } => {
                let call = handle.unwrap_or_else(|| self.call_again(snapshot.call));
                Event::SnapshotCall { call, snapshot }
            }
            Noted::Event(event) => event,
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

/// The word for a request, and the call that it is about.
fn asked_for(what: &Request) -> (&'static str, Option<CallId>) {
    match what {
        Request::Operate(operation) => (operation.name(), operation.call()),
        Request::HandOff { call, .. } => ("hand off", Some(*call)),
        _ => ("request", None),
    }
}
