//! Dialogs (RFC 3261 12): what two user agents remember of each other, as a value.
//!
//! A [`Dialog`] is made from a request and our tag (as server) or from a request and a response (as client; forking gives one for
//! each To tag). It builds the requests that follow in it, checks those that arrive, and follows the peer's address. It holds no
//! transaction and no timer. [`DialogId`] is the key to find it by.
//!
//! Reading order: `id`, `state` (what is kept, how it begins and changes), `request` (what is sent in it).

mod id;
mod request;
mod state;

pub use id::DialogId;
pub use request::SentBy;
pub use state::{Dialog, DialogError, OutOfOrder, Role, Stage};
