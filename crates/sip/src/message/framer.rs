//! Cutting a byte stream into messages (RFC 3261 18.3) and keep-alives (RFC 5626 3.5.1).

use super::error::Limits;
use super::lex;
use super::name::{Name, by_id, id_of};
use bytes::{Buf, Bytes, BytesMut};

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message, for [`Message::parse`](super::Message::parse).
    Message(Bytes),
    /// A keep-alive.
    KeepAlive(KeepAlive),
}

/// A keep-alive between messages (RFC 5626 3.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// CRLF CRLF: to be answered with [`KeepAlive::PONG`].
    Ping,
    /// CRLF: the answer to a ping.
    Pong,
}

impl KeepAlive {
    /// What a ping looks like on the wire.
    pub const PING: &'static [u8] = b"\r\n\r\n";
    /// What answers a ping.
    pub const PONG: &'static [u8] = b"\r\n";
}

/// Why a stream cannot be read on. The connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The header section does not end within the bound.
    #[error("expected a header section of at most {limit} octets, got more")]
    HeadTooLarge {
        /// The bound.
        limit: usize,
    },
    /// Content-Length is beyond the bound.
    #[error("expected a message of at most {limit} octets, got a Content-Length of {stated}")]
    MessageTooLarge {
        /// The Content-Length.
        stated: usize,
        /// The bound.
        limit: usize,
        /// The header section, to answer with 513.
        head: Bytes,
    },
    /// Content-Length is no number, or stands twice with different values: nobody can tell where the message ends.
    #[error("expected one Content-Length with a number, got something else")]
    ContentLength {
        /// The header section; [`Message::parse`](super::Message::parse) refuses it with the answer to send before
        /// closing.
        head: Bytes,
    },
    /// The stream carries something else.
    #[error("expected SIP, got other octets")]
    NotSip,
}

/// Cuts one direction of a stream into messages. Holds at most one message and what was pushed behind it.
///
/// A message without Content-Length has no body (RFC 3261 18.3 demands the field on streams); if one follows all the
/// same, it is no SIP and ends the stream.
#[derive(Debug)]
pub struct Framer {
    buf: BytesMut,
    limits: Limits,
    /// Octets known to hold no end of the header section.
    searched: usize,
    /// The length of the message at the front, once its header section is complete.
    length: Option<usize>,
    failed: bool,
    /// The last thing read was a line end alone, at the end of what had come.
    half_ping: bool,
}

impl Framer {
    /// A framer with the bounds for messages.
    pub fn new(limits: Limits) -> Self {
        Self { buf: BytesMut::new(), limits, searched: 0, length: None, failed: false, half_ping: false }
    }

    /// Takes what was read from the stream. Ask for frames until there are none before pushing more: then no more is
    /// held than one message and what was pushed last.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buf.extend_from_slice(bytes);
        }
    }

    /// Octets held.
    pub fn buffered(&self) -> usize {
        self.buf.len()
    }

    fn next_frame(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.failed {
            return None;
        }
        if self.length.is_none() {
            if let Some(keep_alive) = self.line_ends() {
                return Some(Ok(Frame::KeepAlive(keep_alive)));
            }
            match self.head() {
                Ok(length) => self.length = length,
                Err(error) => {
                    self.failed = true;
                    self.buf = BytesMut::new();
                    return Some(Err(error));
                }
            }
        }
        let length = self.length.filter(|length| *length <= self.buf.len())?;
        self.length = None;
        self.searched = 0;
        Some(Ok(Frame::Message(self.buf.split_to(length).freeze())))
    }

    /// Takes line ends between messages. One that stands alone is a pong, unless it turns out to be the first half
    /// of a ping that came in two pieces.
    fn line_ends(&mut self) -> Option<KeepAlive> {
        if self.buf.starts_with(KeepAlive::PING) {
            self.buf.advance(4);
            self.half_ping = false;
            return Some(KeepAlive::Ping);
        }
        if self.buf.starts_with(KeepAlive::PONG) && self.buf.get(2) != Some(&b'\r') {
            self.buf.advance(2);
            let second_half = std::mem::replace(&mut self.half_ping, false);
            self.half_ping = !second_half && self.buf.is_empty();
            return Some(if second_half { KeepAlive::Ping } else { KeepAlive::Pong });
        }
        if !self.buf.is_empty() && self.buf.first() != Some(&b'\r') {
            self.half_ping = false;
        }
        None
    }

    /// The length of the message at the front, if its header section is complete.
    fn head(&mut self) -> Result<Option<usize>, FrameError> {
        let limit = self.limits.head.min(usize::from(u16::MAX));
        if self.buf.first().is_some_and(|c| !lex::is_token_byte(*c) && *c != b'\r') {
            return Err(FrameError::NotSip);
        }
        let from = self.searched.saturating_sub(3);
        let found = memchr::memmem::find(self.buf.get(from..).unwrap_or_default(), b"\r\n\r\n");
        let Some(head) = found.map(|at| from + at + 4) else {
            self.searched = self.buf.len();
            return if self.buf.len() > limit { Err(FrameError::HeadTooLarge { limit }) } else { Ok(None) };
        };
        if head > limit {
            return Err(FrameError::HeadTooLarge { limit });
        }
        let octets = self.buf.get(..head).unwrap_or_default();
        let Ok(body) = content_length(octets) else {
            return Err(FrameError::ContentLength { head: Bytes::copy_from_slice(octets) });
        };
        let limit = self.limits.message;
        match head.checked_add(body) {
            Some(length) if length <= limit && body <= self.limits.body => Ok(Some(length)),
            _ => {
                Err(FrameError::MessageTooLarge { stated: body, limit, head: Bytes::copy_from_slice(octets) })
            }
        }
    }
}

