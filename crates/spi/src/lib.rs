//! The service provider interface: the vocabulary and the contract between applications and providers.
//!
//! A *provider* has *lines*; a line has *addresses*; *calls* come and go on a line. The application side
//! (`hookswitch-telephony`) asks through [`Provider::submit`] and hears through [`ProviderEvent`]s; it owns everything that
//! providers do not know: applications, privileges, ownership, hand-off. The model and its meaning are those of Microsoft's
//! TSPI under modern names.
//!
//! The contract every implementation keeps:
//! 1. A request is refused at once with an error and never completes, or is accepted and completes exactly once.
//! 2. A call created by a request has no events before that request has completed with success.
//! 3. A call that came in is announced by [`ProviderEvent::NewCall`] before anything else about it, and nothing follows before
//!    [`Provider::take_call`] has taken it; its states follow [`CallState`]; its end carries a [`Disconnect`]. The call lives
//!    until [`Provider::close_call`].
//! 4. What is offered is what is advertised ([`Capabilities`]): without the static bit an operation is
//!    [`OperationError::Unavailable`], with it but in the wrong state [`OperationError::InvalidCallState`].
//! 5. Closing a call or line completes what is outstanding on it first; afterwards there are no more events for it.
#![forbid(unsafe_code)]

mod call;
mod capability;
mod completion;
mod device_config;
mod error;
mod event;
mod extension;
mod feature;
mod forward;
mod ids;
mod info;
mod media;
mod media_control;
mod operation;
mod options;
mod outcome;
mod phone;
mod provider;
mod set;
mod status;
mod timeline;

pub use call::{
    BusyMode, CallState, ConnectedMode, Disconnect, DisconnectMode, EndedBy, OfferingMode, StateKind,
};
pub use capability::{
    AnswerMode, Bounds, Capabilities, CapabilityFlags, ParkKind, PickupKind, UserInfoSizes,
};
pub use completion::{Completion, Completions};
pub use device_config::{DeviceChoices, DeviceConfig, DigitTransport};
pub use error::{LineError, OperationError};
pub use event::{LineState, OutOfService, ProviderEvent};
pub use extension::{
    Extension, ExtensionAnswer, ExtensionCommand, ExtensionEvent, ExtensionVersion, SIP_EXTENSION,
};
pub use feature::{Feature, Features};
pub use forward::{CallerKind, ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules};
pub use ids::{
    AddressId, CallId, CompletionId, InterfaceVersion, LineId, PhoneId, PhysicalCallId, RequestId,
    VersionRange,
};
pub use info::{CallInfo, InfoParts, Origin, Party, Presentation, Reason};
pub use media::{MediaType, MediaTypes};
pub use media_control::{MediaAction, MediaControl, MediaControlSizes, MediaTrigger};
pub use operation::Operation;
pub use options::{
    AudioSource, CallOptions, CallTreatment, CompletionMode, ConsultOptions, DigitMonitoring, DigitOptions,
    GatherOptions, ParkAt, PickupFrom, RejectReason, ToneOptions, TonePattern, TransferMode, UserInfo,
};
pub use outcome::{CallStatistics, GatherEnd, Outcome, TransferOutcome};
pub use phone::{
    HookSwitch, LampMeaning, LampState, PhoneCapabilities, PhoneDescription, PhoneEvent, PhoneFailure,
    PhoneLamp, PhonePart, PhoneProvider, PhoneSetting, PhoneStatus,
};
pub use provider::{AddressDescription, Devices, LineDescription, Provider};
pub use set::{Member, Set};
pub use status::{AddressStatus, CallCounts, CallStatus, LineStatus, StatusKind};
pub use timeline::{TimelineEntry, TimelineFact, Way, Word};
