//! A message that was refused, and the answer to it where one is due.

use super::addr::NameAddr;
use super::error::ParseError;
use super::lex::{self, Cursor};
use super::name::{Name, by_id, id_of};
use super::prepare::{question_marks, unfold};
use super::reason::reason_phrase;
use super::received::put_top_via;
use super::via::Via;
use super::write::{put, put_end, put_field};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::net::SocketAddr;

/// How many Via lines of a malformed request are echoed.
const MAX_VIAS: usize = 72;

/// Octets that are no acceptable message.
///
/// A request with a usable Via that is no ACK deserves an answer ([`answer`](Self::answer)); everything else is
/// counted and dropped. The caller limits the rate of answers.
#[derive(Clone)]
pub struct Rejected {
    why: ParseError,
    bytes: Bytes,
}

impl Rejected {
    pub(crate) fn new(why: ParseError, bytes: Bytes) -> Self {
        Self { why, bytes }
    }

    /// What is wrong.
    pub const fn why(&self) -> &ParseError {
        &self.why
    }

    /// The status of the answer; `None` if no answer is due.
    pub fn status(&self) -> Option<u16> {
        let bytes = self.head();
        Lines::read(&bytes).map(|_| self.why.status())
    }

    /// The response to send back to where the octets came from; `None` if no answer is due. Never longer than the
    /// request by more than 400 octets.
    pub fn answer(&self, source: SocketAddr) -> Option<Bytes> {
        let bytes = self.head();
        let lines = Lines::read(&bytes)?;
        let status = self.why.status();
        let mut buf = BytesMut::with_capacity(bytes.len().min(8_192) + 256);
        put(&mut buf, format_args!("SIP/2.0 {status} {}", reason_phrase(status)));
        buf.put_slice(b"\r\n");
        let mut vias = lines.vias.iter();
        let top = *vias.next()?;
        let via = Via::parse_first(top).ok().map(|(via, _)| via);
        put_top_via(&mut buf, top, via, source);
        for via in vias {
            put_field(&mut buf, Name::Via, via);
        }
        for (name, value) in lines.copied {
            match value {
                // RFC 3261 8.2.6.2, 8.2.7: a tag, and for a retransmission the same.
                Some(value) if name == Name::To && lacks_tag(value) => {
                    put_field(&mut buf, name, format_args!("{value};tag={:016x}", fingerprint(&bytes)));
                }
                Some(value) => put_field(&mut buf, name, value),
                None => {}
            }
        }
        put_end(&mut buf, &[]);
        Some(buf.freeze())
    }

    /// The header section as far as it goes, unfolded and legible.
    fn head(&self) -> Bytes {
        let end = memchr::memmem::find(&self.bytes, b"\r\n\r\n").map_or(self.bytes.len(), |n| n + 2);
        let head = unfold(self.bytes.get(..end.min(usize::from(u16::MAX))).unwrap_or_default());
        if std::str::from_utf8(&head).is_ok() { head } else { question_marks(&head) }
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejected({})", self.why)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.why, f)
    }
}

impl std::error::Error for Rejected {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.why)
    }
}

/// What a response copies, as far as it can be found.
struct Lines<'a> {
    vias: Vec<&'a str>,
    copied: [(Name<'static>, Option<&'a str>); 4],
}

impl<'a> Lines<'a> {
    /// `None` unless this is a request other than ACK with a usable Via.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let head = std::str::from_utf8(bytes).ok()?;
        let mut complete = head.split_inclusive("\r\n").filter_map(|line| line.strip_suffix("\r\n"));
        if !wants_answer(complete.next()?) {
            return None;
        }
        let copied = [Name::From, Name::To, Name::CallId, Name::CSeq].map(|name| (name, None));
        let mut lines = Self { vias: Vec::new(), copied };
        for line in complete {
            if line.bytes().any(|c| c == b'\r' || c == b'\n') {
                continue;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            lines.take(lex::trim(name), lex::trim(value));
        }
        let top = lines.vias.first()?;
        Via::read_sent_by(&mut Cursor::new(top)).ok()?;
        Some(lines)
    }

    fn take(&mut self, name: &str, value: &'a str) {
        let Some(name) = by_id(id_of(name.as_bytes())) else { return };
        if name == Name::Via {
            if self.vias.len() < MAX_VIAS {
                self.vias.push(value);
            }
        } else if let Some((_, slot)) = self.copied.iter_mut().find(|(n, _)| *n == name) {
            slot.get_or_insert(value);
        }
    }
}

fn lacks_tag(to: &str) -> bool {
    NameAddr::parse(to).is_ok_and(|to| to.tag().is_none())
}

/// FNV-1a. Nothing is looked up by it.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, c| (hash ^ u64::from(*c)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether this is the first line of a request that may be answered.
fn wants_answer(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let method = words.next().unwrap_or_default();
    let version = words.next_back().unwrap_or_default();
    lex::is_token(method)
        && method != "ACK"
        && method.get(..4).is_none_or(|s| !s.eq_ignore_ascii_case("SIP/"))
        && version.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/"))
}
