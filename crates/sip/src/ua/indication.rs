//! What the user agent tells its user.

use super::ids::{LegId, SubscriptionId};
use crate::subscription::Report;
use crate::transaction::{ClientId, ServerId};

/// Something that the user of a [`UserAgent`](super::UserAgent) has to know or decide. Where it says *message*, that is the
/// message just given to [`receive`](super::UserAgent::receive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indication {
    /// Nothing to do.
    None,
    /// An INVITE opened a session (message). Respond with [`ring`](super::UserAgent::ring),
    /// [`accept`](super::UserAgent::accept) or [`reject`](super::UserAgent::reject); 100 is sent in time by itself.
    Incoming(LegId),
    /// As [`Incoming`](Self::Incoming), and the new session wants the place of another one, which exists and may be replaced (RFC 3891 3).
    /// Whether its sender may ask for that is the user's to judge. [`accept`](super::UserAgent::accept) answers the new one and
    /// ends the other, by BYE or CANCEL: [`HungUp`](Self::HungUp) or [`Failed`](Self::Failed) follows for it.
    Replacing {
        /// The new session.
        leg: LegId,
        /// The one whose place it wants.
        replaced: LegId,
    },
    /// The caller gave up before an answer (message: the CANCEL). 487 is sent; the leg is gone.
    Cancelled(LegId),
    /// Our 2xx was acknowledged (message: the ACK, which holds the answer if our 2xx held the offer).
    Confirmed(LegId),
    /// A provisional response (message), 100 too: the call is under way.
    Progress(LegId),
    /// The first 2xx (message). Call [`acknowledge`](super::UserAgent::acknowledge) before anything else.
    Answered(LegId),
    /// The INVITE was answered by a 3xx (message: its Contacts say where to). Call [`follow`](super::UserAgent::follow) or
    /// [`abandon`](super::UserAgent::abandon).
    Redirected(LegId),
    /// The session was not set up, or our BYE was answered; the leg is gone (message, if the failure was one).
    Failed(LegId, Failure),
    /// The other side ended the session (message: the BYE). The leg is gone.
    Ended(LegId),
    /// No ACK came for our 2xx within 64·T1: a BYE is sent, the leg is gone.
    NotAcknowledged(LegId),
    /// A dialog was found to be gone at the other side (481 or 408 within it): a BYE is sent, the leg is gone.
    Lost(LegId, Failure),
    /// The hang-up that we wanted is complete; the leg is gone.
    HungUp(LegId),
    /// A re-INVITE or UPDATE (message) with an offer, or without: then an offer is wanted in the 2xx. An offer of ours that
    /// waited to be sent again after a crossing is withdrawn: make it anew once this one is settled. Respond with
    /// [`answer_offer`](super::UserAgent::answer_offer) or [`refuse_offer`](super::UserAgent::refuse_offer); they say
    /// [`LegError::State`](super::LegError::State) if it was cancelled meanwhile.
    ///
    /// An offer of the user that waits to be sent again after a 491 gives way: who answers theirs has withdrawn it, and may offer
    /// anew; if theirs is refused instead, [`OfferRefused`](Self::OfferRefused) follows.
    Offered(LegId),
    /// The ACK to our 2xx to a re-INVITE (message, which holds the answer if our 2xx held the offer).
    OfferConfirmed(LegId),
    /// Our re-INVITE was answered (message holds the answer).
    OfferAnswered(LegId),
    /// Our re-INVITE that repeated our last description, to refresh the session (RFC 4028), is over, and the session goes on: offers are
    /// possible again. A 2xx (message) may hold their description: nearly always the same as before, but the other side may have moved its
    /// media. Anything else refused the refresh, which is tried again.
    Refreshed(LegId),
    /// Our re-INVITE was refused; the session goes on as before.
    OfferRefused(LegId, Failure),
    /// A request within the session that the user must answer with [`respond`](super::UserAgent::respond): REFER, NOTIFY,
    /// INFO, MESSAGE (message).
    Request(LegId, ServerId),
    /// The final response to a request within the session (message, if one came), by the id that sending it gave, however often it was
    /// sent again with credentials.
    Response(LegId, ClientId, Failure),
    /// A request outside any session that the user must answer with [`respond`](super::UserAgent::respond) (message):
    /// REGISTER and what else [`Config::methods`](super::Config) lists.
    OutOfDialog(ServerId),
    /// The final response to a request outside any session (message, if one came).
    OutOfDialogResponse(ClientId, Failure),
    /// News of a subscription of ours (message: the NOTIFY or the response, if one brought it; a NOTIFY is answered). After
    /// [`Report::Ended`] it is gone.
    Subscription(SubscriptionId, Report),
    /// A NOTIFY to a subscriber of ours is due: say the state with [`notify`](super::UserAgent::notify). A change that came while
    /// another NOTIFY was out, or a SUBSCRIBE that refreshes or ends the subscription (message).
    NotifyDue(SubscriptionId),
    /// A subscription that somebody had with us is over, whoever ended it: it is gone.
    SubscriberGone(SubscriptionId),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// By a final response: its status (for [`Indication::Response`] 2xx too).
    Status(u16),
    /// The other side demanded credentials and did not accept those of the account. Without an account it is a status like others.
    Unauthorized(u16),
    /// No final response in time (RFC 3261 17.1: timers B, F).
    TimedOut,
    /// The message could not be sent.
    Unreachable,
}

impl Failure {
    /// The status that stands for it: the one received, or 408 and 503 as RFC 3261 8.1.3.1 has it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Status(status) | Self::Unauthorized(status) => status,
            Self::TimedOut => 408,
            Self::Unreachable => 503,
        }
    }

    /// Whether it says that the other side does not know the dialog any more (RFC 3261 12.2.1.2).
    pub(super) const fn ends_dialog(self) -> bool {
        matches!(self, Self::Status(481 | 408) | Self::TimedOut)
    }

    /// Whether it is a 2xx.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}
