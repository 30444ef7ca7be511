//! Why a call comes and ends, and who is behind it.
//!
//! [`Reason`] (RFC 3326) says why a call ended; [`Identities`] collects, from the half a dozen headers that speak of it, who calls, what
//! was dialled first and who diverted the call; [`Diversion`] and [`HistoryEntry`] are the headers behind that; [`UserToUser`]
//! (RFC 7433) is what one user sends the other along with the call.
//!
//! Reading order: `lex` (what header values share), `reason`, `user_to_user`, `party`, `diversion`, `history`, `identities`.

mod diversion;
mod history;
mod identities;
pub(crate) mod lex;
mod party;
mod reason;
mod user_to_user;

pub use diversion::{Diversion, DiversionReason};
pub use history::HistoryEntry;
pub use identities::{Identities, Redirection, Trust, connected};
pub use party::{Party, Presentation};
pub use reason::{Protocol, Reason};
pub use user_to_user::{UserToUser, UserToUserError};
