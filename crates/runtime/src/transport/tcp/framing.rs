//! How messages are found in a stream.

use bytes::Bytes;
use std::sync::Arc;

/// Finds the messages in the bytes of one connection, without I/O.
pub trait Framing: Send {
    /// Takes bytes as they arrived.
    fn push(&mut self, bytes: &[u8]);

    /// The next thing that is whole. Call until `None`; after an error the stream is lost.
    fn next(&mut self) -> Option<Result<Framed, Malformed>>;
}

/// Something whole on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// One message.
    Message(Bytes),
    /// A double CRLF: the peer asks whether we are there (RFC 5626 3.5.1).
    Ping,
    /// A single CRLF: the answer to a ping.
    Pong,
}

/// The bytes are no SIP, or a message is larger than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Makes the framing of a new connection.
pub(crate) type Framings = Arc<dyn Fn() -> Box<dyn Framing> + Send + Sync>;
