//! The border between signalling and media: commands one way, events the other, and nothing shared.
//!
//! Signalling never touches a packet and a media thread never sees a SIP message. A *port* is a bound pair of sockets from
//! the stock that the driver keeps; a *stream* is one audio m-line of one call, started on a port. A *mix* is a set of streams
//! that hear each other and not themselves: a conference, or two calls bridged by ourselves.

mod signals;

pub use signals::{
    FaxTone, GeneratedTone, MAX_MIX_MEMBERS, MAX_TONE_PARTS, MAX_WATCHED_TONES, MixId, MixPart, TonePart,
    WatchedTone,
};

use crate::codec::Codec;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Numbers a stream; chosen by signalling, unique for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Numbers a bound port of the stock; chosen by the driver. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u64);

/// A pair of sockets bound ahead of need, handed to signalling so that an SDP answer needs no waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub id: PortId,
    /// The address to advertise for RTP; RTCP is on the next port unless multiplexed.
    pub rtp: SocketAddr,
}

/// Which way audio flows, seen from here (RFC 3264 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From here only: the other side is held by us.
    SendOnly,
    /// To here only: we are held.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// Whether we send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we take what arrives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// A direction from its two halves.
    pub const fn from_halves(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The same flow seen from the other side.
    pub const fn reversed(self) -> Self {
        Self::from_halves(self.receives(), self.sends())
    }

    /// What both allow; each seen from here.
    pub const fn and(self, other: Self) -> Self {
        Self::from_halves(self.sends() && other.sends(), self.receives() && other.receives())
    }
}

/// What one offer/answer exchange settled for an audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamParameters {
    /// Where to send RTP. A symmetric sender overrides it by what it really sends from.
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP; equal to `remote_rtp` if multiplexed.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codec in use.
    pub codec: Codec,
    /// The payload type we send `codec` with (theirs).
    pub send_payload_type: u8,
    /// The payload type they send `codec` with (ours).
    pub receive_payload_type: u8,
    /// The payload type we send RFC 4733 digits with, if they take any.
    pub send_digits: Option<u8>,
    /// The payload type they send RFC 4733 digits with, if we offered any.
    pub receive_digits: Option<u8>,
    /// How much audio a packet that we send carries.
    pub packet_time: Duration,
    /// Which way audio flows.
    pub direction: Direction,
}

/// What a stream sends while its direction allows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Packets of silence: keeps NAT bindings and the other side's jitter buffer alive.
    Silence,
    /// What arrives is sent back.
    Echo,
    /// A steady tone.
    Tone {
        /// Hertz; one or two frequencies, 0 for none.
        frequencies: [u16; 2],
        /// Level of each in dBm0, 0 to -60.
        level: i8,
    },
    /// A tone with a cadence, for its own duration, then silence: ringback or busy as the treatment of a call.
    Generated(GeneratedTone),
    /// A WAV file (8 or 16 kHz and others, mono or stereo; resampled), then silence.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Start again at its end.
        repeat: bool,
    },
    /// A melody of our own, for callers who wait.
    Music,
    /// Frames that an application feeds, and that it is fed (see [`LiveId`]).
    Live(LiveId),
}

/// Names a pair of live PCM rings that the driver holds for an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LiveId(pub u64);

/// What signalling asks of the media threads.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Start a stream on a port of the stock. Until it is configured, the port takes and drops what comes.
    Start {
        /// The new stream.
        stream: StreamId,
        /// The port, which belongs to the stream from now on.
        port: PortId,
        /// What it sends at first.
        source: Source,
    },
    /// Start a stream without a port, which is heard and hears in mixes only: the call that stands for a whole conference. It adds
    /// its source (and its digits and tones) to what every member hears; as a live source it hears them all, and a
    /// recording of it is one of the conference.
    StartLocal {
        /// The new stream. It is never configured.
        stream: StreamId,
        /// What it adds at first.
        source: Source,
    },
    /// New parameters, at the first answer and at every one after it.
    Configure {
        /// The stream.
        stream: StreamId,
        /// What offer and answer settled.
        parameters: StreamParameters,
    },
    /// Change what is sent.
    Send {
        /// The stream.
        stream: StreamId,
        /// The new source.
        source: Source,
    },
    /// Lets the source stand still, and sends silence; or lets it go on where it stood. A source that comes later does not stand
    /// still. Digits, tones and what a mix has to say are not the source.
    Pause {
        /// The stream.
        stream: StreamId,
        /// Whether it stands still.
        on: bool,
    },
    /// How much louder than it is the source is sent, now and later ones too. An echo, whose packets go back as they came, stays as
    /// it is.
    Gain {
        /// The stream.
        stream: StreamId,
        /// Decibels; 0 for as it is.
        decibels: i8,
    },
    /// Join a mix, change the part in it, or leave. In a mix, the stream's source is what it hears while it is away, or while its
    /// direction lets us only send (held by us); otherwise it hears the other members. What it does not send us, or sends while
    /// its direction does not let us receive, is not heard by the others. Digits pass between the two members of a bridge, and
    /// not between more.
    Mix {
        /// The stream.
        stream: StreamId,
        /// The mix, which begins with its first member; `None` to leave. A stream is in one mix at most: joining another leaves
        /// the one before.
        mix: Option<MixId>,
        /// What it does there; without meaning to one that leaves.
        part: MixPart,
    },
    /// Write both directions to a WAV file of two channels: received left, sent right.
    Record {
        /// The stream.
        stream: StreamId,
        /// The file; `None` ends a recording and completes the file.
        path: Option<PathBuf>,
    },
    /// Send digits (RFC 4733, or in band where the other side takes none), replacing digits or a tone still being sent.
    SendDigits {
        /// The stream.
        stream: StreamId,
        /// `0-9 A-D * #`, comma for a pause of two seconds. Empty: stop.
        digits: String,
        /// How long each lasts.
        duration: Duration,
        /// Silence between two.
        gap: Duration,
        /// Returned in [`Event::DigitsSent`].
        tag: u64,
    },
    /// Send a tone instead of the source, replacing digits or a tone still being sent.
    SendTone {
        /// The stream.
        stream: StreamId,
        /// Which one.
        tone: GeneratedTone,
        /// How long; zero for the tone's own duration ([`GeneratedTone::usual_duration`]).
        duration: Duration,
        /// Returned in [`Event::ToneSent`].
        tag: u64,
    },
    /// Stop sending digits or a tone, if any are being sent: their event says that they were cancelled.
    StopGenerating {
        /// The stream.
        stream: StreamId,
    },
    /// Tell of these tones and no others ([`Event::ToneHeard`]).
    MonitorTones {
        /// The stream.
        stream: StreamId,
        /// At most [`MAX_WATCHED_TONES`]; none to stop.
        tones: Vec<WatchedTone>,
    },
    /// Tell of fax machines ([`Event::FaxHeard`]), or stop.
    MonitorFax {
        /// The stream.
        stream: StreamId,
        /// Whether to.
        on: bool,
    },
    /// Listen for digits in the audio, or stop. Does nothing while the other side sends digits as events (RFC 4733), which are
    /// always reported.
    MonitorInBandDigits {
        /// The stream.
        stream: StreamId,
        /// Whether to.
        on: bool,
    },
    /// Give the figures of this moment ([`Event::Statistics`]).
    Report {
        /// The stream.
        stream: StreamId,
    },
    /// End the stream. Its port rests and is not used again; the last figures come in [`Event::Stopped`].
    Stop {
        /// The stream.
        stream: StreamId,
    },
    /// A port that was never started goes back.
    Return {
        /// The port.
        port: PortId,
    },
}

