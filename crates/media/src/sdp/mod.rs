//! Session descriptions (RFC 8866): what a body says, as types, and our own, as bytes.
//!
//! [`Session::parse`] bounds what it takes and gives a view that borrows from the body and holds what a telephone call
//! decides by: m-lines in their order, addresses, payload types with their encodings, directions resolved
//! over both levels, packet times, RTCP. Attributes that it does not know, or that say nothing usable, are left out: one bad
//! attribute ends no call. [`Writer`] prints line by line into one buffer.

mod error;
mod kind;
mod lines;
mod parse;
mod session;
mod write;

pub use error::SdpError;
pub use kind::{MediaKind, MediaKinds, Protocol};
pub use parse::{MAX_FORMATS, MAX_LINES, MAX_MEDIA, MAX_SIZE, offered_media};
pub use session::{Encoding, Format, Host, Media, Origin, Rtcp, Session};
pub use write::Writer;
