//! What a line can do: one table from which capabilities, features possible now and errors are all computed.

use crate::feature::{Feature, Features};
use crate::options::{CallTreatment, CompletionMode, DigitMonitoring, ParkAt, PickupFrom, TransferMode};
use crate::set::member;
use crate::{
    BusyMode, ConnectedMode, DeviceChoices, DisconnectMode, Extension, ForwardCondition, InfoParts,
    MediaControlSizes, MediaTypes, OfferingMode, Operation, OperationError, Origin, Reason, Set, StateKind,
    StatusKind,
};
use serde::Serialize;
use std::time::Duration;

/// What a line can ever do (TAPI: LINEDEVCAPS and LINEADDRESSCAPS); constant while the provider is initialised. What is not in
/// here never happens on the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// What can be asked at all.
    pub features: Features,
    /// Media types that calls can carry and owners can register for.
    pub media: MediaTypes,
    /// States that calls can have.
    pub states: Set<StateKind>,
    /// How calls can end.
    pub disconnect_modes: Set<DisconnectMode>,
    /// How calls can be connected.
    pub connected_modes: Set<ConnectedMode>,
    /// How calls can be offered.
    pub offering_modes: Set<OfferingMode>,
    /// What can be told to be busy.
    pub busy_modes: Set<BusyMode>,
    /// Why calls can be here.
    pub reasons: Set<Reason>,
    /// Which way calls can be set up.
    pub origins: Set<Origin>,
    /// Which changes of call information are told.
    pub info_parts: InfoParts,
    /// Which changes of lines and addresses are told.
    pub status: Set<StatusKind>,
    /// What answering does to the call that is active.
    pub answer_mode: AnswerMode,
    /// Calls in progress at a time.
    pub max_calls: u32,
    /// Members of one conference, ourselves not counted; 0: no conferences.
    pub max_conference: u16,
    /// Rules in one forwarding list.
    pub max_forward_rules: u16,
    /// When forwarding rules can apply.
    pub forward_conditions: Set<ForwardCondition>,
    /// Bounds of the time after which a call counts as not answered.
    pub no_answer_after: Bounds,
    /// What transfers can be completed as.
    pub transfer_modes: Set<TransferMode>,
    /// How calls can be parked.
    pub park_modes: Set<ParkKind>,
    /// From where calls can be picked up.
    pub pickup_from: Set<PickupKind>,
    /// How calls can be completed later.
    pub completion_modes: Set<CompletionMode>,
    /// Call completions at a time.
    pub max_completions: u16,
    /// What waiting parties can be made to hear.
    pub treatments: Set<CallTreatment>,
    /// Which digits can be told.
    pub digit_monitoring: Set<DigitMonitoring>,
    /// Bounds of the times of gathering digits.
    pub gather_after: Bounds,
    /// Tones listened for at a time.
    pub max_tone_patterns: u16,
    /// What the device configuration of the line and of its calls can be.
    pub device: DeviceChoices,
    /// Entries of a list of media controls.
    pub media_control: MediaControlSizes,
    /// Octets of user information in each message.
    pub user_info: UserInfoSizes,
    /// Octets of call data.
    pub max_call_data: u32,
    /// The state of a member taken out of its conference (TAPI: dwRemoveFromConfState).
    pub removed_member: StateKind,
    /// What holds of the line beside.
    pub flags: CapabilityFlags,
    /// The line's extension.
    #[serde(skip)]
    pub extension: Option<Extension>,
}

/// What holds of a line (TAPI: LINEDEVCAPFLAGS and LINEADDRCAPFLAGS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct CapabilityFlags {
    /// Dropping the last handle of a live call hangs up (CLOSEDROP).
    pub close_drops: bool,
    /// The caller is alerted by accepting, not before (ACCEPTTOALERT).
    pub accept_alerts: bool,
    /// When a consultation call ends, the held call is connected again (AUTORECONNECT).
    pub reconnects: bool,
    /// Addresses can be dialled in parts (PARTIALDIAL).
    pub partial_dialing: bool,
    /// A conference can be set up without a first call (SETUPCONFNULL).
    pub conference_from_nothing: bool,
    /// Forwarding rules told are those in force (FWDSTATUSVALID).
    pub forwarding_known: bool,
    /// A transfer that the switch cannot do is bridged here.
    pub bridges: bool,
}

/// What answering a call does to the active one (TAPI: LINEANSWERMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerMode {
    /// Nothing.
    #[default]
    None,
    /// It is dropped.
    Drop,
    /// It is held.
    Hold,
}

/// The kinds of [`ParkAt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each is documented at ParkAt
pub enum ParkKind {
    Orbit,
    Anywhere,
}

/// The kinds of [`PickupFrom`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each is documented at PickupFrom
pub enum PickupKind {
    Address,
    Group,
    Waiting,
}