/// What the media threads report.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// New ports for the stock.
    Stocked {
        /// Bound and ready.
        ports: Vec<Port>,
    },
    /// The first packet of the other side arrived.
    Receiving {
        /// The stream.
        stream: StreamId,
    },
    /// Nothing has arrived for as long as the configured limit although something should.
    Silent {
        /// The stream.
        stream: StreamId,
        /// For how long.
        since: Duration,
    },
    /// The other side presses a digit; [`Event::Digit`] follows when it ends.
    DigitBegun {
        /// The stream.
        stream: StreamId,
        /// `0-9 A-D * #`.
        digit: char,
    },
    /// The other side pressed a digit; reported once each, at its end or after its longest duration.
    Digit {
        /// The stream.
        stream: StreamId,
        /// `0-9 A-D * #`.
        digit: char,
        /// How long it was pressed.
        duration: Duration,
    },
    /// All digits of a command were sent, or `cancelled` by a newer command or the end of the stream.
    DigitsSent {
        /// The stream.
        stream: StreamId,
        /// The command's tag.
        tag: u64,
        /// Not all were sent.
        cancelled: bool,
    },
    /// The tone of a command was sent, or `cancelled` by a newer command or the end of the stream.
    ToneSent {
        /// The stream.
        stream: StreamId,
        /// The command's tag.
        tag: u64,
        /// Not all of it was sent.
        cancelled: bool,
    },
    /// A tone that is watched for was heard for its duration; once each time it sounds.
    ToneHeard {
        /// The stream.
        stream: StreamId,
        /// The tag of the tone.
        tag: u64,
    },
    /// A fax machine was heard; once for each of the two tones, until the command is given again.
    FaxHeard {
        /// The stream.
        stream: StreamId,
        /// What of it.
        tone: FaxTone,
    },
    /// The mix has [`MAX_MIX_MEMBERS`] members: the stream is not in it, and in no other.
    MixFull {
        /// The stream.
        stream: StreamId,
        /// The mix that it was to join.
        mix: MixId,
    },
    /// A file source came to its end.
    Played {
        /// The stream.
        stream: StreamId,
    },
    /// A file could not be read or written; the text names it and says why.
    FileFailed {
        /// The stream.
        stream: StreamId,
        /// For people.
        message: String,
    },
    /// Figures of this moment.
    Statistics {
        /// The stream.
        stream: StreamId,
        /// The figures.
        statistics: Statistics,
    },
    /// The stream ended; its recording is complete on disk.
    Stopped {
        /// The stream.
        stream: StreamId,
        /// The last figures.
        statistics: Statistics,
    },
}

/// Figures of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP payload octets sent.
    pub octets_sent: u64,
    /// RTP packets received and taken.
    pub packets_received: u64,
    /// RTP payload octets received.
    pub octets_received: u64,
    /// Packets that never came (RFC 3550 A.3).
    pub packets_lost: u64,
    /// Packets that came too late for the jitter buffer.
    pub packets_late: u64,
    /// Packets dropped: not RTP, wrong payload type, wrong source.
    pub packets_discarded: u64,
    /// Interarrival jitter (RFC 3550 6.4.1).
    pub jitter: Duration,
    /// Round trip from RTCP, once known.
    pub round_trip: Option<Duration>,
    /// The share of our packets that the other side reported lost last, 0 to 1, once known.
    pub remote_loss: Option<f32>,
    /// Estimated listening quality here, 1 to 4.5 (E-model of ITU-T G.107), once something was received.
    pub mos: Option<f32>,
}
