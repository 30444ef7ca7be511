//! What completed requests bring.

use crate::extension::ExtensionAnswer;
use crate::{CallId, CompletionId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a completed request brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// The new call.
    Call(CallId),
    /// A new conference, and the consultation call for its next party.
    Conference {
        /// The conference call.
        conference: CallId,
        /// The consultation call; absent if none was wanted.
        consult: Option<CallId>,
    },
    /// What became of a transfer.
    Transferred(TransferOutcome),
    /// The orbit where the call is parked.
    Parked(String),
    /// A call completion was arranged.
    Completion(CompletionId),
    /// The digits that were collected.
    Gathered {
        /// `0-9 A-D * #`, the terminator included.
        digits: String,
        /// Why it ended.
        ended: GatherEnd,
    },
    /// The figures.
    Statistics(CallStatistics),
    /// The answer to an extension's command.
    Extension(ExtensionAnswer),
}

/// Why collecting digits ended (TAPI: LINEGATHERTERM).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatherEnd {
    /// As many came as were wanted (BUFFERFULL).
    Full,
    /// A terminator came (TERMDIGIT).
    Terminator,
    /// The first did not come in time (FIRSTTIMEOUT).
    FirstTimeout,
    /// The next did not come in time (INTERTIMEOUT).
    NextTimeout,
    /// It was stopped, by a request or by the end of the call (CANCEL).
    Cancelled,
}

/// What became of a transfer, as far as the other side told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The target answered.
    Succeeded,
    /// The transfer was taken on, and then nothing more was heard (some peers hang up early).
    Unknown,
    /// We stay between the two and pass their audio on, because the switch cannot join them; hanging up on either side ends both.
    Bridged,
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
