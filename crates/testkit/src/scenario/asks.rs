//! What applications ask in random scenarios: every request there is, those that matter more often.

use super::aim::Aim;
use super::script::{APPLICATIONS, LINES};
use hookswitch_machine::Entropy;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallOptions, CallTreatment, CompletionId, CompletionMode, ConsultOptions,
    DeviceConfig, DigitMonitoring, DigitOptions, DigitTransport, ExtensionCommand, ExtensionVersion,
    ForwardingRules, GatherOptions, LineId, MediaAction, MediaControl, MediaTrigger, MediaType, MediaTypes,
    Operation, ParkAt, PickupFrom, RejectReason, StateKind, StatusKind, ToneOptions, TonePattern,
    TransferMode, UserInfo,
};
use hookswitch_telephony::{CallRequest, HandOffTarget, Interest, OpenId, Request};
use std::time::Duration;

/// Stands for the call that is chosen when the request is asked.
const CALL: CallId = CallId(0);

/// Chooses requests.
pub(super) struct Asker<'a>(&'a mut Entropy);

impl Asker<'_> {
    /// How the calls of a request are chosen.
    pub(super) fn aim(entropy: &mut Entropy) -> Aim {
        Aim { fitting: entropy.chance(9, 10), pick: entropy.next_u64() }
    }

    /// What is asked next: one thing, or several that make sense together.
    pub(super) fn next(entropy: &mut Entropy) -> Vec<Request> {
        let mut this = Asker(entropy);
        match this.0.below(11) {
            10 => vec![this.about_the_extension()],
            0 => this.several(),
            1 => vec![this.about_the_house()],
            2 => vec![this.about_a_call()],
            3 | 4 => vec![Request::Operate(this.audio())],
            5 => vec![Request::Operate(this.data())],
            _ => vec![Request::Operate(this.moving())],
        }
    }

    /// Header fields that a call is to be made with.
    pub(super) fn added(entropy: &mut Entropy) -> Vec<(Box<str>, Box<str>)> {
        Asker(entropy).headers()
    }

    /// Requests that give something back.
    pub(super) fn partings(entropy: &mut Entropy) -> Vec<Request> {
        let this = Asker(entropy);
        vec![match this.0.below(4) {
            0 => Request::LetGo { call: CALL },
            1 => Request::Release { call: CALL },
            2 => Request::Monitor { call: CALL },
            _ => Request::Detach,
        }]
    }

    fn one<T: Copy>(&mut self, of: &[T], otherwise: T) -> T {
        of.get(self.0.below(of.len() as u64) as usize).copied().unwrap_or(otherwise)
    }

    fn line(&mut self) -> LineId {
        self.one(&LINES, LINES[0])
    }

    fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least * 1_000 + self.0.below((most - least) * 1_000 + 1))
    }

    fn whom(&mut self) -> String {
        self.one(&["consultant", "601", "sip:erin@10.0.1.3", "not an address", "+33123"], "601").into()
    }

    fn consult(&mut self) -> ConsultOptions {
        let mut consult =
            if self.0.chance(1, 4) { ConsultOptions::default() } else { ConsultOptions::to(self.whom()) };
        consult.call.no_answer_after = Some(self.seconds(1, 30));
        if self.0.chance(1, 10) {
            consult.call.headers = self.headers();
        }
        consult
    }

    /// Header fields of an application's own; some of them are nobody's to write.
    fn headers(&mut self) -> Vec<(Box<str>, Box<str>)> {
        let header = self.one(
            &[
                ("X-Mark", "one"),
                ("X-Mark", "another"),
                ("Subject", "a question"),
                ("X-Mark", "x\r\nX-Slipped: y"),
                ("X-Slipped: y\r\nX-Mark", "x"),
                ("Via", "SIP/2.0/UDP 10.9.9.9"),
                ("Session-ID", "0"),
            ],
            ("X-Mark", "one"),
        );
        let twice = self.0.chance(1, 8);
        std::iter::repeat_n((header.0.into(), header.1.into()), 1 + usize::from(twice)).collect()
    }

    /// The extension of a line: its versions, and what only it can do.
    fn about_the_extension(&mut self) -> Request {
        let (line, call) = (self.line(), Some(CALL));
        let version = ExtensionVersion(self.0.below(4) as u32);
        let command = match self.0.below(12) {
            0 | 1 => return Request::SelectExtension { line, version },
            2 => return Request::NegotiateExtension { line, offered: (ExtensionVersion(1), version) },
            3 => ExtensionCommand::Headers,
            4 => ExtensionCommand::SetHeaders(Vec::new()),
            5 | 6 => ExtensionCommand::SetHeaders(self.headers()),
            7 => ExtensionCommand::Identifiers,
            8 => ExtensionCommand::Stream,
            _ => {
                let method = self.one(&["INFO", "MESSAGE", "OPTIONS", "NOTIFY", "BYE"], "INFO").into();
                let (content_type, body) =
                    self.one(&[("text/plain", "hello"), ("", ""), ("", "x")], ("", ""));
                let headers = if self.0.chance(1, 2) { self.headers() } else { Vec::new() };
                let (content_type, body) = (content_type.into(), body.into());
                ExtensionCommand::Send { method, headers, content_type, body }
            }
        };
        let call = if self.0.chance(1, 20) { None } else { call };
        Request::Operate(Operation::Extension { line, call, command })
    }

    /// Conferences and consultations take several requests to get anywhere.
    fn several(&mut self) -> Vec<Request> {
        let (line, address) = (self.line(), AddressId(0));
        let call = self.0.chance(3, 4).then_some(CALL);
        let add = Operation::AddToConference { conference: CALL, member: CALL };
        let mode = self.one(&[TransferMode::Transfer, TransferMode::Conference], TransferMode::Conference);
        let deadline = self.seconds(1, 20);
        let complete = Operation::CompleteTransfer { call: CALL, consult: CALL, mode, deadline };
        let operations = match self.0.below(4) {
            0 => vec![
                Operation::SetupConference { line, address, call, consult: self.consult() },
                add.clone(),
                Operation::PrepareAddToConference { conference: CALL, consult: self.consult() },
                add,
                Operation::RemoveFromConference { member: CALL },
            ],
            1 => vec![
                Operation::SetupConference { line, address, call, consult: self.consult() },
                add,
                Operation::drop(CALL),
            ],
            2 => vec![
                Operation::SetupTransfer { call: CALL, consult: self.consult() },
                Operation::Dial { call: CALL, digits: "60;".into() },
                Operation::Dial { call: CALL, digits: "1".into() },
                complete,
            ],
            _ => vec![
                Operation::SetupTransfer { call: CALL, consult: self.consult() },
                Operation::SwapHold { active: CALL, held: CALL },
                complete,
                Operation::PrepareAddToConference { conference: CALL, consult: self.consult() },
            ],
        };
        operations.into_iter().map(Request::Operate).collect()
    }

    /// What moves calls from state to state.
    fn moving(&mut self) -> Operation {
        let (call, line, address) = (CALL, self.line(), AddressId(0));
        match self.0.below(25) {
            0 => Operation::accept(call),
            1 | 2 => Operation::answer(call),
            3 => Operation::Redirect { call, destination: self.whom() },
            4 | 5 => {
                let reason = self.one(
                    &[RejectReason::Default, RejectReason::Busy, RejectReason::NoAnswer],
                    RejectReason::Decline,
                );
                Operation::Drop { call, reason, user_info: None }
            }
            6 | 7 => Operation::Hold { call },
            8 | 9 => Operation::Retrieve { call },
            10 => Operation::SwapHold { active: call, held: call },
            11 | 12 => Operation::SetupTransfer { call, consult: self.consult() },
            13 => {
                let mode =
                    self.one(&[TransferMode::Transfer, TransferMode::Conference], TransferMode::Transfer);
                Operation::CompleteTransfer { call, consult: call, mode, deadline: self.seconds(1, 20) }
            }
            14 => Operation::BlindTransfer { call, destination: self.whom(), deadline: self.seconds(1, 20) },
            15 => {
                let first = self.0.chance(3, 4).then_some(call);
                Operation::SetupConference { line, address, call: first, consult: self.consult() }
            }
            16 => Operation::PrepareAddToConference { conference: call, consult: self.consult() },
            17 => Operation::AddToConference { conference: call, member: call },
            18 => Operation::RemoveFromConference { member: call },
            19 => {
                let destination = self.one(&["", "60;", "601", "not an address"], "").into();
                let audio = self.0.chance(1, 8).then(|| Box::new(self.config()));
                let options = CallOptions { audio, ..CallOptions::default() };
                Operation::MakeCall { line, address, destination, options }
            }
            20 => Operation::Dial { call, digits: self.one(&["", "1", "60;", "a b"], "1").into() },
            21 => match self.0.below(3) {
                0 => Operation::Park { call, at: ParkAt::Anywhere },
                1 => Operation::Park { call, at: ParkAt::Orbit("701".into()) },
                _ => Operation::Unpark { line, address, orbit: "701".into() },
            },
            22 => {
                let from = match self.0.below(3) {
                    0 => PickupFrom::Waiting,
                    1 => PickupFrom::Group(String::new()),
                    _ => PickupFrom::Address("601".into()),
                };
                Operation::Pickup { line, address, from }
            }
            23 => {
                let modes = [CompletionMode::CampOn, CompletionMode::CallBack];
                Operation::CompleteCall { call, mode: self.one(&modes, CompletionMode::CallBack) }
            }
            _ => Operation::UncompleteCall { line, completion: CompletionId(self.0.below(3) as u32) },
        }
    }

    /// Digits, tones, and what is heard.
    fn audio(&mut self) -> Operation {
        let call = CALL;
        match self.0.below(17) {
            0 | 1 => {
                let digits = self.one(&["1", "12#", "1,2", "x", ""], "1");
                Operation::SendDigits { call, digits: DigitOptions::new(digits) }
            }
            2 => {
                let tone = match self.0.below(3) {
                    0 => ToneOptions::Beep,
                    1 => ToneOptions::Busy(self.seconds(1, 5)),
                    _ => ToneOptions::Ringback(self.seconds(1, 60)),
                };
                Operation::SendTone { call, tone }
            }
            3 => Operation::StopSending { call },
            4 | 5 => {
                let gather = GatherOptions {
                    count: self.0.below(4) as u16,
                    terminators: "#".into(),
                    first_after: self.0.chance(3, 4).then(|| self.seconds(1, 20)),
                    next_after: self.0.chance(1, 2).then(|| self.seconds(1, 5)),
                };
                Operation::GatherDigits { call, gather }
            }
            6 => Operation::StopGathering { call },
            7 => {
                let digits =
                    [DigitMonitoring::Off, DigitMonitoring::Digits, DigitMonitoring::BeginningAndEnd];
                Operation::MonitorDigits { call, digits: self.one(&digits, DigitMonitoring::Digits) }
            }
            8 => {
                let tone =
                    |tag| TonePattern { tag, frequencies: [440, 0], duration: Duration::from_millis(100) };
                let tones = (0..self.0.below(4) as u32).map(tone).collect();
                Operation::MonitorTones { call, tones }
            }
            9 => {
                let media = self.one(&[MediaTypes::NONE, MediaType::Fax.into()], MediaTypes::VOICE);
                Operation::MonitorMedia { call, media }
            }
            10 => {
                let source = if self.0.chance(1, 2) { AudioSource::Music } else { AudioSource::Echo };
                Operation::Play { call, source }
            }
            11 => {
                let treatments = [
                    CallTreatment::Silence,
                    CallTreatment::Ringback,
                    CallTreatment::Busy,
                    CallTreatment::Music,
                ];
                Operation::SetTreatment { call, treatment: self.one(&treatments, CallTreatment::Music) }
            }
            14 | 15 => Operation::SetCallParameters { call, audio: self.config() },
            12 | 13 => Operation::SetMediaControl { call, controls: self.controls() },
            _ => Operation::Statistics { call },
        }
    }

    /// How audio is sent; sometimes nonsense.
    fn config(&mut self) -> DeviceConfig {
        let lists: [&[&str]; 5] =
            [&["PCMU"], &["PCMA", "PCMU"], &["PCMU", "PCMA"], &["L16/16000", "PCMA"], &["nonsense"]];
        let codecs = self.one(&lists, &["PCMU"]).iter().map(|name| (*name).to_owned()).collect();
        let ways = [DigitTransport::EventsOrAudio, DigitTransport::EventsOrInfo, DigitTransport::Audio];
        let digits = self.one(&ways, DigitTransport::Info);
        DeviceConfig { codecs, packet_time: self.one(&[20, 30, 40], 20), digits }
    }

    /// What a call's audio does by itself; sometimes nothing, sometimes nonsense.
    fn controls(&mut self) -> Vec<MediaControl> {
        let tone = MediaTrigger::Tone { frequencies: [440, 0], duration: Duration::from_millis(100) };
        let triggers = [
            MediaTrigger::Digit('1'),
            MediaTrigger::Digit('#'),
            tone,
            MediaTrigger::Media(MediaType::Fax),
            MediaTrigger::State(StateKind::Connected),
            MediaTrigger::State(StateKind::OnHold),
        ];
        let count = self.0.below(4);
        let wrong = self
            .0
            .chance(1, 20)
            .then_some(MediaControl { when: MediaTrigger::State(StateKind::Idle), then: MediaAction::Stop });
        let mut control = || {
            let then = match self.0.below(7) {
                0 => MediaAction::Start(AudioSource::Music),
                1 => MediaAction::Stop,
                2 => MediaAction::Pause,
                3 => MediaAction::Resume,
                4 => MediaAction::VolumeUp,
                5 => MediaAction::VolumeDown,
                _ => MediaAction::VolumeNormal,
            };
            MediaControl { when: self.one(&triggers, tone), then }
        };
        (0..count).map(|_| control()).chain(wrong).collect()
    }

    /// What is kept with calls, and told along with them.
    fn data(&mut self) -> Operation {
        let call = CALL;
        match self.0.below(9) {
            0 => Operation::SecureCall { call },
            1 => Operation::SendUserInfo { call, data: UserInfo(vec![4; self.0.below(200) as usize]) },
            2 => Operation::ReleaseUserInfo { call },
            3 => {
                let several = MediaTypes::VOICE.with(MediaType::Unknown);
                let media = self.one(&[MediaTypes::VOICE, several, MediaTypes::NONE], several);
                Operation::SetMediaType { call, media }
            }
            4 | 5 => Operation::SetCallData { call, data: vec![7; self.0.below(1_200) as usize] },
            6 => Operation::SetAppSpecific { call, value: self.0.next_u32() },
            7 => Operation::Record { call, path: self.0.chance(1, 2).then(|| "/nowhere/call.wav".into()) },
            _ => Operation::Forward {
                line: self.line(),
                address: AddressId(0),
                rules: ForwardingRules::default(),
            },
        }
    }

    /// Who has a call, and what is known of it.
    fn about_a_call(&mut self) -> Request {
        let call = CALL;
        match self.0.below(12) {
            0 | 1 => {
                let name = self.one(&APPLICATIONS, "nobody");
                Request::HandOff { call, to: HandOffTarget::Application(name.into()) }
            }
            2 => Request::HandOff { call, to: HandOffTarget::Media(MediaType::Voice) },
            3 => Request::HandOff { call, to: HandOffTarget::Address(self.whom()) },
            4..=6 => Request::TakeOwnership { call },
            7 => Request::ConferenceCalls { call },
            8 => Request::CallInfo { call },
            9 => Request::Timeline { call },
            _ => Request::ExistingCalls { line: self.line(), address: None },
        }
    }

    /// Lines, applications, and what they want to hear.
    fn about_the_house(&mut self) -> Request {
        let (line, address) = (self.line(), AddressId(0));
        match self.0.below(22) {
            14 => {
                let order = if self.0.chance(1, 2) { ["queue", "desk"] } else { ["desk", "nobody"] };
                Request::SetRecipientPriority { order: order.map(Box::from).into() }
            }
            15 => {
                let destination = self.one(&["601", "sip:erin@10.0.1.3", ""], "601");
                Request::RequestCall { what: CallRequest::to(destination), hold: self.0.chance(1, 2) }
            }
            16 => {
                let dialled = self.one(&["alice", "bob", "sip:carol@10.0.1.3", "nobody"], "alice").into();
                Request::AddressId { line, dialled }
            }
            17 => {
                let media = self.one(&[MediaTypes::VOICE, MediaTypes::NONE], MediaTypes::VOICE);
                Request::CouldDetect { line, media, call: Box::default() }
            }
            18 => Request::Operate(Operation::SetService { line, on: !self.0.chance(1, 8) }),
            0 | 1 => Request::Snapshot,
            2 => {
                let order = if self.0.chance(1, 2) { ["queue", "desk"] } else { ["wall", "queue"] };
                Request::SetPriority { media: MediaType::Voice, order: order.map(Box::from).into() }
            }
            3 => {
                let several = MediaTypes::VOICE.with(MediaType::Unknown);
                let media = self.one(&[MediaTypes::NONE, MediaTypes::VOICE, several], MediaTypes::VOICE);
                let interest = Interest { monitor: self.0.chance(1, 3), ..Interest::owner(media) };
                Request::OpenLine { line, interest }
            }
            4 => Request::CloseOpen { line, open: OpenId(1 + self.0.below(12)) },
            5 => {
                let status = [StatusKind::Service, StatusKind::Ringing, StatusKind::CallCount].iter().fold(
                    Default::default(),
                    |set: hookswitch_spi::Set<StatusKind>, kind| {
                        if self.0.chance(1, 2) { set.with(*kind) } else { set }
                    },
                );
                Request::SetStatusMessages { line, open: OpenId(1 + self.0.below(12)), status }
            }
            6 => Request::Lines,
            7 => Request::Capabilities { line },
            8 => Request::LineStatus { line },
            9 => Request::AddressStatus { line, address },
            10 => Request::Forwarding { line, address },
            11 => {
                let offered = (ExtensionVersion(1), ExtensionVersion(1 + self.0.below(3) as u32));
                Request::NegotiateExtension { line, offered }
            }
            12 => Request::RegisterRecipient { wanted: self.0.chance(1, 2) },
            19 => Request::DeviceConfig { line },
            20 | 21 => Request::SetDeviceConfig { line, config: Box::new(self.config()) },
            _ => Request::TakeRequest,
        }
    }
}
