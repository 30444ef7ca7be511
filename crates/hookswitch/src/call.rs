//! A handle to one call.

use crate::session::Session;
use crate::{Audio, Error, LiveAudio};
use hookswitch_spi::{
    CallId, CallInfo, CallState, CallStatistics, DeviceConfig, Disconnect, Feature, Operation, RejectReason,
    StateKind, TimelineEntry, TransferOutcome, UserInfo,
};
use hookswitch_telephony::{CallSnapshot, HandOffTarget, LadderNames, Reply, Request, ladder};
use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Digits kept for [`Call::next_digit`]; more than that many unread ones are dropped.
const DIGITS: usize = 256;

pub(crate) struct CallShared {
    session: Arc<Session>,
    id: CallId,
    info: Option<Box<CallInfo>>,
    /// Small, as there are thousands: one lock and one bell for all that changes.
    now: Mutex<Now>,
    changed: Notify,
}

/// What changes in the life of a call.
struct Now {
    state: CallState,
    /// Pressed and not read.
    digits: VecDeque<char>,
}

impl CallShared {
    pub(crate) fn new(
        session: Arc<Session>,
        id: CallId,
        state: CallState,
        info: Option<Box<CallInfo>>,
    ) -> Arc<Self> {
        let now = Mutex::new(Now { state, digits: VecDeque::new() });
        Arc::new(Self { session, id, info, now, changed: Notify::new() })
    }

    /// Notes a new state; [`wake`](Self::wake) is to follow.
    pub(crate) fn entered(&self, state: CallState) {
        self.now().state = state;
    }

    /// Notes a digit; [`wake`](Self::wake) is to follow.
    pub(crate) fn pressed(&self, digit: char) {
        let mut now = self.now();
        // Nobody reads digits: the event says so as well.
        if now.digits.len() < DIGITS {
            now.digits.push_back(digit);
        }
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Nothing panics while it holds the lock.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallShared {
    fn drop(&mut self) {
        self.session.let_go(self.id);
    }
}

/// A handle to one call; cheap to clone. When the last clone is dropped the application lets go of the call: if it is live
/// and nobody else has it, it ends a tenth of a second later, unless the application itself is lost by then.
#[derive(Clone)]
pub struct Call(Arc<CallShared>);

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({}, {})", self.0.id, self.state())
    }
}

impl Call {
    pub(crate) const fn from_shared(shared: Arc<CallShared>) -> Self {
        Self(shared)
    }

    /// Its number, as in [`Event`](crate::Event)s.
    pub fn id(&self) -> CallId {
        self.0.id
    }

    /// Where it is now.
    pub fn state(&self) -> CallState {
        self.0.now().state.clone()
    }

    pub(crate) fn session(&self) -> &Session {
        &self.0.session
    }

    /// What was known of it when it was announced: caller, called, reason. `None` for calls that this application made.
    pub fn first_info(&self) -> Option<&CallInfo> {
        self.0.info.as_deref()
    }

    /// What is known of it now.
    pub async fn info(&self) -> Result<CallInfo, Error> {
        self.snapshot().await?.info.map(|info| *info).ok_or(Error::Stopped)
    }

    /// All about it now: where it is and since when, what this application may do with it, what is possible, how many own and
    /// monitor it.
    pub async fn snapshot(&self) -> Result<CallSnapshot, Error> {
        match self.0.session.request(Request::CallInfo { call: self.0.id }).await? {
            Reply::Call(snapshot) => Ok(*snapshot),
            _ => Err(Error::Stopped),
        }
    }

    /// Waits until the call's state is one that `wanted` accepts, or the call is over; returns that state.
    pub async fn wait_for(&self, wanted: impl Fn(&CallState) -> bool) -> CallState {
        loop {
            // Asked for before looking: what changes after the look is heard.
            let changed = self.0.changed.notified();
            let state = self.state();
            if wanted(&state) || is_over(&state) {
                return state;
            }
            changed.await;
        }
    }

    /// Waits until both sides can talk; an error says how the call ended instead.
    ///
    /// A call that is busy and could wait for the other side ([`Call::complete_later`]) has not ended yet: the error says busy, and the call
    /// is still there for some seconds to be asked.
    pub async fn connected(&self) -> Result<(), Disconnect> {
        use hookswitch_spi::{DisconnectMode, EndedBy};
        loop {
            match self.wait_for(|state| matches!(state.kind(), StateKind::Connected | StateKind::Busy)).await
            {
                CallState::Connected(_) => return Ok(()),
                CallState::Disconnected(end) => return Err(end),
                CallState::Busy(_) if self.stays_busy().await => {
                    return Err(Disconnect::new(DisconnectMode::Busy, EndedBy::Peer, "it can be waited for"));
                }
                CallState::Busy(_) => drop(self.wait_for(|state| state.kind() != StateKind::Busy).await),
                _ => {
                    return Err(Disconnect::new(
                        DisconnectMode::Normal,
                        EndedBy::Us,
                        "the call was ended here",
                    ));
                }
            }
        }
    }

