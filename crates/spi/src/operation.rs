//! What can be asked of a provider.

use crate::extension::ExtensionCommand;
use crate::options::{
    CallOptions, CallTreatment, CompletionMode, ConsultOptions, DigitMonitoring, DigitOptions, GatherOptions,
    ParkAt, PickupFrom, RejectReason, ToneOptions, TonePattern, TransferMode, UserInfo,
};
use crate::{
    AddressId, AudioSource, CallId, CompletionId, DeviceConfig, ForwardingRules, LineId, MediaControl,
    MediaTypes,
};
use std::path::PathBuf;
use std::time::Duration;

/// A request. Refused at once or completed exactly once ([`Outcome`](crate::Outcome) or error).
///
/// Requests that create calls name the new call when they are accepted; it may be used and is heard of only after their
/// completion. In a conference, digits are gathered and monitored at the conference call.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Set up a call (lineMakeCall). Completes no later than *proceeding*; the new call is in [`Outcome::Call`](crate::Outcome::Call).
    MakeCall {
        /// On which line.
        line: LineId,
        /// From which of its addresses.
        address: AddressId,
        /// A number of the line's dial plan, or a `sip:`, `sips:` or `tel:` URI. Empty: off-hook, *dialtone*. Ending in `;`:
        /// more digits follow with [`Dial`](Self::Dial), and the call stays in *dialing*.
        destination: String,
        /// Details.
        options: CallOptions,
    },
    /// Dial more on a call in *dialtone* or *dialing* (lineDial). Digits ending in `;` leave it dialling; anything else, the
    /// empty string too, ends the address and sends the call.
    Dial {
        /// The call.
        call: CallId,
        /// What to add.
        digits: String,
    },
    /// Claim an offered call and alert the caller (lineAccept): *offering* → *accepted*.
    Accept {
        /// The call.
        call: CallId,
        /// Told to the caller along with it.
        user_info: Option<UserInfo>,
    },
    /// Connect an offered or accepted call (lineAnswer). Completes when the caller has confirmed (ACK). What happens to the call
    /// that was active is [`Capabilities::answer_mode`](crate::Capabilities::answer_mode).
    Answer {
        /// The call.
        call: CallId,
        /// What the caller hears first.
        source: AudioSource,
        /// Told to the caller along with it.
        user_info: Option<UserInfo>,
    },
    /// Send this one call elsewhere unanswered (lineRedirect; 302): *offering* → *idle*.
    Redirect {
        /// The call.
        call: CallId,
        /// Where to.
        destination: String,
    },
    /// Replace the standing forwarding rules of an address (lineForward).
    Forward {
        /// The line.
        line: LineId,
        /// The address.
        address: AddressId,
        /// The new list.
        rules: ForwardingRules,
    },
    /// End, abandon or refuse a call (lineDrop) → *idle*. Dropping a conference drops its members.
    Drop {
        /// The call.
        call: CallId,
        /// For an offered call: how to refuse it.
        reason: RejectReason,
        /// Told to the other side along with it.
        user_info: Option<UserInfo>,
    },
    /// Hold a connected call (lineHold): → *on hold*.
    Hold {
        /// The call.
        call: CallId,
    },
    /// Take a held call back (lineUnhold): → *connected*; a consultation call that waits for it ends.
    Retrieve {
        /// The call.
        call: CallId,
    },
    /// Exchange the active call and one on hold (lineSwapHold); what was pending stays pending.
    SwapHold {
        /// The connected call.
        active: CallId,
        /// The held one.
        held: CallId,
    },
    /// Hold a connected call and begin a consultation call for its transfer (lineSetupTransfer): *connected* → *on hold pending
    /// transfer*. The consultation call is in [`Outcome::Call`](crate::Outcome::Call).
    SetupTransfer {
        /// The call to be transferred.
        call: CallId,
        /// Whom to consult.
        consult: ConsultOptions,
    },
    /// Join the two parties of a transfer (lineCompleteTransfer). `Transfer`: both calls → *idle*, completes with what became of
    /// it. `Conference`: both → *conferenced*, and the new conference call → *connected*.
    CompleteTransfer {
        /// The held call.
        call: CallId,
        /// The consultation call.
        consult: CallId,
        /// Which of the two.
        mode: TransferMode,
        /// How long to wait for the outcome.
        deadline: Duration,
    },
    /// Send the other party of a connected call to an address (lineBlindTransfer; REFER). Completes with what became of it.
    BlindTransfer {
        /// The call.
        call: CallId,
        /// Where to.
        destination: String,
        /// How long to wait for the outcome.
        deadline: Duration,
    },
    /// Begin a conference (lineSetupConference): a conference call, *on hold pending conference*, a connected call as its first
    /// member if one is given, and a consultation call for the next party
    /// ([`Outcome::Conference`](crate::Outcome::Conference)).
    SetupConference {
        /// The line.
        line: LineId,
        /// The address.
        address: AddressId,
        /// Its first member.
        call: Option<CallId>,
        /// Whom to call next.
        consult: ConsultOptions,
    },
    /// Hold a connected conference and begin a consultation call for another party (linePrepareAddToConference).
    PrepareAddToConference {
        /// The conference call.
        conference: CallId,
        /// Whom to call.
        consult: ConsultOptions,
    },
    /// Make a call a member of a waiting conference (lineAddToConference): the call → *conferenced*, the conference →
    /// *connected*.
    AddToConference {
        /// The conference call.
        conference: CallId,
        /// The new member.
        member: CallId,
    },
    /// Take a member out of its conference (lineRemoveFromConference); where it goes is
    /// [`Capabilities::removed_member`](crate::Capabilities::removed_member).
    RemoveFromConference {
        /// The member.
        member: CallId,
    },
    /// Leave a connected call at an orbit of the switch (linePark) → *idle*. Where it is parked is in
    /// [`Outcome::Parked`](crate::Outcome::Parked).
    Park {
        /// The call.
        call: CallId,
        /// Where.
        at: ParkAt,
    },
    /// Fetch a parked call (lineUnpark): a new call with the reason *unparked*.
    Unpark {
        /// On which line.
        line: LineId,
        /// At which of its addresses.
        address: AddressId,
        /// Where the call is parked.
        orbit: String,
    },
    /// Take a call that alerts elsewhere (linePickup): a new call with the reason *picked up*.
    Pickup {
        /// On which line.
        line: LineId,
        /// At which of its addresses.
        address: AddressId,
        /// From where.
        from: PickupFrom,
    },
    /// Have a call that was not answered completed later (lineCompleteCall); its number is in
    /// [`Outcome::Completion`](crate::Outcome::Completion).
    ///
    /// *Call back* makes the call *idle*; when the called party is free, a call with the reason *call completion* is offered. *Camp
    /// on* makes it wait as *proceeding*; when the party is free, it goes out by itself. Then it rings and is answered, or waits
    /// again if the party is busy again, or is *disconnected* if it is refused otherwise. A call that waits ends with its completion,
    /// and the completion with its call.
    CompleteCall {
        /// The call: *busy*, *ringback* or *proceeding*. For a call back, one that ended as busy counts as busy until it is dropped.
        call: CallId,
        /// How.
        mode: CompletionMode,
    },
    /// Cancel a call completion (lineUncompleteCall). A call that waits is *disconnected* as *cancelled*; one that has gone out
    /// already goes on, and does not wait again.
    UncompleteCall {
        /// The line.
        line: LineId,
        /// Which.
        completion: CompletionId,
    },
    /// Protect a call from interruption for the rest of its life (lineSecureCall): no second call alerts on its line, nobody joins.
    /// It has nothing to do with encryption.
    SecureCall {
        /// The call.
        call: CallId,
    },
    /// Tell the other side some octets (lineSendUserUserInfo; RFC 7433).
    SendUserInfo {
        /// The call.
        call: CallId,
        /// What.
        data: UserInfo,
    },
    /// What the other side told last was read; the next is shown, if one waits (lineReleaseUserUserInfo).
    ReleaseUserInfo {
        /// The call.
        call: CallId,
    },
    /// Note the media types that the call turned out to have (lineSetMediaMode). Advisory; more than one only with *unknown*.
    SetMediaType {
        /// The call.
        call: CallId,
        /// Which.
        media: MediaTypes,
    },
    /// Keep some octets with a call (lineSetCallData); they survive hand-off. Empty clears.
    SetCallData {
        /// The call.
        call: CallId,
        /// What.
        data: Vec<u8>,
    },
    /// Keep a number with a call (lineSetAppSpecific).
    SetAppSpecific {
        /// The call.
        call: CallId,
        /// Which.
        value: u32,
    },
    /// Change how a call's audio is sent (lineSetCallParams): of a connected call by an offer within its session, after which the
    /// codec is the one that the other side chose of the list. If it refuses, the request fails and the call is as it was. A call
    /// that is not answered or not dialled yet begins with it.
    SetCallParameters {
        /// The call.
        call: CallId,
        /// How it is to be sent.
        audio: DeviceConfig,
    },
    /// What a party hears that waits: unanswered where the line sends early audio, or on hold (lineSetCallTreatment).
    SetTreatment {
        /// The call.
        call: CallId,
        /// What.
        treatment: CallTreatment,
    },
    /// Take a line out of service, or back into it (lineSetLineDevStatus, INSERVICE): the account un-registers or registers.
    SetService {
        /// The line.
        line: LineId,
        /// Whether calls are wanted.
        on: bool,
    },
    /// Send digits (lineGenerateDigits). Completes when the last was sent, or as
    /// [`Replaced`](crate::OperationError::Replaced) when a newer request to send took its place, or when it was stopped.
    SendDigits {
        /// The call.
        call: CallId,
        /// What to send.
        digits: DigitOptions,
    },
    /// Send a tone (lineGenerateTone); it shares its turn with digits.
    SendTone {
        /// The call.
        call: CallId,
        /// Which.
        tone: ToneOptions,
    },
    /// Stop sending digits or a tone; the request that sends completes as replaced.
    StopSending {
        /// The call.
        call: CallId,
    },
    /// Collect digits of the other side (lineGatherDigits). Completes with
    /// [`Outcome::Gathered`](crate::Outcome::Gathered); a newer request, or [`StopGathering`](Self::StopGathering), ends it with
    /// the reason *cancelled*.
    GatherDigits {
        /// The call.
        call: CallId,
        /// Until when.
        gather: GatherOptions,
    },
    /// Stop collecting digits.
    StopGathering {
        /// The call.
        call: CallId,
    },
    /// Which digits of the other side are told (lineMonitorDigits).
    MonitorDigits {
        /// The call.
        call: CallId,
        /// Which.
        digits: DigitMonitoring,
    },
    /// Which tones in the other side's audio are told (lineMonitorTones); an empty list ends it.
    MonitorTones {
        /// The call.
        call: CallId,
        /// Which.
        tones: Vec<TonePattern>,
    },
    /// Changes to which media types are told (lineMonitorMedia); none ends it.
    MonitorMedia {
        /// The call.
        call: CallId,
        /// Which.
        media: MediaTypes,
    },
    /// What the call's audio does by itself from now on, when something happens in the call (lineSetMediaControl): takes the place
    /// of the list before, whoever set it; an empty one ends it. It stays with the call when its owner changes, and ends with it.
    /// Several entries for one thing are carried out in their order. In a conference, digits are those of the conference call.
    SetMediaControl {
        /// The call.
        call: CallId,
        /// The new list.
        controls: Vec<MediaControl>,
    },
    /// Change what the other party hears.
    Play {
        /// The call.
        call: CallId,
        /// The new source.
        source: AudioSource,
    },
    /// Record both directions into a WAV file (received left, sent right); `None` completes the file.
    Record {
        /// The call.
        call: CallId,
        /// The file.
        path: Option<PathBuf>,
    },
    /// Read the call's media figures; answered by [`Outcome::Statistics`](crate::Outcome::Statistics).
    Statistics {
        /// The call.
        call: CallId,
    },
    /// A command of the line's extension (lineDevSpecific), possible only while a version of it is selected
    /// ([`Provider::select_extension`](crate::Provider::select_extension)).
    Extension {
        /// The line.
        line: LineId,
        /// The call it is about, if it is about one.
        call: Option<CallId>,
        /// What.
        command: ExtensionCommand,
    },
}

