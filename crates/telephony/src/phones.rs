//! The application side of phones: who has one open, who may change it, and who hears of it.
//!
//! Phones are devices of their own beside lines, and may come from another provider: a [`Phones`] stands on one
//! [`PhoneProvider`], knows sessions by the same numbers, and is driven like [`Telephony`](crate::Telephony). A phone has at
//! most one owner and any number of monitors; only the owner changes it.

use crate::{AppRequestId, SessionId};
use hookswitch_spi::{
    PhoneCapabilities, PhoneDescription, PhoneEvent, PhoneFailure, PhoneId, PhonePart, PhoneProvider,
    PhoneSetting, PhoneStatus, RequestId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a session asks about phones. Answered by exactly one [`PhoneNews::Answered`].
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneRequest {
    /// The phones that exist.
    Phones,
    /// What a phone can do (phoneGetDevCaps).
    Capabilities(PhoneId),
    /// How a phone is (phoneGetStatus); it has to be open.
    Status(PhoneId),
    /// Opens a phone (phoneOpen), to hear of it, or as its owner.
    Open {
        /// Which.
        phone: PhoneId,
        /// To change it as well. One session at a time can.
        owner: bool,
    },
    /// Closes it (phoneClose).
    Close(PhoneId),
    /// Changes it (phoneSetHookSwitch, phoneSetRing, phoneSetLamp, phoneSetVolume).
    Set {
        /// Which.
        phone: PhoneId,
        /// What.
        setting: PhoneSetting,
    },
}

/// What a request about phones brought.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneReply {
    /// It was carried out.
    Done,
    /// The phones.
    Phones(Vec<PhoneDescription>),
    /// What a phone can do.
    Capabilities(Box<PhoneCapabilities>),
    /// How a phone is.
    Status(Box<PhoneStatus>),
}

/// Why a request about phones was refused or failed (TAPI: PHONEERR).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// No such phone (PHONEERR_NODEVICE).
    #[error("{0} does not exist")]
    NoSuchPhone(PhoneId),
    /// The session has not opened it (PHONEERR_INVALPHONEHANDLE).
    #[error("{0} is not open here; open it first")]
    NotOpen(PhoneId),
    /// The session has it open.
    #[error("{0} is open here already; close it first")]
    AlreadyOpen(PhoneId),
    /// Another session owns it (PHONEERR_INUSE).
    #[error("another application owns {0}; open it to watch, or try again later")]
    InUse(PhoneId),
    /// The session only watches it (PHONEERR_NOTOWNER).
    #[error("{0} is only watched here; open it as its owner")]
    NotOwner(PhoneId),
    /// Too many requests of the session are outstanding.
    #[error("{0} requests about phones are outstanding, the most allowed; wait for a completion")]
    TooManyRequests(usize),
    /// The provider refused it, or it failed there.
    #[error(transparent)]
    Phone(#[from] PhoneFailure),
}

/// Something a session hears about phones.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneNews {
    /// A request is done, or was refused.
    Answered {
        /// Which.
        request: AppRequestId,
        /// With what result.
        result: Result<PhoneReply, PhoneError>,
    },
    /// A phone appeared (PHONE_CREATE).
    Created(PhoneId),
    /// A phone is gone (PHONE_REMOVE); whoever had it open has it no more.
    Removed(PhoneId),
    /// A part of a phone that the session has open changed (PHONE_STATE): how it is, or whether it can be set now.
    Changed {
        /// Which phone.
        phone: PhoneId,
        /// Which part; `None`: whether it is in service.
        part: Option<PhonePart>,
    },
    /// What a phone that the session has open can do changed (PHONESTATE_CAPSCHANGE).
    CapabilitiesChanged(PhoneId),
}

/// Who has a phone open.
#[derive(Debug, Default)]
struct Opened {
    owner: Option<SessionId>,
    /// The owner too, in the order of opening.
    sessions: Vec<SessionId>,
}