    /// Whether the call is busy and stays so for a while, because it could be completed later.
    pub async fn stays_busy(&self) -> bool {
        self.snapshot().await.is_ok_and(|now| {
            now.state.kind() == StateKind::Busy && now.possible.contains(Feature::CompleteCall)
        })
    }

    /// Waits for the end of the call; `None` if it was ended here.
    pub async fn ended(&self) -> Option<Disconnect> {
        match self.wait_for(|_| false).await {
            CallState::Disconnected(end) => Some(end),
            _ => None,
        }
    }

    /// The next digit that the other side presses; `None` if the call is over.
    pub async fn next_digit(&self) -> Option<char> {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut now = self.0.now();
                if let Some(digit) = now.digits.pop_front() {
                    return Some(digit);
                }
                if is_over(&now.state) {
                    return None;
                }
            }
            changed.await;
        }
    }

    pub(crate) async fn operate(&self, operation: Operation) -> Result<Reply, Error> {
        self.0.session.request(Request::Operate(operation)).await
    }

    /// Claims an offered call and alerts the caller (lineAccept).
    pub async fn accept(&self) -> Result<(), Error> {
        self.operate(Operation::accept(self.0.id)).await.map(drop)
    }

    /// Answers an offered call (lineAnswer); done when the caller has confirmed.
    pub async fn answer(&self, audio: Audio) -> Result<(), Error> {
        self.operate(Operation::Answer { call: self.0.id, source: audio.into_source(), user_info: None })
            .await
            .map(drop)
    }

    fn open_live(&self, rate: u32) -> Result<LiveAudio, Error> {
        LiveAudio::open(self.0.session.media_of(self.0.id).ok_or(Error::Stopped)?, rate)
    }

    /// Answers with frames that this program exchanges: 8,000 or 16,000 samples a second.
    pub async fn answer_live(&self, rate: u32) -> Result<LiveAudio, Error> {
        let live = self.open_live(rate)?;
        self.operate(Operation::Answer { call: self.0.id, source: live.source(), user_info: None }).await?;
        Ok(live)
    }

    /// Exchanges frames with this program from now on.
    pub async fn live(&self, rate: u32) -> Result<LiveAudio, Error> {
        let live = self.open_live(rate)?;
        self.operate(Operation::Play { call: self.0.id, source: live.source() }).await?;
        Ok(live)
    }

    /// Sends an offered call elsewhere, unanswered (lineRedirect).
    pub async fn redirect(&self, destination: &str) -> Result<(), Error> {
        let destination = destination.to_owned();
        self.operate(Operation::Redirect { call: self.0.id, destination }).await.map(drop)
    }

    /// Refuses an offered call, abandons one on its way, or hangs up (lineDrop).
    pub async fn drop_call(&self, reason: RejectReason) -> Result<(), Error> {
        self.operate(Operation::Drop { call: self.0.id, reason, user_info: None }).await.map(drop)
    }

    /// As [`accept`](Self::accept), and tells the caller some octets along with it.
    pub async fn accept_with(&self, user_info: UserInfo) -> Result<(), Error> {
        self.operate(Operation::Accept { call: self.0.id, user_info: Some(user_info) }).await.map(drop)
    }

    /// As [`answer`](Self::answer), and tells the caller some octets along with it.
    pub async fn answer_with(&self, audio: Audio, user_info: UserInfo) -> Result<(), Error> {
        let (source, user_info) = (audio.into_source(), Some(user_info));
        self.operate(Operation::Answer { call: self.0.id, source, user_info }).await.map(drop)
    }

    /// As [`drop_call`](Self::drop_call), and tells the other side some octets along with it.
    pub async fn drop_with(&self, reason: RejectReason, user_info: UserInfo) -> Result<(), Error> {
        let user_info = Some(user_info);
        self.operate(Operation::Drop { call: self.0.id, reason, user_info }).await.map(drop)
    }

    /// Ends the call.
    pub async fn hang_up(&self) -> Result<(), Error> {
        self.drop_call(RejectReason::Default).await
    }

    /// Holds the other side (lineHold).
    pub async fn hold(&self) -> Result<(), Error> {
        self.operate(Operation::Hold { call: self.0.id }).await.map(drop)
    }

    /// Takes the other side back (lineUnhold).
    pub async fn retrieve(&self) -> Result<(), Error> {
        self.operate(Operation::Retrieve { call: self.0.id }).await.map(drop)
    }

    /// Sends the other side to an address (lineBlindTransfer); done when its outcome is known, or unknown for good.
    pub async fn transfer(&self, destination: &str, deadline: Duration) -> Result<TransferOutcome, Error> {
        let destination = destination.to_owned();
        match self.operate(Operation::BlindTransfer { call: self.0.id, destination, deadline }).await? {
            Reply::Transferred(outcome) => Ok(outcome),
            _ => Ok(TransferOutcome::Unknown),
        }
    }

    /// Gives the call to an application, to whoever stands first for a media type, or to an address (lineHandoff). The outcome
    /// of a hand-off to an address is what the other side reported.
    pub async fn hand_off(&self, to: HandOffTarget) -> Result<Option<TransferOutcome>, Error> {
        match self.0.session.request(Request::HandOff { call: self.0.id, to }).await? {
            Reply::Transferred(outcome) => Ok(Some(outcome)),
            _ => Ok(None),
        }
    }

    /// Becomes an owner of a call that was monitored (lineSetCallPrivilege).
    pub async fn take_ownership(&self) -> Result<(), Error> {
        self.0.session.request(Request::TakeOwnership { call: self.0.id }).await.map(drop)
    }

    /// Becomes a monitor of a call that this application owns (lineSetCallPrivilege); refused to the only owner of a call that is
    /// not idle.
    pub async fn step_back(&self) -> Result<(), Error> {
        self.0.session.request(Request::Monitor { call: self.0.id }).await.map(drop)
    }

    /// Gives the handle back at once (lineDeallocateCall); clones of it are of no use any more. Nobody else's handle is affected;
    /// when nobody has one any more, the call ends.
    pub async fn release(self) -> Result<(), Error> {
        self.0.session.request(Request::Release { call: self.0.id }).await.map(drop)
    }

    /// The conference that this call is or belongs to, and its members; the application monitors those that it had no handle to
    /// (lineGetConfRelatedCalls).
    pub async fn conference_calls(&self) -> Result<Vec<Call>, Error> {
        let asked = self.0.session.request_call(Request::ConferenceCalls { call: self.0.id }).await;
        asked.map(|(_, calls)| calls)
    }

    /// Changes how the call's audio is sent: codecs, packet time, digits (lineSetCallParams). Done when the other side agreed; if it
    /// refuses, the call is as it was. A call that is not answered or not dialled yet begins with it.
    pub async fn set_parameters(&self, audio: DeviceConfig) -> Result<(), Error> {
        self.operate(Operation::SetCallParameters { call: self.0.id, audio }).await.map(drop)
    }

    /// Changes what the other side hears.
    pub async fn play(&self, audio: Audio) -> Result<(), Error> {
        self.operate(Operation::Play { call: self.0.id, source: audio.into_source() }).await.map(drop)
    }

    /// Records both directions into a WAV file: received left, sent right. It is complete when the call or
    /// [`stop_recording`](Self::stop_recording) ends it.
    pub async fn record(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = Some(path.as_ref().to_owned());
        self.operate(Operation::Record { call: self.0.id, path }).await.map(drop)
    }

    /// Completes a recording.
    pub async fn stop_recording(&self) -> Result<(), Error> {
        self.operate(Operation::Record { call: self.0.id, path: None }).await.map(drop)
    }

    /// The figures of its audio.
    pub async fn statistics(&self) -> Result<CallStatistics, Error> {
        match self.operate(Operation::Statistics { call: self.0.id }).await? {
            Reply::Statistics(figures) => Ok(figures),
            _ => Err(Error::Stopped),
        }
    }

    /// What happened to it, oldest first, as far as it is remembered.
    pub async fn timeline(&self) -> Result<Vec<TimelineEntry>, Error> {
        match self.0.session.request(Request::Timeline { call: self.0.id }).await? {
            Reply::Timeline(entries) => Ok(entries),
            _ => Err(Error::Stopped),
        }
    }

    /// What happened to it as a ladder for people.
    pub async fn ladder(&self) -> Result<String, Error> {
        self.ladder_between(LadderNames::default()).await
    }

    /// As [`ladder`](Self::ladder), with these names above the rails.
    pub async fn ladder_between(&self, names: LadderNames<'_>) -> Result<String, Error> {
        let entries = self.timeline().await?;
        Ok(ladder(&entries, names))
    }
}

/// Nothing comes after it.
fn is_over(state: &CallState) -> bool {
    matches!(state.kind(), StateKind::Idle | StateKind::Disconnected)
}
