//! RTP (RFC 3550, 3551): the packet, the two ends of one source, and the address the other side sends from.
//!
//! Reading borrows from the datagram ([`rtp_rs::RtpReader`]); writing puts twelve octets in front of a payload
//! ([`Header`]). [`RtpSender`] numbers what we send, [`Reception`] keeps the books on what comes (appendix A.1, A.3, A.8),
//! and [`Latch`] decides whose packets are taken and where ours go (symmetric RTP, RFC 4961, behind NATs).

mod header;
mod latch;
mod reception;
mod sender;

pub use header::{HEADER_LEN, Header, MAX_PACKET, PacketBuffer};
pub use latch::{Latch, LatchVerdict};
pub use reception::{LossSince, Reception, Verdict};
pub use sender::RtpSender;
