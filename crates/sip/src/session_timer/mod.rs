//! Session timers (RFC 4028): a session that nobody refreshes ends, so that none is left over when an end or a proxy dies.
//!
//! [`SessionExpires`] is the header; [`Interval`] is what we want, and says what comes of what the other side wants: [`Agreed`], with who
//! refreshes and when. The user agent sends the refreshes.
//!
//! Reading order: `header`, `terms`.

mod header;
mod terms;

pub use header::{Refresher, SessionExpires};
pub(crate) use terms::takes_update;
pub use terms::{Agreed, Asked, Interval};
