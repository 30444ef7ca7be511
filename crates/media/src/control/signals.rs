//! What is generated into a stream and listened for in it, beside its audio: tones with a cadence, tones to be told of, mixes.

use std::time::Duration;

/// Parts of a custom tone that sound; more are left out.
pub const MAX_TONE_PARTS: usize = 8;
/// Tones that one stream can be watched for; more are left out.
pub const MAX_WATCHED_TONES: usize = 24;

/// One frequency of a generated tone, with a cadence of its own (TAPI LINEGENERATETONE). The parts of a tone sound together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TonePart {
    /// Hertz; 0 is silent.
    pub frequency: u16,
    /// Its level in dBm0, 0 to -60.
    pub level: i8,
    /// How long it sounds.
    pub on: Duration,
    /// How long it rests after that, before it sounds again; zero: it does not rest.
    pub off: Duration,
}

/// A tone to be generated (TAPI LINETONEMODE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneratedTone {
    /// Given frequency by frequency; at most [`MAX_TONE_PARTS`].
    Custom(Vec<TonePart>),
    /// The other side's telephone rings: 440 and 480 Hz, two seconds of six.
    Ringback,
    /// The other side is busy: 480 and 620 Hz, half a second on, half a second off.
    Busy,
    /// One beep, as before a recording: half a second of 1,000 Hz.
    Beep,
    /// What asks for a calling card: a short `#`, then a dial tone that fades.
    Billing,
}

/// A tone to be told of when it is heard (TAPI LINEMONITORTONE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedTone {
    /// Returned in [`Event::ToneHeard`](super::Event::ToneHeard).
    pub tag: u64,
    /// Hertz, up to three that sound together; 0 for none. All 0: silence.
    pub frequencies: [u16; 3],
    /// How long it must last before it counts; at least 40 ms, whatever is given.
    pub duration: Duration,
}

/// What a fax machine is known by (ITU-T T.30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaxTone {
    /// CNG, 1,100 Hz: a fax machine that calls.
    Calling,
    /// CED, 2,100 Hz: a fax machine, or a modem, that answers.
    Called,
}

/// Numbers a mix of streams; chosen by signalling, unique for the life of the process. A mix exists while it has members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MixId(pub u64);

/// What a member of a mix does in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MixPart {
    /// It is heard by the others and hears them.
    #[default]
    Talks,
    /// It hears the others and is not heard.
    Listens,
    /// It hears its own source, as without a mix (a stream without a port hears nothing), and is not heard: it is on hold.
    Away,
}

/// Members of one mix; those that come after are told [`Event::MixFull`](super::Event::MixFull).
pub const MAX_MIX_MEMBERS: usize = 64;

impl GeneratedTone {
    /// How long it sounds if nobody says: `None` for until it is stopped.
    pub const fn usual_duration(&self) -> Option<Duration> {
        match self {
            Self::Custom(_) | Self::Ringback | Self::Busy => None,
            Self::Beep => Some(Duration::from_millis(500)),
            Self::Billing => Some(Duration::from_millis(1_000)),
        }
    }
}
