//! What can be asked of a provider.

use crate::{AddressId, CallId, ForwardingRules, LineId, StateKind};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A request. Refused at once or completed exactly once ([`Outcome`] or error).
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Set up a call (lineMakeCall). Completes no later than *proceeding*; the new call is in [`Outcome::Call`].
    MakeCall {
        /// On which line.
        line: LineId,
        /// From which of its addresses.
        address: AddressId,
        /// A number of the line's dial plan, or a `sip:`, `sips:` or `tel:` URI.
        destination: String,
        /// Details.
        options: CallOptions,
    },
    /// Claim an offered call and alert the caller (lineAccept): *offering* → *accepted*.
    Accept {
        /// The call.
        call: CallId,
    },
    /// Connect an offered or accepted call (lineAnswer). Completes when the caller has confirmed (ACK).
    Answer {
        /// The call.
        call: CallId,
        /// What the caller hears first.
        source: AudioSource,
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
    /// End, abandon or refuse a call (lineDrop) → *idle*.
    Drop {
        /// The call.
        call: CallId,
        /// For an offered call: how to refuse it.
        reason: RejectReason,
    },
    /// Hold a connected call (lineHold): → *on hold*.
    Hold {
        /// The call.
        call: CallId,
    },
    /// Take a held call back (lineUnhold): → *connected*.
    Retrieve {
        /// The call.
        call: CallId,
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
    /// Send digits (lineGenerateDigits). Completes when the last was sent, or with an error when replaced.
    SendDigits {
        /// The call.
        call: CallId,
        /// What to send.
        digits: DigitOptions,
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
    /// Read the call's media figures; answered by [`Outcome::Statistics`].
    Statistics {
        /// The call.
        call: CallId,
    },
}

impl Operation {
    /// The call it is about, if it is about one.
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Self::MakeCall { .. } | Self::Forward { .. } => None,
            Self::Accept { call }
            | Self::Answer { call, .. }
            | Self::Redirect { call, .. }
            | Self::Drop { call, .. }
            | Self::Hold { call }
            | Self::Retrieve { call }
            | Self::BlindTransfer { call, .. }
            | Self::SendDigits { call, .. }
            | Self::Play { call, .. }
            | Self::Record { call, .. }
            | Self::Statistics { call } => Some(*call),
        }
    }

    /// The word used in timelines and errors.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MakeCall { .. } => "make call",
            Self::Accept { .. } => "accept",
            Self::Answer { .. } => "answer",
            Self::Redirect { .. } => "redirect",
            Self::Forward { .. } => "forward",
            Self::Drop { .. } => "drop",
            Self::Hold { .. } => "hold",
            Self::Retrieve { .. } => "retrieve",
            Self::BlindTransfer { .. } => "transfer",
            Self::SendDigits { .. } => "send digits",
            Self::Play { .. } => "play",
            Self::Record { .. } => "record",
            Self::Statistics { .. } => "statistics",
        }
    }
}

/// Details of an outgoing call.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CallOptions {
    /// What the called party hears first.
    pub source: AudioSource,
    /// Give up when nobody has answered for this long (TAPI: dwNoAnswerTimeout); the line's default if absent.
    pub no_answer_after: Option<Duration>,
    /// The name shown to the called party, if the line allows it.
    pub display_name: Option<String>,
}

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

/// What a completed request brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// The new call.
    Call(CallId),
    /// What became of a transfer.
    Transferred(TransferOutcome),
    /// The figures.
    Statistics(CallStatistics),
}

/// What became of a transfer, as far as the other side told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The target answered.
    Succeeded,
    /// The transfer was taken on, and then nothing more was heard (some peers hang up early).
    Unknown,
}

/// Figures of a call's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallStatistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received.
    pub packets_received: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Interarrival jitter (RFC 3550 6.4.1).
    pub jitter: Duration,
    /// Round trip, once known.
    pub round_trip: Option<Duration>,
    /// Estimated listening quality, 1 to 4.5, once known.
    pub mos: Option<f32>,
    /// The codec, empty before the first answer.
    pub codec: &'static str,
}

/// States in which an operation needs the call to be; used by every provider's capability table.
pub(crate) const fn states_of(feature: crate::Feature) -> &'static [StateKind] {
    use crate::Feature as F;
    use StateKind as S;
    match feature {
        F::MakeCall | F::Forward => &[],
        F::Accept | F::Redirect => &[S::Offering],
        F::Answer => &[S::Offering, S::Accepted],
        F::Drop => &[
            S::Offering,
            S::Accepted,
            S::Dialtone,
            S::Dialing,
            S::Proceeding,
            S::Ringback,
            S::Busy,
            S::Connected,
            S::OnHold,
            S::OnHoldPendingTransfer,
            S::OnHoldPendingConference,
            S::Conferenced,
            S::Disconnected,
            S::Unknown,
        ],
        F::Hold | F::BlindTransfer => &[S::Connected],
        F::Retrieve => &[S::OnHold, S::OnHoldPendingTransfer, S::OnHoldPendingConference],
        F::SendDigits => &[S::Connected],
        F::Play | F::Record => {
            &[S::Offering, S::Accepted, S::Proceeding, S::Ringback, S::Connected, S::OnHold]
        }
        F::Statistics => &[S::Connected, S::OnHold, S::Disconnected],
    }
}
