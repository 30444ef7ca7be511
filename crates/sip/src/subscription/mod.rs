//! Subscriptions to events (RFC 6665): both ends, whatever the package.
//!
//! [`Subscriber`] keeps one subscription of ours alive: it subscribes, refreshes, subscribes anew when the notifier ends it and the
//! reason lets us, waits as long as it is told, and gives up where that is asked for. [`Notifier`] is one subscription that
//! somebody has with us: when a NOTIFY may go out, what its Subscription-State says, and when it is over. Neither writes
//! messages nor knows what is watched; versions of documents are the package's.
//!
//! Reading order: `policy` (how long to wait, which statuses end what), `subscriber`, `notifier`.

mod notifier;
mod policy;
mod subscriber;

pub use notifier::{Notifier, NotifierInput, NotifierOutput};
pub use policy::{Policy, ends_subscription};
pub use subscriber::{Answer, Cause, Path, Report, Subscriber, SubscriberInput, SubscriberOutput};
