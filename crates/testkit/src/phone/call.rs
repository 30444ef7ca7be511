//! What a phone keeps of a call.

use super::script::{Calling, Talk, Verdict};
use hookswitch_media::negotiate::MediaSession;
use hookswitch_sip::ua::{Failure, LegId};

/// A call as a phone sees it; kept after its end.
#[derive(Debug)]
pub struct PhoneCall {
    /// Its Call-ID; of an outgoing call once something came back.
    pub call_id: String,
    /// The phone called.
    pub outgoing: bool,
    /// The phone's user in it, who calls or is called.
    pub user: String,
    /// How far it has come.
    pub progress: Progress,
    /// The far side holds the phone.
    pub held: bool,
    /// Provisional statuses received, or sent.
    pub provisional: Vec<u16>,
    /// Re-INVITEs of the phone that were answered.
    pub renegotiated: u32,
    pub(super) leg: Option<LegId>,
    pub(super) media: MediaSession,
    pub(super) rtp_port: u16,
    pub(super) talk: Talk,
    pub(super) verdict: Verdict,
    pub(super) calling: Option<Box<Calling>>,
    pub(super) refer: Option<u32>,
    pub(super) retries: u8,
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No final response yet.
    Alerting,
    /// The phone answered and waits for ACK.
    Answered,
    /// Up.
    Established,
    /// Over.
    Ended {
        /// It had been up.
        established: bool,
        /// How it ended.
        how: Ending,
    },
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The phone ended it.
    Here,
    /// The far side ended it by BYE or CANCEL.
    There,
    /// The call was refused, or no response came.
    Refused(Failure),
    /// No ACK came, or the far side had forgotten the call.
    Lost,
}

impl PhoneCall {
    /// Whether it is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.progress, Progress::Ended { .. })
    }

    /// Whether it is or was up.
    pub const fn was_established(&self) -> bool {
        matches!(self.progress, Progress::Established | Progress::Ended { established: true, .. })
    }

    pub(super) fn end(&mut self, how: Ending) {
        if !self.is_over() {
            let established = matches!(self.progress, Progress::Established);
            self.progress = Progress::Ended { established, how };
        }
        self.leg = None;
    }
}
