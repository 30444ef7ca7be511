//! The details of requests.

use crate::DeviceConfig;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Details of an outgoing call.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CallOptions {
    /// What the called party hears first.
    pub source: AudioSource,
    /// Give up when nobody has answered for this long (TAPI: dwNoAnswerTimeout); the line's default if absent.
    pub no_answer_after: Option<Duration>,
    /// The name shown to the called party, if the line allows it.
    pub display_name: Option<String>,
    /// Told to the called party along with the call.
    pub user_info: Option<UserInfo>,
    /// Kept with the call from its beginning.
    pub call_data: Vec<u8>,
    /// How its audio is sent (TAPI: dwDeviceConfig of LINECALLPARAMS); the line's way if absent.
    pub audio: Option<Box<DeviceConfig>>,
    /// Headers added to the request, only with the line's extension selected.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// A consultation call, or the next member of a conference.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ConsultOptions {
    /// Whom to call. Empty: *dialtone*, to be dialled with [`Operation::Dial`](crate::Operation::Dial); else it is dialled at
    /// once (TAPI: LINECALLPARAMFLAGS_ONESTEPTRANSFER and a target address).
    pub destination: String,
    /// Details of the call.
    pub call: CallOptions,
}

impl ConsultOptions {
    /// Calls `destination`.
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), call: CallOptions::default() }
    }
}

/// Octets that travel with signalling from one party to the other (TAPI: user-user information; RFC 7433). Limits are in
/// [`Capabilities::user_info`](crate::Capabilities::user_info).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserInfo(pub Vec<u8>);

/// How an offered call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectReason {
    /// The line's default (486 unless configured).
    #[default]
    Default,
    /// Busy here: this device only, the search may go on (486).
    Busy,
    /// Nobody answers here (480).
    NoAnswer,
    /// Declined everywhere: the whole search ends (603).
    Decline,
}

/// What a transfer is completed as (TAPI: LINETRANSFERMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferMode {
    /// The two others talk, we are out.
    #[default]
    Transfer,
    /// All three talk.
    Conference,
}

/// Where a call is parked (TAPI: LINEPARKMODE).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkAt {
    /// At this orbit (DIRECTED).
    Orbit(String),
    /// Where there is room; the outcome tells (NONDIRECTED).
    Anywhere,
}

/// From where a call is picked up (TAPI: the address and group of linePickup).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PickupFrom {
    /// From the station with this address.
    Address(String),
    /// From any station of a group; empty: our own group.
    Group(String),
    /// The call that waits at this address (both NULL in TAPI).
    Waiting,
}

/// How a call that was not answered is completed later (TAPI: LINECALLCOMPLMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum CompletionMode {
    /// The same call waits, as *proceeding*, until the called party is free; then it goes out by itself (CAMPON).
    CampOn,
    /// The call ends. When the called party is free, whoever asked is offered a call, and with the answer the party is called
    /// (CALLBACK).
    CallBack,
    /// The call breaks in (INTRUDE).
    Intrude,
    /// The called party is left a message to call back (MESSAGE).
    Message,
}

/// What a party hears that waits (TAPI: LINECALLTREATMENT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum CallTreatment {
    /// Nothing.
    Silence,
    /// Ringback tone.
    Ringback,
    /// Busy tone.
    Busy,
    /// Music.
    Music,
}

/// Digits to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigitOptions {
    /// `0-9 A-D * #`, comma for a pause of two seconds.
    pub digits: String,
    /// How long each lasts, 40 ms to 5 s.
    pub duration: Duration,
    /// Silence between two, 40 ms to 5 s.
    pub gap: Duration,
}

impl DigitOptions {
    /// Digits of 100 ms with gaps of 60 ms.
    pub fn new(digits: impl Into<String>) -> Self {
        Self { digits: digits.into(), duration: Duration::from_millis(100), gap: Duration::from_millis(60) }
    }
}

/// A tone to send (TAPI: LINETONEMODE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToneOptions {
    /// Ringback tone for this long.
    Ringback(Duration),
    /// Busy tone for this long.
    Busy(Duration),
    /// One beep.
    Beep,
    /// The tone that announces a charge.
    Billing,
    /// Anything else.
    Custom {
        /// Up to two frequencies in hertz, 200 to 3,400 (0: none).
        frequencies: [u16; 2],
        /// dBm0 of each, 0 to -60.
        level: i8,
        /// How long it sounds at a time.
        on: Duration,
        /// How long it is silent in between; zero for a steady tone.
        off: Duration,
        /// How long altogether, at most ten minutes.
        total: Duration,
    },
}

/// Until when digits are collected (lineGatherDigits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatherOptions {
    /// So many, 1 to 256.
    pub count: u16,
    /// Or until one of these, which is the last of the digits told.
    pub terminators: String,
    /// Or when the first has not come after this long.
    pub first_after: Option<Duration>,
    /// Or when the next has not come after this long.
    pub next_after: Option<Duration>,
}

/// Which digits of the other side are told (TAPI: LINEDIGITMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigitMonitoring {
    /// None.
    Off,
    /// Each once, when it is over (DTMF).
    #[default]
    Digits,
    /// Each when it begins and when it is over (DTMFEND).
    BeginningAndEnd,
}

/// A tone to listen for (TAPI: LINEMONITORTONE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TonePattern {
    /// Names it when it is heard.
    pub tag: u32,
    /// Up to two frequencies in hertz (0: none); both 0: silence.
    pub frequencies: [u16; 2],
    /// How long it must last to be told.
    pub duration: Duration,
}

/// What the other party hears.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum AudioSource {
    /// Silence.
    #[default]
    Silence,
    /// Its own voice.
    Echo,
    /// A steady tone of one or two frequencies (0: none).
    Tone {
        /// Hertz.
        frequencies: [u16; 2],
        /// dBm0 of each, 0 to -60.
        level: i8,
    },
    /// A WAV file.
    File {
        /// Where it lies.
        path: PathBuf,
        /// From the start again at its end.
        repeat: bool,
    },
    /// Music.
    Music,
    /// PCM frames exchanged with the application; the number names the pair of rings.
    Live(u64),
}
