//! Why an exchange of descriptions goes no further.

use crate::sdp::SdpError;

/// Why an offer or an answer goes no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiateError {
    /// The body is no session description: 400.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// An offer is still without an answer. Of ours: 491 (RFC 3261 14.2), or 500 for UPDATE (RFC 3311 5.2) where it says so;
    /// of theirs: 500 with Retry-After.
    #[error("an offer of {} is still without an answer: wait for it", if *.ours { "ours" } else { "theirs" })]
    OfferPending {
        /// It is ours.
        ours: bool,
    },
    /// An answer without an offer.
    #[error("there is no offer that this would answer")]
    NoOffer,
    /// Nothing that both sides can do: 488 with a Warning.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Their answer sets the port of our audio to 0. The exchange is complete; no audio flows.
    #[error("the other side refused the audio stream")]
    AudioRefused,
    /// Their answer does not have our m-lines.
    #[error("expected an answer with the m-lines of our offer (RFC 3264 6)")]
    AnswerMismatch,
    /// The capabilities hold no codec that could be offered.
    #[error("expected at least one codec to offer: name one in the capabilities")]
    NothingToOffer,
}

impl NegotiateError {
    /// The status that answers the request which carried the offer; `None` if this is not about their offer.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Sdp(_) => Some(400),
            Self::OfferPending { ours: true } => Some(491),
            Self::OfferPending { ours: false } => Some(500),
            Self::Refused(_) => Some(488),
            Self::NoOffer | Self::AudioRefused | Self::AnswerMismatch | Self::NothingToOffer => None,
        }
    }

    /// Code and text of the Warning header that goes with the status (RFC 3261 20.43).
    pub const fn warning(&self) -> Option<(u16, &'static str)> {
        match self {
            Self::Refused(refusal) => Some(refusal.warning()),
            Self::Sdp(_)
            | Self::OfferPending { .. }
            | Self::NoOffer
            | Self::AudioRefused
            | Self::AnswerMismatch
            | Self::NothingToOffer => None,
        }
    }
}

/// Why no stream comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No audio m-line with a port.
    #[error("no audio is offered: only audio is spoken here")]
    NoAudio,
    /// Audio over something other than plain RTP.
    #[error("audio is offered over another protocol than RTP/AVP, the only one spoken here")]
    Transport,
    /// No codec of ours among theirs.
    #[error("no codec in common")]
    NoCommonCodec,
    /// No c-line, a name instead of an address, or an address of the other IP version.
    #[error("the c-line gives no address that can be sent to from here")]
    Address,
    /// A multicast address.
    #[error("audio is to be sent to a multicast group, which is not done here")]
    Multicast,
}

impl Refusal {
    /// Code and text of the Warning header (RFC 3261 20.43).
    pub const fn warning(self) -> (u16, &'static str) {
        match self {
            Self::NoAudio => (304, "Media type not available"),
            Self::Transport => (302, "Incompatible transport protocol"),
            Self::NoCommonCodec => (305, "Incompatible media format"),
            Self::Address => (301, "Incompatible network address formats"),
            Self::Multicast => (330, "Multicast not available"),
        }
    }
}
