//! User information: octets that one user sends the other along with a call (RFC 7433; TAPI: user-user information).
//!
//! What comes is queued with the call: the oldest is shown until an application has read it. By itself it travels in an INFO
//! without a body: unlike a re-INVITE it touches no offer, and unlike an UPDATE every phone answers it. Before the answer, a
//! caller is told with another 180; a called party is told when it has answered: which of those that ring it will be is not known
//! before.

use crate::call::{Ask, Call, Wait};
use crate::core::{Core, Timer};
use hookswitch_machine::Time;
use hookswitch_sip::cause::UserToUser;
use hookswitch_sip::message::{Message, Method};
use hookswitch_sip::transaction::ClientId;
use hookswitch_sip::ua::{LegError, LegId};
use hookswitch_spi::{CallId, InfoParts, OperationError, StateKind, TimelineFact, UserInfo};
use std::time::Duration;

/// So many wait to be read at most; what comes then is lost.
const MOST_UNREAD: usize = 4;

/// How long what is to be told waits for the answer.
const ANSWER: Duration = Duration::from_secs(30);
/// So many wait for the answer at most.
const MOST_UNSENT: usize = 4;

/// The header field line that carries it.
pub(crate) fn line(info: &UserInfo) -> String {
    if info.0.is_empty() {
        return String::new();
    }
    format!("User-to-User: {}\r\n", UserToUser::new(info.0.clone()))
}

/// What a message carries.
fn carried(message: &Message) -> Option<Vec<u8>> {
    UserToUser::all(message).next().map(|info| info.payload)
}

impl Core {
    /// What came with the INVITE of a call that nobody knows yet.
    pub(crate) fn note_first_info(call: &mut Call, message: &Message) {
        if let Some(info) = carried(message) {
            call.extra().user_info.push_back(UserInfo(info));
        }
    }

    /// A message of the other side may tell something. A response that repeats what one before it told is no news: a 180 is sent
    /// every minute.
    pub(crate) fn note_user_info(&mut self, id: CallId, message: &Message) {
        let Some(info) = carried(message) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.state.kind() == StateKind::Idle {
            return;
        }
        let extra = call.extra();
        if message.status().is_some() {
            if *extra.told == *info {
                return;
            }
            extra.told = info.as_slice().into();
        }
        let waiting = extra.user_info.len();
        if waiting >= MOST_UNREAD {
            let now = self.now;
            return self.record(now, id, TimelineFact::Note("user information is lost: too much is unread"));
        }
        extra.user_info.push_back(UserInfo(info));
        if waiting == 0 {
            self.changed(id, InfoParts::USER_INFO);
        }
    }

    /// Tells the other side something by itself.
    pub(crate) fn send_user_info(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        data: &UserInfo,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let state = call.state.kind();
        let fields = line(data);
        if fields.is_empty() {
            return Err(OperationError::InvalidParameter("expected at least one octet to send".into()));
        }
        let leg =
            call.leg.ok_or(OperationError::InvalidCallState { operation: "send user information", state })?;
        if matches!(state, StateKind::Offering | StateKind::Accepted) {
            self.alert_with(now, id, &fields);
            self.done(ask, hookswitch_spi::Outcome::Done);
            return Ok(());
        }
        if state == StateKind::Ringback {
            let timer = self.timers.set(now + ANSWER, Timer::UserInfo(id));
            let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
            let unsent = &mut call.extra().unsent;
            if unsent.len() >= MOST_UNSENT {
                self.timers.cancel(timer);
                return Err(OperationError::ResourceUnavailable(
                    "room for user information before the answer",
                ));
            }
            unsent.push_back((data.clone(), timer));
            self.wait(id, ask, Wait::UserInfoTurn);
            return Ok(());
        }
        let client = self.send_info(now, leg, &fields)?;
        self.wait(id, ask, Wait::UserInfo(client));
        Ok(())
    }

    fn send_info(&mut self, now: Time, leg: LegId, fields: &str) -> Result<ClientId, OperationError> {
        let sent = self.ua.send_within(now, &mut self.layer, leg, Method::Info, fields, None);
        sent.map_err(|error| match error {
            LegError::Full => OperationError::ResourceUnavailable("transaction"),
            _ => OperationError::CallEnded,
        })
    }

    /// Nobody has answered for too long: what was to be told then is not.
    pub(crate) fn user_info_due(&mut self, id: CallId) {
        let unsent = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()?.unsent.pop_front());
        if unsent.is_some() {
            let late = Err(OperationError::TimedOut(ANSWER));
            self.complete_waiting(id, |wait| wait == Wait::UserInfoTurn, late);
        }
    }

    /// The called party has answered: now it is told what waited for that.
    pub(crate) fn user_info_turn(&mut self, now: Time, id: CallId) {
        loop {
            let Some(call) = self.calls.get_mut(id) else { return };
            let Some(leg) = call.leg else { return };
            let info = call.extra.as_mut().and_then(|extra| extra.unsent.pop_front());
            let Some((info, timer)) = info else { return };
            self.timers.cancel(timer);
            let Some(waiting) = call.take_waiting(|wait| wait == Wait::UserInfoTurn) else { return };
            match self.send_info(now, leg, &line(&info)) {
                Ok(client) => self.wait_on(id, waiting.completion, Wait::UserInfo(client)),
                Err(error) => self.complete(waiting.completion, Err(error)),
            }
        }
    }
}
