//! Transfer (RFC 3515, RFC 3891, RFC 3892, RFC 4488, RFC 5589): what REFER says, and both ends of the subscription it implies.
//!
//! [`ReferTo`], [`ReferredBy`] and [`Replaces`] are header values; [`StatusLine`] is the `message/sipfrag` that tells how far a transfer
//! has come, [`SubscriptionState`] and [`event_id`] what stands around it in a NOTIFY. [`Subscriber`] is the machine of the one who
//! sent a REFER: it ends with what really happened, or with why that is unknown. [`Notifier`] is the machine of the one who got it.
//!
//! Reading order: `replaces`, `refer_to`, `notify` (header values and sipfrag), `subscriber`, `notifier`.

mod notifier;
mod notify;
mod refer_to;
mod replaces;
mod subscriber;

pub use notifier::{Notifier, NotifierInput, NotifierOutput, Notify};
pub use notify::{SIPFRAG, StatusLine, SubscriptionState, event_id};
pub use refer_to::{ReferError, ReferTo, ReferredBy};
pub use replaces::{Replaces, ReplacesError};
pub use subscriber::{Deadlines, Outcome, Reaction, Report, Subscriber, SubscriberInput, Why};
