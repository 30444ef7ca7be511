//! What a session can ask for.

use crate::{CallRequest, OpenId, SessionId};
use hookswitch_spi::{
    AddressId, CallId, CallOptions, DeviceConfig, ExtensionVersion, InterfaceVersion, LineId, MediaType,
    MediaTypes, Operation, Set, StatusKind, VersionRange,
};
use std::time::Duration;

/// Something a session asks. Answered by exactly one [`Completed`](crate::Event::Completed) or
/// [`Refused`](crate::Event::Refused); only [`Lost`](Self::Lost) has no answer, as there is nobody to hear it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Becomes an application (lineInitialize); the first request of every session.
    Attach {
        /// Its name, 1 to 255 octets: the target of directed hand-off and the word in priority lists.
        name: Box<str>,
        /// How long its live calls wait for it when it is lost; capped by [`Limits::grace`](crate::Limits::grace).
        grace: Duration,
        /// The versions of the interface that it can live with; the highest that both know is taken.
        versions: VersionRange,
        /// A session of the same name that was lost: its lines, calls and outstanding requests become this session's.
        /// Whoever attaches has to have proved that it is allowed to.
        resume: Option<SessionId>,
    },
    /// Leaves on purpose (lineShutdown): closes all its lines.
    Detach,
    /// It is gone without a word: its process died or its connection broke. Nobody hears an answer.
    Lost,
    /// Opens a line (lineOpen); answered by [`Reply::Opened`](crate::Reply::Opened). A session may open a line several times
    /// with different interests: it is offered what any of them asks for.
    OpenLine {
        /// Which.
        line: LineId,
        /// For what.
        interest: Interest,
    },
    /// Takes back one opening of a line. The last one closes the line for the session, as [`CloseLine`](Self::CloseLine) does.
    CloseOpen {
        /// The line.
        line: LineId,
        /// Which opening of it.
        open: OpenId,
    },
    /// Closes a line (lineClose), however often the session has opened it: calls that only this session owns are dropped.
    CloseLine {
        /// Which.
        line: LineId,
    },
    /// Chooses which news come through an opening of a line (lineSetStatusMessages).
    SetStatusMessages {
        /// The line.
        line: LineId,
        /// Which opening of it.
        open: OpenId,
        /// The news.
        status: Set<StatusKind>,
    },
    /// Asks the provider for something. Everything about a call but statistics needs ownership of it; calls and
    /// forwarding rules need the line open.
    Operate(Operation),
    /// Gives a call to somebody else (lineHandoff, lineBlindTransfer).
    HandOff {
        /// Which call.
        call: CallId,
        /// To whom.
        to: HandOffTarget,
    },
    /// Becomes an owner of a call that the session has a handle to (lineSetCallPrivilege, OWNER).
    TakeOwnership {
        /// Which call.
        call: CallId,
    },
    /// Becomes a monitor of it (lineSetCallPrivilege, MONITOR); refused to the only owner of a call that is not idle.
    Monitor {
        /// Which call.
        call: CallId,
    },
    /// Gives the handle back (lineDeallocateCall). When nobody has one any more, the call is closed.
    Release {
        /// Which call.
        call: CallId,
    },
    /// The handle was dropped without a word. As [`Release`](Self::Release), but a live call is let go of only after
    /// [`Limits::let_go_after`](crate::Limits::let_go_after), and not at all if the session is lost by then: whoever loses its
    /// handles and itself together is to find its calls when it comes back.
    LetGo {
        /// Which call.
        call: CallId,
    },
    /// Handles, as a monitor, to calls of a line that the session has none to yet and that have not ended (lineGetNewCalls).
    ExistingCalls {
        /// Which line.
        line: LineId,
        /// Only those on this address.
        address: Option<AddressId>,
    },
    /// The conference that a call is, or belongs to: first the conference, then its members (lineGetConfRelatedCalls). The
    /// session becomes a monitor of those that it has no handle to.
    ConferenceCalls {
        /// The conference, or one of its members.
        call: CallId,
    },
    /// Sets the order in which applications are offered calls of a media type (lineSetAppPriority); takes effect at the next
    /// call or hand-off. Applications that are not in the list come after it, first opener first.
    SetPriority {
        /// For which media type.
        media: MediaType,
        /// Application names, highest first.
        order: Vec<Box<str>>,
    },
    /// Sets the order in which applications are given requests for calls (lineSetAppPriority, MAKECALL).
    SetRecipientPriority {
        /// Application names, highest first.
        order: Vec<Box<str>>,
    },
    /// Takes requests for calls from now on, or no more (lineRegisterRequestRecipient).
    RegisterRecipient {
        /// Whether it does.
        wanted: bool,
    },
    /// The oldest request for a call (lineGetRequest).
    TakeRequest,
    /// Somebody wants a call to be made (tapiRequestMakeCall); done when it waits in the queue. The one request that needs no
    /// attached session.
    RequestCall {
        /// What call.
        what: CallRequest,
        /// It may wait although no application takes such requests: one is being started.
        hold: bool,
    },
    /// The lines that exist.
    Lines,
    /// What a line can do (lineGetDevCaps, lineGetAddressCaps).
    Capabilities {
        /// Which line.
        line: LineId,
    },
    /// The forwarding rules in force (lineGetAddressStatus).
    Forwarding {
        /// Which line.
        line: LineId,
        /// Which of its addresses.
        address: AddressId,
    },
    /// How the audio of a line's next call is sent (lineGetDevConfig).
    DeviceConfig {
        /// Which line.
        line: LineId,
    },
    /// Has the audio of a line's later calls sent so (lineSetDevConfig); asked by who has opened the line. It is the line's, so
    /// calls of other applications go by it too.
    SetDeviceConfig {
        /// Which line.
        line: LineId,
        /// How.
        config: Box<DeviceConfig>,
    },
    /// How a line is now (lineGetLineDevStatus).
    LineStatus {
        /// Which line.
        line: LineId,
    },
    /// How an address is now (lineGetAddressStatus).
    AddressStatus {
        /// Which line.
        line: LineId,
        /// Which of its addresses.
        address: AddressId,
    },
    /// Which address of a line others dial so (lineGetAddressID).
    AddressId {
        /// Which line.
        line: LineId,
        /// What they dial.
        dialled: String,
    },
    /// Whether calls of these media types could be had on a line; changes nothing (TSPI_lineConditionalMediaDetection).
    CouldDetect {
        /// Which line.
        line: LineId,
        /// Which media types.
        media: MediaTypes,
        /// The call that would be made.
        call: Box<CallOptions>,
    },
    /// Which version of a line's extension, from the first to the second, could be selected now (lineNegotiateExtVersion).
    NegotiateExtension {
        /// Which line.
        line: LineId,
        /// The oldest and the newest that the application knows.
        offered: (ExtensionVersion, ExtensionVersion),
    },
    /// Selects a version of the extension of a line that the session has open; [`ExtensionVersion::NONE`] lets go of it. The
    /// first to select one decides for all until nobody needs it any more. Commands are refused, and the extension's events not
    /// heard, without.
    SelectExtension {
        /// Which line.
        line: LineId,
        /// Which version.
        version: ExtensionVersion,
    },
    /// All that is known of a call (lineGetCallInfo, lineGetCallStatus).
    CallInfo {
        /// Which call.
        call: CallId,
    },
    /// What happened to a call, also after its end, as far as it is still remembered.
    Timeline {
        /// Which call.
        call: CallId,
    },
    /// A picture of the lines that the session has open and the calls that it has handles to, as
    /// [`Event::Snapshot`](crate::Event::Snapshot) in its stream of events.
    Snapshot,
}