/// A request that the provider has not completed.
#[derive(Debug)]
struct Pending {
    session: SessionId,
    request: AppRequestId,
    phone: PhoneId,
}

/// The application side of all phones.
#[derive(Debug, Default)]
pub struct Phones {
    sessions: BTreeSet<SessionId>,
    open: BTreeMap<PhoneId, Opened>,
    pending: BTreeMap<RequestId, Pending>,
    last: u64,
    news: VecDeque<(SessionId, PhoneNews)>,
}

impl Phones {
    /// Requests of one session that have not completed.
    pub const MAX_REQUESTS: usize = 256;

    /// Nobody has a phone open.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session wants to hear of phones that come and go.
    pub fn attach(&mut self, session: SessionId) {
        self.sessions.insert(session);
    }

    /// A session is gone: what it has open is closed, what it has asked is answered to nobody.
    pub fn detach(&mut self, provider: &mut dyn PhoneProvider, session: SessionId) {
        self.pending.retain(|_, pending| pending.session != session);
        let theirs = self.open.iter().filter(|(_, opened)| opened.sessions.contains(&session));
        for phone in theirs.map(|(phone, _)| *phone).collect::<Vec<_>>() {
            self.leave(provider, session, phone);
        }
        self.sessions.remove(&session);
        self.pump(provider);
    }

    /// A session asks for something; the answer is news.
    pub fn request(
        &mut self,
        provider: &mut dyn PhoneProvider,
        session: SessionId,
        request: AppRequestId,
        what: PhoneRequest,
    ) {
        let answer = self.dispatch(provider, session, request, what);
        self.pump(provider);
        if let Some(result) = answer.transpose() {
            self.news.push_back((session, PhoneNews::Answered { request, result }));
        }
    }

    /// `Ok(None)`: answered when the provider completes it.
    fn dispatch(
        &mut self,
        provider: &mut dyn PhoneProvider,
        session: SessionId,
        request: AppRequestId,
        what: PhoneRequest,
    ) -> Result<Option<PhoneReply>, PhoneError> {
        match what {
            PhoneRequest::Phones => Ok(Some(PhoneReply::Phones(provider.phones()))),
            PhoneRequest::Capabilities(phone) => {
                let able = provider.phone_capabilities(phone).cloned();
                let able = able.ok_or(PhoneError::NoSuchPhone(phone))?;
                Ok(Some(PhoneReply::Capabilities(Box::new(able))))
            }
            PhoneRequest::Status(phone) => {
                self.opened(session, phone)?;
                let status = provider.phone_status(phone).ok_or(PhoneError::NoSuchPhone(phone))?;
                Ok(Some(PhoneReply::Status(Box::new(status))))
            }
            PhoneRequest::Open { phone, owner } => {
                self.open(provider, session, phone, owner).map(|()| Some(PhoneReply::Done))
            }
            PhoneRequest::Close(phone) => {
                self.opened(session, phone)?;
                self.leave(provider, session, phone);
                // What the provider completes by itself comes with its own results; the rest is closed.
                self.pump(provider);
                self.close_pending(|pending| pending.session == session && pending.phone == phone);
                Ok(Some(PhoneReply::Done))
            }
            PhoneRequest::Set { phone, setting } => {
                if self.opened(session, phone)?.owner != Some(session) {
                    return Err(PhoneError::NotOwner(phone));
                }
                let outstanding = self.pending.values().filter(|pending| pending.session == session);
                if outstanding.count() >= Self::MAX_REQUESTS {
                    return Err(PhoneError::TooManyRequests(Self::MAX_REQUESTS));
                }
                self.last += 1;
                let id = RequestId(self.last);
                provider.set_phone(id, phone, setting)?;
                self.pending.insert(id, Pending { session, request, phone });
                Ok(None)
            }
        }
    }

    fn opened(&self, session: SessionId, phone: PhoneId) -> Result<&Opened, PhoneError> {
        let opened = self.open.get(&phone).filter(|opened| opened.sessions.contains(&session));
        opened.ok_or(PhoneError::NotOpen(phone))
    }

