//! A SIP telephony service provider: lines, calls, owners, hand-off.
//!
//! A [`Service`] runs the lines of a [`Config`](config::Config). Programs attach as an [`Application`], open a
//! [`Line`] with an [`Interest`], and hear [`Event`]s; a [`Call`] is a handle to one call. Each offered call has exactly one
//! owner among the applications that wanted it; the owner accepts, answers, redirects, hands off or drops it.
//!
//! ```no_run
//! use hookswitch::{Audio, Event, Interest, MediaTypes, Service, config::Config};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::start(Config::load("hookswitch.toml".as_ref())?)?;
//! let mut app = service.attach("answering machine").await?;
//! app.open("reception", Interest::owner(MediaTypes::VOICE)).await?;
//! while let Some(event) = app.next().await {
//!     if let Event::Offered(call) = event {
//!         call.answer(Audio::file("greeting.wav")).await?;
//!         tokio::spawn(async move { call.ended().await });
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! The way through this crate:
//!
//! 1. [`Service::start`] with a file's lines, or [`Service::start_installed`] with those of the installed provider.
//! 2. [`Service::attach`] as an application; [`Application::open`] lines.
//! 3. Calls come as [`Event::Offered`] (to own) and [`Event::Appeared`] (to watch), or are made by [`Line::call`].
//! 4. Decide: [`Call::answer`], [`Call::redirect`], [`Call::hand_off`], [`Call::hang_up`]; talk: [`Call::play`], [`Call::live`],
//!    [`Call::gather_digits`]; with others: [`Call::consult`] and [`Call::complete_transfer`], [`Line::set_up_conference`],
//!    [`Call::park`], [`Line::pick_up`].
//! 5. [`Call::connected`], [`Call::next_digit`] and [`Call::ended`] wait; [`Call::state`] and [`Call::info`] look;
//!    [`Call::ladder`] explains. What a line can do is in [`Line::capabilities`].
//!
//! A program may lose its [`Application`] in the middle of a call: its task panics, and everything it held is dropped. Until the
//! grace of the application has run out the other side hears music, and the program can come back to its calls and to every
//! event that it has missed:
//!
//! ```no_run
//! # use hookswitch::{Error, Service, SessionToken};
//! # async fn run(service: &Service, token: SessionToken, last_seen: u64) -> Result<(), Error> {
//! let back = service.resume("answering machine", token, Some(last_seen)).await?;
//! let (mut app, calls) = (back.application, back.calls);
//! while let Some((number, event)) = app.next_numbered().await {
//!     println!("{number}: {event:?}, {} calls", calls.len());
//! }
//! # Ok(()) }
//! ```
//!
//! Everything a program asks is either refused at once or completes exactly once; both come back as the result of the
//! `async` method ([`Error::Refused`], [`Error::Failed`]).
#![forbid(unsafe_code)]
// Above the sans-IO line: this crate reads files and starts threads.
#![allow(clippy::disallowed_methods)]

mod address;
mod application;
mod attach;
mod audio;
mod call;
pub mod config;
mod deliver;
mod digits;
mod error;
mod event;
mod extension;
mod follow;
mod keeping;
mod link;
mod orders;
mod phone_desk;
mod phone_devices;
mod phone_machine;
mod queue;
mod service;
mod session;
mod shards;
mod switch;
mod token;
mod transfer;

pub use application::{Application, Line};
pub use attach::{AttachOptions, Resumed, ServiceOptions};
pub use audio::{Audio, LiveAudio};
pub use call::Call;
pub use digits::Gathered;
pub use error::{Error, StartError};
pub use event::Event;
pub use hookswitch_machine::Endpoint;
pub use hookswitch_softswitch::{
    Direction as PhoneCallDirection, Event as SoftswitchEvent, Messages, Phone as SoftswitchPhone, PhoneCall,
    PhoneCallState, PhoneContact, Registration as SoftswitchRegistration, Snapshot as SoftswitchSnapshot,
    Unregistered,
};
pub use hookswitch_spi::{
    AddressDescription, AddressId, AddressStatus, AnswerMode, AudioSource, CallCounts, CallId, CallInfo,
    CallOptions, CallState, CallStatistics, CallTreatment, Capabilities, CompletionId, CompletionMode,
    ConnectedMode, DeviceChoices, DeviceConfig, DigitMonitoring, DigitOptions, DigitTransport, Disconnect,
    DisconnectMode, EndedBy, ExtensionAnswer, ExtensionCommand, ExtensionEvent, ExtensionVersion, Feature,
    ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, GatherEnd, GatherOptions, HookSwitch,
    InfoParts, InterfaceVersion, LampMeaning, LampState, LineDescription, LineId, LineState, LineStatus,
    MediaAction, MediaControl, MediaControlSizes, MediaTrigger, MediaType, MediaTypes, OperationError,
    Origin, OutOfService, ParkAt, Party, PhoneCapabilities, PhoneDescription, PhoneFailure, PhoneId,
    PhoneLamp, PhonePart, PhoneSetting, PhoneStatus, PickupFrom, Presentation, Reason, RejectReason, Set,
    StateKind, StatusKind, TimelineEntry, TimelineFact, ToneOptions, TonePattern, TransferOutcome, UserInfo,
    VersionRange, Way,
};
pub use hookswitch_telephony::{
    CallRequest, CallSnapshot, HandOffTarget, Interest, LadderNames, LineSnapshot, OLDEST, OpenId, OpenLine,
    PhoneError, Priorities, Privilege, RequestError, Treatment, Unowned,
};
pub use link::{CallLink, LinkError};
pub use phone_devices::{PhoneDevice, PhoneDevices, PhoneEvent, PhonePrivilege};
#[doc(hidden)]
pub use service::Tuning;
pub use service::{Figures, Service};
pub use switch::{Missed, PhoneChanges, Softswitch};
pub use token::SessionToken;
pub use transfer::Conference;