member!(ParkKind: Orbit, Anywhere);
member!(PickupKind: Address, Group, Waiting);
member!(TransferMode: Transfer, Conference);
member!(CompletionMode: CampOn, CallBack, Intrude, Message);
member!(CallTreatment: Silence, Ringback, Busy, Music);
member!(DigitMonitoring: Off, Digits, BeginningAndEnd);

/// A range of times, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Bounds {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Bounds {
    /// The nearest time within.
    pub fn clamp(self, time: Duration) -> Duration {
        time.clamp(self.least, self.most)
    }

    /// Whether `time` is within.
    pub fn contains(self, time: Duration) -> bool {
        (self.least..=self.most).contains(&time)
    }
}

/// Octets of user information that each message can carry; 0: none (TAPI: dwUUI*Size).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct UserInfoSizes {
    /// With a new call.
    pub make_call: u16,
    /// With accept.
    pub accept: u16,
    /// With answer.
    pub answer: u16,
    /// With drop.
    pub drop: u16,
    /// By itself.
    pub send: u16,
    /// What can be received.
    pub received: u16,
}

impl Capabilities {
    /// A table in which nothing is possible: what a provider adds to.
    pub fn none() -> Self {
        Self {
            features: Features::NONE,
            media: MediaTypes::NONE,
            states: Set::NONE,
            disconnect_modes: Set::NONE,
            connected_modes: Set::NONE,
            offering_modes: Set::NONE,
            busy_modes: Set::NONE,
            reasons: Set::NONE,
            origins: Set::NONE,
            info_parts: InfoParts::default(),
            status: Set::NONE,
            answer_mode: AnswerMode::None,
            max_calls: 0,
            max_conference: 0,
            max_forward_rules: 0,
            forward_conditions: Set::NONE,
            no_answer_after: Bounds::default(),
            transfer_modes: Set::NONE,
            park_modes: Set::NONE,
            pickup_from: Set::NONE,
            completion_modes: Set::NONE,
            max_completions: 0,
            treatments: Set::NONE,
            digit_monitoring: Set::NONE,
            gather_after: Bounds::default(),
            max_tone_patterns: 0,
            device: DeviceChoices::default(),
            media_control: MediaControlSizes::default(),
            user_info: UserInfoSizes::default(),
            max_call_data: 0,
            removed_member: StateKind::Idle,
            flags: CapabilityFlags::default(),
            extension: None,
        }
    }