impl Operation {
    /// Accepts a call.
    pub const fn accept(call: CallId) -> Self {
        Self::Accept { call, user_info: None }
    }

    /// Answers a call; the caller hears silence first.
    pub const fn answer(call: CallId) -> Self {
        Self::Answer { call, source: AudioSource::Silence, user_info: None }
    }

    /// Drops a call.
    pub const fn drop(call: CallId) -> Self {
        Self::Drop { call, reason: RejectReason::Default, user_info: None }
    }

    /// The call it is about, if it is about one; of two, the one whose state decides.
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Self::MakeCall { .. }
            | Self::Forward { .. }
            | Self::Unpark { .. }
            | Self::Pickup { .. }
            | Self::UncompleteCall { .. }
            | Self::SetService { .. } => None,
            Self::SetupConference { call, .. } | Self::Extension { call, .. } => *call,
            Self::Accept { call, .. }
            | Self::Answer { call, .. }
            | Self::Dial { call, .. }
            | Self::Redirect { call, .. }
            | Self::Drop { call, .. }
            | Self::Hold { call }
            | Self::Retrieve { call }
            | Self::SwapHold { active: call, .. }
            | Self::SetupTransfer { call, .. }
            | Self::CompleteTransfer { call, .. }
            | Self::BlindTransfer { call, .. }
            | Self::PrepareAddToConference { conference: call, .. }
            | Self::AddToConference { conference: call, .. }
            | Self::RemoveFromConference { member: call }
            | Self::Park { call, .. }
            | Self::CompleteCall { call, .. }
            | Self::SecureCall { call }
            | Self::SendUserInfo { call, .. }
            | Self::ReleaseUserInfo { call }
            | Self::SetMediaType { call, .. }
            | Self::SetCallData { call, .. }
            | Self::SetAppSpecific { call, .. }
            | Self::SetCallParameters { call, .. }
            | Self::SetTreatment { call, .. }
            | Self::SendDigits { call, .. }
            | Self::SendTone { call, .. }
            | Self::StopSending { call }
            | Self::GatherDigits { call, .. }
            | Self::StopGathering { call }
            | Self::MonitorDigits { call, .. }
            | Self::MonitorTones { call, .. }
            | Self::MonitorMedia { call, .. }
            | Self::SetMediaControl { call, .. }
            | Self::Play { call, .. }
            | Self::Record { call, .. }
            | Self::Statistics { call } => Some(*call),
        }
    }

    /// The second call it is about: the held call of a swap, the consultation call, the new member.
    pub const fn other_call(&self) -> Option<CallId> {
        match self {
            Self::SwapHold { held: other, .. }
            | Self::CompleteTransfer { consult: other, .. }
            | Self::AddToConference { member: other, .. } => Some(*other),
            _ => None,
        }
    }

    /// The line it names, if it names one.
    pub const fn line(&self) -> Option<LineId> {
        match self {
            Self::MakeCall { line, .. }
            | Self::Forward { line, .. }
            | Self::SetupConference { line, .. }
            | Self::Unpark { line, .. }
            | Self::Pickup { line, .. }
            | Self::UncompleteCall { line, .. }
            | Self::SetService { line, .. }
            | Self::Extension { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The word used in timelines and errors.
    pub const fn name(&self) -> &'static str {
        crate::Feature::of(self).name()
    }
}