    fn open(
        &mut self,
        provider: &mut dyn PhoneProvider,
        session: SessionId,
        phone: PhoneId,
        owner: bool,
    ) -> Result<(), PhoneError> {
        if let Some(opened) = self.open.get_mut(&phone) {
            if opened.sessions.contains(&session) {
                return Err(PhoneError::AlreadyOpen(phone));
            }
            if owner && opened.owner.is_some() {
                return Err(PhoneError::InUse(phone));
            }
        } else {
            provider.phone_capabilities(phone).ok_or(PhoneError::NoSuchPhone(phone))?;
            provider.open_phone(phone)?;
        }
        self.sessions.insert(session);
        let opened = self.open.entry(phone).or_default();
        opened.sessions.push(session);
        if owner {
            opened.owner = Some(session);
        }
        Ok(())
    }

    /// Takes a session out of a phone; the last one closes it at the provider.
    fn leave(&mut self, provider: &mut dyn PhoneProvider, session: SessionId, phone: PhoneId) {
        let Some(opened) = self.open.get_mut(&phone) else { return };
        opened.sessions.retain(|known| *known != session);
        opened.owner.take_if(|owner| *owner == session);
        if opened.sessions.is_empty() {
            self.open.remove(&phone);
            provider.close_phone(phone);
        }
    }

    /// What these requests wait for will not come.
    fn close_pending(&mut self, these: impl Fn(&Pending) -> bool) {
        let ids: Vec<RequestId> =
            self.pending.iter().filter(|(_, pending)| these(pending)).map(|(id, _)| *id).collect();
        for id in ids {
            self.completed(id, Err(PhoneFailure::Closed));
        }
    }

    fn completed(&mut self, id: RequestId, result: Result<(), PhoneFailure>) {
        // A second completion, and one that nobody waits for, find nothing.
        let Some(Pending { session, request, .. }) = self.pending.remove(&id) else { return };
        let result = result.map(|()| PhoneReply::Done).map_err(PhoneError::from);
        self.news.push_back((session, PhoneNews::Answered { request, result }));
    }

    /// Turns what the provider has to tell into news. To be called after everything that touched the provider.
    pub fn pump(&mut self, provider: &mut dyn PhoneProvider) {
        while let Some(event) = provider.poll_phone_event() {
            match event {
                PhoneEvent::Completed { request, result } => self.completed(request, result),
                PhoneEvent::Created(phone) => self.everybody(&PhoneNews::Created(phone)),
                PhoneEvent::Removed(phone) => {
                    self.close_pending(|pending| pending.phone == phone);
                    if self.open.remove(&phone).is_some() {
                        provider.close_phone(phone);
                    }
                    self.everybody(&PhoneNews::Removed(phone));
                }
                PhoneEvent::Changed { phone, part } => {
                    self.openers(phone, &PhoneNews::Changed { phone, part });
                }
                PhoneEvent::CapabilitiesChanged(phone) => {
                    self.openers(phone, &PhoneNews::CapabilitiesChanged(phone));
                }
            }
        }
    }

    fn openers(&mut self, phone: PhoneId, news: &PhoneNews) {
        let opened = self.open.get(&phone).into_iter().flat_map(|opened| &opened.sessions);
        self.news.extend(opened.map(|session| (*session, news.clone())));
    }

    fn everybody(&mut self, news: &PhoneNews) {
        self.news.extend(self.sessions.iter().map(|session| (*session, news.clone())));
    }

    /// The next news and the session that it is for. Call until `None` after every other call.
    pub fn poll(&mut self) -> Option<(SessionId, PhoneNews)> {
        self.news.pop_front()
    }

    /// How many requests the provider has not completed.
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_spi::{HookSwitch, LampState, Set};

    const PHONE: PhoneId = PhoneId(0);
    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    /// One phone with a lamp, which carries out what it is asked when the test says so.
    #[derive(Default)]
    struct Desk {
        able: PhoneCapabilities,
        status: PhoneStatus,
        open: bool,
        asked: Vec<RequestId>,
        told: VecDeque<PhoneEvent>,
    }