    /// Whether `operation` is possible for a call in `state` (`None` if it needs no call): the one place where the two
    /// errors are told apart.
    pub fn check(&self, operation: &Operation, state: Option<StateKind>) -> Result<(), OperationError> {
        let feature = Feature::of(operation);
        if !self.features.contains(feature) {
            return Err(OperationError::Unavailable(feature.name()));
        }
        match state {
            Some(state) if !feature.states().contains(&state) => {
                Err(OperationError::InvalidCallState { operation: feature.name(), state })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the second call of an operation ([`Operation::other_call`]) is in a state in which it is possible.
    pub fn check_other(&self, operation: &Operation, state: StateKind) -> Result<(), OperationError> {
        let feature = Feature::of(operation);
        if feature.other_states().contains(&state) {
            Ok(())
        } else {
            Err(OperationError::InvalidCallState { operation: feature.name(), state })
        }
    }

    /// Whether the arguments of `operation` are within what the line can do; addresses are the provider's to judge.
    pub fn check_arguments(&self, operation: &Operation) -> Result<(), OperationError> {
        use Operation as O;
        let unsupported = || Err(OperationError::Unavailable(operation.name()));
        let sizes = &self.user_info;
        match operation {
            O::MakeCall { options, .. } => self.check_call(options),
            O::SetupConference { call: None, .. } if !self.flags.conference_from_nothing => unsupported(),
            O::SetupTransfer { consult, .. }
            | O::SetupConference { consult, .. }
            | O::PrepareAddToConference { consult, .. } => self.check_call(&consult.call),
            O::Accept { user_info, .. } => fits(user_info.as_ref(), sizes.accept),
            O::Answer { user_info, .. } => fits(user_info.as_ref(), sizes.answer),
            O::Drop { user_info, .. } => fits(user_info.as_ref(), sizes.drop),
            O::SendUserInfo { data, .. } => fits(Some(data), sizes.send),
            O::CompleteTransfer { mode, .. } if !self.transfer_modes.contains(*mode) => unsupported(),
            O::Park { at: ParkAt::Orbit(_), .. } if !self.park_modes.contains(ParkKind::Orbit) => {
                unsupported()
            }
            O::Park { at: ParkAt::Anywhere, .. } if !self.park_modes.contains(ParkKind::Anywhere) => {
                unsupported()
            }
            O::Pickup { from, .. } => {
                let kind = match from {
                    PickupFrom::Address(_) => PickupKind::Address,
                    PickupFrom::Group(_) => PickupKind::Group,
                    PickupFrom::Waiting => PickupKind::Waiting,
                };
                if self.pickup_from.contains(kind) { Ok(()) } else { unsupported() }
            }
            O::CompleteCall { mode, .. } if !self.completion_modes.contains(*mode) => unsupported(),
            O::SetTreatment { treatment, .. } if !self.treatments.contains(*treatment) => unsupported(),
            O::MonitorDigits { digits, .. } if !self.digit_monitoring.contains(*digits) => unsupported(),
            O::SetCallData { data, .. } => self.data_fits(data),
            O::SetMediaType { media, .. } => {
                if media.is_empty()
                    || (media.iter().count() > 1 && !media.contains(crate::MediaType::Unknown))
                {
                    return Err(OperationError::InvalidParameter(format!(
                        "expected one media type, or several together with 'unknown'; got {media}"
                    )));
                }
                Ok(())
            }
            O::MonitorMedia { media, .. } if !self.media.with(crate::MediaType::Unknown).covers(*media) => {
                Err(OperationError::InvalidParameter(format!("the line cannot carry {media}")))
            }
            O::MonitorTones { tones, .. } if tones.len() > usize::from(self.max_tone_patterns) => {
                let most = self.max_tone_patterns;
                Err(OperationError::InvalidParameter(format!("at most {most} tones can be listened for")))
            }
            O::SetCallParameters { audio, .. } => {
                self.device.check(audio).map_err(OperationError::InvalidParameter)
            }
            O::SetMediaControl { controls, .. } => crate::media_control::check(self, controls),
            O::GatherDigits { gather, .. } => self.check_gather(gather),
            O::SendDigits { digits, .. } => check_digits(digits),
            O::Forward { rules, .. } if rules.rules.len() > usize::from(self.max_forward_rules) => {
                let most = self.max_forward_rules;
                Err(OperationError::InvalidParameter(format!("at most {most} forwarding rules")))
            }
            _ => Ok(()),
        }
    }

    fn check_call(&self, options: &crate::CallOptions) -> Result<(), OperationError> {
        fits(options.user_info.as_ref(), self.user_info.make_call)?;
        self.data_fits(&options.call_data)?;
        if let Some(audio) = &options.audio {
            self.device.check(audio).map_err(OperationError::InvalidParameter)?;
        }
        match options.no_answer_after {
            Some(after) if !self.no_answer_after.contains(after) => {
                let Bounds { least, most } = self.no_answer_after;
                Err(OperationError::InvalidParameter(format!(
                    "expected a no-answer time between {least:?} and {most:?}; got {after:?}"
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn data_fits(&self, data: &[u8]) -> Result<(), OperationError> {
        if data.len() > self.max_call_data as usize {
            let (got, most) = (data.len(), self.max_call_data);
            return Err(OperationError::InvalidParameter(format!(
                "expected at most {most} octets of call data; got {got}"
            )));
        }
        Ok(())
    }

    fn check_gather(&self, gather: &crate::GatherOptions) -> Result<(), OperationError> {
        let wrong = |message: String| Err(OperationError::InvalidParameter(message));
        if gather.count == 0 || gather.count > 256 {
            return wrong(format!("expected a number of digits between 1 and 256; got {}", gather.count));
        }
        if let Some(c) = gather.terminators.chars().find(|c| !is_digit(*c)) {
            return wrong(format!("'{c}' is no digit: expected 0-9, A-D, * or #"));
        }
        let times = [gather.first_after, gather.next_after];
        if let Some(time) = times.into_iter().flatten().find(|time| !self.gather_after.contains(*time)) {
            let Bounds { least, most } = self.gather_after;
            return wrong(format!("expected a time between {least:?} and {most:?}; got {time:?}"));
        }
        Ok(())
    }

    /// What can be asked of a call in `state` now.
    pub fn possible(&self, state: StateKind) -> Features {
        self.features.iter().filter(|f| f.states().contains(&state)).collect()
    }
}

fn fits(data: Option<&crate::UserInfo>, most: u16) -> Result<(), OperationError> {
    match data {
        Some(data) if data.0.len() > usize::from(most) => {
            Err(OperationError::UserInfoTooBig { got: data.0.len(), most })
        }
        Some(_) | None => Ok(()),
    }
}

fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | 'A'..='D' | 'a'..='d' | '*' | '#')
}

fn check_digits(options: &crate::DigitOptions) -> Result<(), OperationError> {
    let wrong = |message: String| Err(OperationError::InvalidParameter(message));
    if let Some(c) = options.digits.chars().find(|c| !is_digit(*c) && *c != ',') {
        return wrong(format!("'{c}' is no digit: expected 0-9, A-D, *, # or a comma for a pause"));
    }
    if options.digits.is_empty() || options.digits.len() > 256 {
        return wrong("expected 1 to 256 digits".into());
    }
    let bounds = Bounds { least: Duration::from_millis(40), most: Duration::from_secs(5) };
    if !bounds.contains(options.duration) || !bounds.contains(options.gap) {
        return wrong("expected a duration and a gap between 40 ms and 5 s".into());
    }
    Ok(())
}
