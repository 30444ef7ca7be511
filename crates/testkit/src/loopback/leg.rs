//! One call of one line: a leg, and what is at its other end.

use hookswitch_spi::{
    AddressId, CallId, CallInfo, CallState, LineId, MediaTypes, Origin, Party, PhysicalCallId, Reason,
    RequestId,
};

/// A call as its line sees it.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) line: LineId,
    pub(crate) address: AddressId,
    pub(crate) state: CallState,
    /// The application side has a place for it.
    pub(crate) taken: bool,
    /// When it entered its state.
    pub(crate) since: hookswitch_machine::Time,
    /// Not before its creation has completed may anybody hear of it.
    pub(crate) embryo: bool,
    pub(crate) other: Other,
    pub(crate) info: CallInfo,
    /// Of the target of a transfer: the transfer that it decides.
    pub(crate) decides: Option<RequestId>,
}

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Nobody (yet, or any more).
    Nobody,
    /// A leg of another line.
    Leg(CallId),
    /// A party outside.
    Outside,
}

impl Leg {
    pub(crate) fn is_up(&self) -> bool {
        match self.state {
            CallState::Idle | CallState::Disconnected(_) => false,
            CallState::Offering(_)
            | CallState::Accepted
            | CallState::Dialtone
            | CallState::Dialing
            | CallState::Proceeding
            | CallState::Ringback
            | CallState::Busy(_)
            | CallState::Connected(_)
            | CallState::OnHold
            | CallState::OnHoldPendingTransfer
            | CallState::OnHoldPendingConference
            | CallState::Conferenced(_)
            | CallState::Unknown => true,
        }
    }

    pub(crate) fn is_offered(&self) -> bool {
        matches!(self.state, CallState::Offering(_) | CallState::Accepted)
    }
}

/// What is known of a new call.
pub(crate) fn info(
    line: LineId,
    address: AddressId,
    physical: PhysicalCallId,
    origin: Origin,
    media: MediaTypes,
    caller: &str,
    called: &str,
) -> CallInfo {
    CallInfo {
        line,
        address,
        physical,
        origin,
        reason: Reason::Direct,
        media,
        caller: Party::known(caller, ""),
        called: Party::known(called, ""),
        connected: Party::default(),
        redirecting: Party::default(),
        redirection: Party::default(),
        related: None,
        completion: None,
        call_data: Box::default(),
        app_specific: 0,
        treatment: None,
        user_info: None,
        secure: false,
        display: "".into(),
        sip_call_id: "".into(),
    }
}