impl Request {
    /// To become an application of this name, in the newest version, with so much grace.
    pub fn attach(name: impl Into<Box<str>>, grace: Duration) -> Self {
        let versions = VersionRange { low: InterfaceVersion::V1, high: InterfaceVersion::V1 };
        Self::Attach { name: name.into(), grace, versions, resume: None }
    }
}

/// Why a session opens a line (TAPI: privileges and media modes of lineOpen). With nothing wanted it can still make calls,
/// which it then owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Interest {
    /// Offered calls of these types may become its own; empty: it is no candidate for ownership.
    pub owner: MediaTypes,
    /// It wants to see every call of the line.
    pub monitor: bool,
    /// First ownership only of calls to this address (TAPI: LINEOPENOPTION_SINGLEADDRESS).
    pub address: Option<AddressId>,
    /// News of the line and its addresses that it wants. That the line was closed under it or is gone, that it should start
    /// over, calls, their states and completions reach it in any case.
    pub status: Set<StatusKind>,
}

impl Interest {
    /// In making calls only.
    pub const NONE: Self = Self { owner: MediaTypes::NONE, monitor: false, address: None, status: Set::NONE };

    /// In owning calls of these types.
    pub const fn owner(media: MediaTypes) -> Self {
        Self { owner: media, ..Self::NONE }
    }

    /// In seeing all calls.
    pub const fn monitor() -> Self {
        Self { monitor: true, ..Self::NONE }
    }

    /// As this one, with these news.
    #[must_use]
    pub const fn hearing(mut self, status: Set<StatusKind>) -> Self {
        self.status = status;
        self
    }
}

/// To whom a call is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOffTarget {
    /// To the application of that name (the first opener, if several share it).
    Application(Box<str>),
    /// To the application that stands first for that media type.
    Media(MediaType),
    /// To a telephone address: a transfer if the call is up, a redirection if it is still offered.
    Address(String),
}