    impl PhoneProvider for Desk {
        fn phones(&self) -> Vec<PhoneDescription> {
            let name = "desk".to_owned();
            vec![PhoneDescription { phone: PHONE, name, address: None, product: String::new() }]
        }
        fn phone_capabilities(&self, phone: PhoneId) -> Option<&PhoneCapabilities> {
            (phone == PHONE).then_some(&self.able)
        }
        fn open_phone(&mut self, _phone: PhoneId) -> Result<(), PhoneFailure> {
            self.open = true;
            Ok(())
        }
        fn close_phone(&mut self, _phone: PhoneId) {
            self.open = false;
        }
        fn phone_status(&self, phone: PhoneId) -> Option<PhoneStatus> {
            (phone == PHONE).then(|| self.status.clone())
        }
        fn set_phone(
            &mut self,
            request: RequestId,
            _phone: PhoneId,
            setting: PhoneSetting,
        ) -> Result<(), PhoneFailure> {
            match setting {
                PhoneSetting::Lamp { state, .. } => self.status.lamps = vec![state],
                other => return Err(PhoneFailure::Unavailable(other.part())),
            }
            self.asked.push(request);
            Ok(())
        }
        fn poll_phone_event(&mut self) -> Option<PhoneEvent> {
            self.told.pop_front()
        }
    }

    struct Bench {
        phones: Phones,
        desk: Desk,
        requests: u64,
    }

    impl Bench {
        fn new() -> Self {
            let able = PhoneCapabilities { settable: Set::of(&[PhonePart::Lamp]), ..Default::default() };
            let mut phones = Phones::new();
            phones.attach(A);
            phones.attach(B);
            Self { phones, desk: Desk { able, ..Desk::default() }, requests: 0 }
        }

        fn ask(&mut self, session: SessionId, what: PhoneRequest) -> Vec<(SessionId, PhoneNews)> {
            self.requests += 1;
            self.phones.request(&mut self.desk, session, AppRequestId(self.requests), what);
            self.news()
        }

        fn answer(&mut self, session: SessionId, what: PhoneRequest) -> Result<PhoneReply, PhoneError> {
            match self.ask(session, what).pop() {
                Some((to, PhoneNews::Answered { result, .. })) if to == session => result,
                other => panic!("{other:?}"),
            }
        }

        fn tell(&mut self, event: PhoneEvent) -> Vec<(SessionId, PhoneNews)> {
            self.desk.told.push_back(event);
            self.phones.pump(&mut self.desk);
            self.news()
        }

        fn news(&mut self) -> Vec<(SessionId, PhoneNews)> {
            std::iter::from_fn(|| self.phones.poll()).collect()
        }
    }

    const OWN: PhoneRequest = PhoneRequest::Open { phone: PHONE, owner: true };
    const WATCH: PhoneRequest = PhoneRequest::Open { phone: PHONE, owner: false };

    fn light() -> PhoneRequest {
        PhoneRequest::Set { phone: PHONE, setting: PhoneSetting::Lamp { lamp: 0, state: LampState::Steady } }
    }

    #[test]
    fn a_phone_has_one_owner_and_any_number_of_monitors() {
        let mut bench = Bench::new();
        assert_eq!(bench.answer(A, light()), Err(PhoneError::NotOpen(PHONE)));
        assert_eq!(bench.answer(A, OWN), Ok(PhoneReply::Done));
        assert_eq!(bench.answer(A, WATCH), Err(PhoneError::AlreadyOpen(PHONE)));
        assert_eq!(bench.answer(B, OWN), Err(PhoneError::InUse(PHONE)));
        assert_eq!(bench.answer(B, WATCH), Ok(PhoneReply::Done));
        assert_eq!(bench.answer(B, light()), Err(PhoneError::NotOwner(PHONE)));
        let missing = PhoneRequest::Open { phone: PhoneId(9), owner: false };
        assert_eq!(bench.answer(B, missing), Err(PhoneError::NoSuchPhone(PhoneId(9))));
        assert_eq!(bench.answer(A, PhoneRequest::Close(PHONE)), Ok(PhoneReply::Done));
        assert!(bench.desk.open, "somebody watches");
        assert_eq!(bench.answer(B, PhoneRequest::Close(PHONE)), Ok(PhoneReply::Done));
        assert!(!bench.desk.open);
    }