impl Iterator for Framer {
    type Item = Result<Frame, FrameError>;

    /// The next frame, if it is complete; `None` is not the end, more may be pushed. After an error there are no
    /// more.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame()
    }
}

/// The Content-Length in a header section; 0 if there is none.
fn content_length(head: &[u8]) -> Result<usize, ()> {
    let mut found = None;
    for line in head.split(|c| *c == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        if by_id(id_of(name.trim_ascii_end())) != Some(Name::ContentLength) {
            continue;
        }
        let value = std::str::from_utf8(value.get(1..).unwrap_or_default()).map_err(|_| ())?;
        let length = lex::number::<u32>(value.trim_ascii()).ok_or(())?;
        if found.replace(length).is_some_and(|other| other != length) {
            return Err(());
        }
    }
    usize::try_from(found.unwrap_or(0)).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:b@b.example SIP/2.0\r\nl: 4\r\n\r\n";

    fn frames(pieces: &[&[u8]]) -> Vec<Result<Frame, FrameError>> {
        let mut framer = Framer::new(Limits { head: 1_000, message: 2_000, ..Limits::default() });
        let mut found = Vec::new();
        for piece in pieces {
            framer.push(piece);
            found.extend(framer.by_ref());
        }
        found
    }

    fn message(text: &str) -> Result<Frame, FrameError> {
        Ok(Frame::Message(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let (one, two) = (format!("{HEAD}body"), format!("{HEAD}more"));
        let stream = format!("{one}{two}");
        let expected = vec![message(&one), message(&two)];
        assert_eq!(frames(&[stream.as_bytes()]), expected);
        let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(frames(&single), expected);
    }

    #[test]
    fn a_message_without_length_ends_with_its_head() {
        let head = "OPTIONS sip:b@b.example SIP/2.0\r\n\r\n";
        assert_eq!(frames(&[format!("{head}{head}").as_bytes()]), vec![message(head), message(head)]);
    }

    #[test]
    fn keep_alives_stand_between_messages() {
        let one = format!("{HEAD}body");
        let ping = Ok(Frame::KeepAlive(KeepAlive::Ping));
        let pong = Ok(Frame::KeepAlive(KeepAlive::Pong));
        let stream = format!("\r\n\r\n{one}\r\n{one}");
        assert_eq!(
            frames(&[stream.as_bytes()]),
            vec![ping.clone(), message(&one), pong.clone(), message(&one)]
        );
        assert_eq!(frames(&[b"\r\n"]), vec![pong.clone()]);
        assert_eq!(frames(&[b"\r\n\r", b"\n"]), vec![ping.clone()]);
        assert_eq!(frames(&[b"\r", b"\n\r\n"]), vec![ping.clone()]);
        // Cut in the middle, the first half was told already.
        assert_eq!(frames(&[b"\r\n", b"\r\n"]), vec![pong.clone(), ping]);
        assert_eq!(frames(&[b"\r\n", one.as_bytes(), b"\r\n"]), vec![pong.clone(), message(&one), pong]);
    }

    #[test]
    fn what_cannot_be_framed_ends_the_stream() {
        let two_lengths = "OPTIONS sip:b@b.example SIP/2.0\r\nl: 4\r\nContent-Length: 5\r\n\r\n";
        let no_number = "OPTIONS sip:b@b.example SIP/2.0\r\nContent-Length : -4\r\n\r\n";
        for head in [two_lengths, no_number] {
            let error = FrameError::ContentLength { head: Bytes::copy_from_slice(head.as_bytes()) };
            assert_eq!(frames(&[head.as_bytes(), b"more"]), vec![Err(error)]);
        }
        let same = "OPTIONS sip:b@b.example SIP/2.0\r\nl: 0\r\nContent-Length: 00\r\n\r\n";
        assert_eq!(frames(&[same.as_bytes()]), vec![message(same)]);
        assert_eq!(frames(&[&[0x16, 3, 1, 2, 0, 1]]), vec![Err(FrameError::NotSip)]);
    }

    #[test]
    fn nothing_is_held_beyond_the_bounds() {
        let large = b"OPTIONS sip:b@b.example SIP/2.0\r\nl: 4000000000\r\n\r\n";
        assert!(matches!(
            frames(&[large])[..],
            [Err(FrameError::MessageTooLarge { stated: 4_000_000_000, .. })]
        ));
        let endless = vec![b'A'; 1_001];
        assert_eq!(frames(&[&endless]), vec![Err(FrameError::HeadTooLarge { limit: 1_000 })]);
        let long = format!("OPTIONS sip:b@b.example SIP/2.0\r\nX: {}\r\n\r\n", "x".repeat(1_000));
        assert_eq!(frames(&[long.as_bytes()]), vec![Err(FrameError::HeadTooLarge { limit: 1_000 })]);
    }
}
