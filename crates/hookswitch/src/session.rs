//! One attached application as the service keeps it: its requests on the way, its calls, its queue.

use crate::call::{Call, CallShared};
use crate::queue::{Congestion, Noted, Queue};
use crate::shards::{self, Shard};
use crate::token::SessionToken;
use crate::{Error, Event};
use dashmap::DashMap;
use hookswitch_engine::Request as EngineRequest;
use hookswitch_runtime::RequestError as DriverError;
use hookswitch_runtime::media::Media;
use hookswitch_spi::{CallId, CallInfo, CallState, StateKind};
use hookswitch_telephony::{AppRequestId, Privilege, Reply, Request, SessionId};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// The reply, and the handles of the calls that it brought.
pub(crate) type Answered = Result<(Reply, Vec<Call>), Error>;
pub(crate) type Answer = oneshot::Sender<Answered>;

/// A request on its way.
pub(crate) struct Asked {
    pub(crate) answer: Answer,
    /// Shards that have not answered yet.
    pub(crate) missing: usize,
    /// What the others said.
    pub(crate) so_far: Option<Result<Reply, Error>>,
    /// For whoever did not wait: what was asked, and of which call.
    pub(crate) what: &'static str,
    pub(crate) call: Option<CallId>,
}

/// Whom to wake at the end of a turn of the shard. Waking costs a system call and often the processor, so it is done once for all
/// that a turn had to tell, and after its messages were sent.
#[derive(Default)]
pub(crate) struct Wakes {
    sessions: Vec<Arc<Session>>,
    pub(crate) calls: Vec<Arc<CallShared>>,
    pub(crate) answers: Vec<(Answer, Answered)>,
}

impl Wakes {
    pub(crate) fn session(&mut self, session: &Arc<Session>) {
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
    pub(crate) shards: Arc<[Shard]>,
    pub(crate) queue: Queue,
    /// Changes whenever the service of a line does.
    pub(crate) line_news: watch::Sender<()>,
    pub(crate) pending: DashMap<u64, Asked>,
    calls: DashMap<CallId, Weak<CallShared>>,
    /// Calls that were announced and whose first state has not come yet.
    pub(crate) announced: Mutex<Vec<(CallId, Box<CallInfo>, Privilege)>>,
    /// Pictures on their way: which request asked, the number of the beginning, shards that have told their part.
    pub(crate) pictures: Mutex<Vec<(AppRequestId, u64, usize)>>,
    /// The beginning of the last picture that is complete.
    pub(crate) last_picture: AtomicU64,
    /// Why it was last told to start over.
    pub(crate) start_over: Mutex<Option<String>>,
    /// Held while the shards are told whether offers are wanted.
    telling: Mutex<()>,
    next: AtomicU64,
    /// What an application needs to come back.
    pub(crate) token: SessionToken,
    /// How long its calls wait for it, in milliseconds.
    grace: AtomicU64,
    /// A [`Presence`].
    presence: AtomicU8,
    /// Shards that have given it up.
    pub(crate) given_up: AtomicUsize,
}

/// Whether somebody acts for a session.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Presence {
    /// Its application does.
    Here,
    /// Its application was dropped without closing: nobody does, and what it is told is kept.
    Lost,
    /// It is coming back: some shards know, and not all of its calls have their handles yet.
    Returning,
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
            start_over: Mutex::new(None),
            telling: Mutex::new(()),
            next: AtomicU64::new(1),
            token,
            grace: AtomicU64::new(0),
            presence: AtomicU8::new(Presence::Here as u8),
            given_up: AtomicUsize::new(0),
        })
    }

    /// Its application is gone without a word: calls and events wait for it.
    pub(crate) fn lose(&self) {
        self.presence.store(Presence::Lost as u8, Ordering::SeqCst);
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

    /// Somebody wants to act for it again; false if somebody does already, or it is over.
    pub(crate) fn take_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst) == 0
            && self
                .presence
                .compare_exchange(
                    Presence::Lost as u8,
                    Presence::Returning as u8,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                )
                .is_ok()
    }

    /// It is back with everything that it had.
    pub(crate) fn is_back(&self) {
        self.presence.store(Presence::Here as u8, Ordering::SeqCst);
    }

    /// Nobody can hold handles of its calls.
    pub(crate) fn is_lost(&self) -> bool {
        self.presence.load(Ordering::SeqCst) == Presence::Lost as u8
    }

    /// Handles that are dropped are let go of, and calls without a handle are none of its business.
    pub(crate) fn is_here(&self) -> bool {
        self.presence.load(Ordering::SeqCst) == Presence::Here as u8
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
        if gone && self.is_here() {
            self.tell(Request::LetGo { call });
        }
    }

    pub(crate) fn known(&self, id: CallId) -> Option<Arc<CallShared>> {
        self.calls.get(&id).and_then(|weak| weak.upgrade())
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
            call.wake();
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
