//! Between the softswitch's thread and an application that uses its phones: answers find who waits for them, news are kept until
//! they are read.

use crate::phone_machine::{SwitchMachine, SwitchRequest};
use crate::{Error, Missed, PhoneEvent};
use hookswitch_runtime::{DriverHandle, RequestError};
use hookswitch_spi::PhoneId;
use hookswitch_telephony::{AppRequestId, PhoneError, PhoneNews, PhoneReply, PhoneRequest, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{mpsc, oneshot};

/// News that an application may leave unread; beyond it some are dropped, and how many is told.
const NEWS: usize = 1_024;

type Answer = Result<PhoneReply, PhoneError>;

/// All applications that use the phones.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    desks: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    desks: BTreeMap<SessionId, Weak<Desk>>,
    last: u64,
    stopped: bool,
}

/// One application that uses the phones.
#[derive(Debug)]
pub(crate) struct Desk {
    session: SessionId,
    handle: DriverHandle<SwitchMachine>,
    desks: Arc<Desks>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    waiting: BTreeMap<AppRequestId, oneshot::Sender<Answer>>,
    last: u64,
    /// `None` when the softswitch has stopped.
    news: Option<mpsc::Sender<PhoneEvent>>,
    missed: u64,
    /// What is open, or about to be.
    open: BTreeSet<PhoneId>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As an error of the public API.
pub(crate) fn overload<T>(error: &RequestError<T>) -> Error {
    match error {
        RequestError::Full(_) => Error::Overloaded,
        _ => Error::Stopped,
    }
}

impl Desks {
    /// Another application comes.
    pub(crate) fn attach(
        self: &Arc<Self>,
        handle: DriverHandle<SwitchMachine>,
    ) -> Result<(Arc<Desk>, mpsc::Receiver<PhoneEvent>), Error> {
        let mut known = locked(&self.desks);
        if known.stopped {
            return Err(Error::Stopped);
        }
        let session = SessionId(known.last + 1);
        handle.request(SwitchRequest::Attach(session)).map_err(|error| overload(&error))?;
        known.last = session.0;
        let (news, heard) = mpsc::channel(NEWS);
        let inner =
            Inner { waiting: BTreeMap::new(), last: 0, news: Some(news), missed: 0, open: BTreeSet::new() };
        let desk = Arc::new(Desk { session, handle, desks: Arc::clone(self), inner: Mutex::new(inner) });
        known.desks.insert(session, Arc::downgrade(&desk));
        Ok((desk, heard))
    }

    /// Something for one of them, from the softswitch's thread. Never waits.
    pub(crate) fn tell(&self, session: SessionId, news: PhoneNews) {
        let desk = locked(&self.desks).desks.get(&session).and_then(Weak::upgrade);
        if let Some(desk) = desk {
            desk.hear(news);
        }
    }

    /// The softswitch has stopped: nobody waits any longer.
    pub(crate) fn stop(&self) {
        let desks = {
            let mut known = locked(&self.desks);
            known.stopped = true;
            std::mem::take(&mut known.desks)
        };
        for desk in desks.into_values().filter_map(|desk| desk.upgrade()) {
            let mut inner = locked(&desk.inner);
            inner.news = None;
            inner.waiting.clear();
        }
    }
}

impl Desk {
    fn hear(&self, news: PhoneNews) {
        let event = match news {
            PhoneNews::Answered { request, result } => {
                if let Some(waiting) = locked(&self.inner).waiting.remove(&request) {
                    // Who asked may have lost interest.
                    let _ = waiting.send(result);
                }
                return;
            }
            PhoneNews::Created(phone) => PhoneEvent::Created(phone),
            PhoneNews::Removed(phone) => PhoneEvent::Removed(phone),
            PhoneNews::Changed { phone, part } => PhoneEvent::Changed { phone, part },
            PhoneNews::CapabilitiesChanged(phone) => PhoneEvent::CapabilitiesChanged(phone),
        };
        let mut inner = locked(&self.inner);
        let full = inner.news.as_ref().is_some_and(|news| news.try_send(event).is_err());
        inner.missed += u64::from(full);
    }

    /// How many news were lost since the last time.
    pub(crate) fn missed(&self) -> Option<Missed> {
        let missed = std::mem::take(&mut locked(&self.inner).missed);
        (missed > 0).then_some(Missed(missed))
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, what: PhoneRequest) -> Result<PhoneReply, Error> {
        let (answer, answered) = oneshot::channel();
        {
            let mut inner = locked(&self.inner);
            if inner.news.is_none() {
                return Err(Error::Stopped);
            }
            let request = AppRequestId(inner.last + 1);
            // The answer waits for the lock until the question is noted.
            let asked = self.handle.request(SwitchRequest::Phone(self.session, request, what));
            asked.map_err(|error| overload(&error))?;
            inner.last = request.0;
            inner.waiting.insert(request, answer);
        }
        answered.await.map_err(|_| Error::Stopped)?.map_err(Error::Phone)
    }

    /// A phone is about to be opened here; false if it is open already.
    pub(crate) fn reserve(&self, phone: PhoneId) -> bool {
        locked(&self.inner).open.insert(phone)
    }

    /// A phone is not open here any more, or never was.
    pub(crate) fn release(&self, phone: PhoneId) {
        locked(&self.inner).open.remove(&phone);
    }

    /// Closes a phone without waiting.
    pub(crate) fn close(&self, phone: PhoneId) {
        let mut inner = locked(&self.inner);
        // No question has this number, so nobody gets the answer. If it has stopped, nothing is open.
        let close = SwitchRequest::Phone(self.session, AppRequestId(0), PhoneRequest::Close(phone));
        let _ = self.handle.last_word(close);
        // Not before, or it would close what was opened meanwhile.
        inner.open.remove(&phone);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        locked(&self.desks.desks).desks.remove(&self.session);
        // If it has stopped, so has the session.
        let _ = self.handle.last_word(SwitchRequest::Detach(self.session));
    }
}