    #[test]
    fn a_change_completes_once_and_is_told_to_all_that_have_it_open() {
        let mut bench = Bench::new();
        assert_eq!(bench.answer(A, OWN), Ok(PhoneReply::Done));
        assert_eq!(bench.answer(B, WATCH), Ok(PhoneReply::Done));
        assert_eq!(bench.ask(A, light()), [], "when it is carried out");
        let hook = PhoneSetting::HookSwitch(HookSwitch::OffHook);
        let refused = bench.answer(A, PhoneRequest::Set { phone: PHONE, setting: hook });
        assert_eq!(refused, Err(PhoneError::Phone(PhoneFailure::Unavailable(PhonePart::HookSwitch))));

        let request = bench.desk.asked[0];
        let done = || PhoneEvent::Completed { request, result: Ok(()) };
        assert!(matches!(bench.tell(done())[..], [(A, PhoneNews::Answered { result: Ok(_), .. })]));
        assert_eq!(bench.tell(done()), [], "a second completion is nothing");
        let part = Some(PhonePart::Lamp);
        let changed = PhoneNews::Changed { phone: PHONE, part };
        let told = bench.tell(PhoneEvent::Changed { phone: PHONE, part });
        assert_eq!(told, [(A, changed.clone()), (B, changed)]);
        let able = PhoneNews::CapabilitiesChanged(PHONE);
        let told = bench.tell(PhoneEvent::CapabilitiesChanged(PHONE));
        assert_eq!(told, [(A, able.clone()), (B, able)]);
        let status = bench.answer(B, PhoneRequest::Status(PHONE));
        assert!(matches!(status, Ok(PhoneReply::Status(status)) if status.lamps == [LampState::Steady]));
    }

    #[test]
    fn what_is_outstanding_completes_before_the_phone_is_closed_or_gone() {
        let mut bench = Bench::new();
        assert_eq!(bench.answer(A, OWN), Ok(PhoneReply::Done));
        bench.ask(A, light());
        let answers = bench.ask(A, PhoneRequest::Close(PHONE));
        let closed = Err(PhoneError::Phone(PhoneFailure::Closed));
        let results: Vec<_> = answers
            .into_iter()
            .map(|(_, news)| match news {
                PhoneNews::Answered { result, .. } => result,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(results, [closed.clone(), Ok(PhoneReply::Done)]);

        assert_eq!(bench.answer(A, OWN), Ok(PhoneReply::Done));
        bench.ask(A, light());
        let told = bench.tell(PhoneEvent::Removed(PHONE));
        assert!(matches!(&told[0], (A, PhoneNews::Answered { result, .. }) if *result == closed));
        assert_eq!(told[1..], [(A, PhoneNews::Removed(PHONE)), (B, PhoneNews::Removed(PHONE))]);
        assert_eq!(bench.phones.outstanding(), 0);
    }

    #[test]
    fn who_leaves_closes_what_it_had_open() {
        let mut bench = Bench::new();
        assert_eq!(bench.answer(A, OWN), Ok(PhoneReply::Done));
        bench.ask(A, light());
        bench.phones.detach(&mut bench.desk, A);
        assert!(!bench.desk.open);
        assert_eq!((bench.news(), bench.phones.outstanding()), (vec![], 0));
        assert_eq!(bench.answer(B, OWN), Ok(PhoneReply::Done));
        assert_eq!(bench.tell(PhoneEvent::Created(PhoneId(1))), [(B, PhoneNews::Created(PhoneId(1)))]);
    }
}
