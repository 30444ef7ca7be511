//! The index over a message: where the lines, names and values stand. One pass, one allocation.
//!
//! Folded header fields (RFC 3261 7.3.1) are unfolded first, by writing spaces over the line ends: lengths stay the
//! same, and everything behind this file can take a value for one piece of text. Only messages that hold folds are
//! copied for that.

use super::addr::{Contact, NameAddr};
use super::error::{Bound, Limits, ParseError, shortened};
use super::lex::{self, Cursor, SyntaxError};
use super::name::{self, Name, Shape, UNKNOWN};
use super::prepare::{question_marks, skip_line_ends, unfold};
use super::uri::Uri;
use super::via::{CSeq, Via};
use bytes::Bytes;
use std::net::IpAddr;

/// A piece of the header section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) len: u16,
}

impl Span {
    fn new(start: usize, len: usize) -> Self {
        // The head is no longer than 65,535 octets, so neither number is cut.
        let clip = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self { start: clip(start), len: clip(len) }
    }

    /// Where `part`, a piece of `whole`, stands in it.
    fn of(whole: &str, part: &str) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        if start > whole.len() { Self::default() } else { Self::new(start, part.len()) }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.len)
    }
}

/// One header field line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) id: u8,
    pub(crate) name: Span,
    pub(crate) value: Span,
    /// Where the next line starts.
    pub(crate) end: u16,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum StartLine {
    Request { method: Span, uri: Span },
    Response { status: u16, reason: Span },
}

/// Where everything stands in the octets of one message.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) start: StartLine,
    /// Octets of start line and header fields, without the empty line behind them.
    pub(crate) fields_end: usize,
    pub(crate) body: std::ops::Range<usize>,
    pub(crate) fields: Vec<Field>,
    pub(crate) via: TopVia,
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) call_id: Span,
    pub(crate) cseq_number: u32,
    pub(crate) cseq_method: Span,
}

/// The first value of the first Via line. Those below it are for other elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopVia {
    pub(crate) transport: Span,
    pub(crate) host: Span,
    /// The host, if it is an address.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) params: Span,
    pub(crate) branch: Option<Span>,
}

/// From or To.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) display: Option<Span>,
    pub(crate) uri: Span,
    pub(crate) params: Span,
    pub(crate) tag: Option<Span>,
}

/// Reads `bytes`, and makes them what the index is about: unfolded, without leading line ends.
pub(crate) fn index(bytes: &mut Bytes, limits: &Limits) -> Result<Index, ParseError> {
    if bytes.len() > limits.message {
        return Err(ParseError::TooLarge { what: Bound::Message, limit: limits.message });
    }
    skip_line_ends(bytes);
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    let lines = match Lines::scan(bytes, limits)? {
        Some(lines) => lines,
        None => {
            *bytes = unfold(bytes);
            Lines::scan(bytes, limits)?.ok_or(ParseError::Unterminated)?
        }
    };
    match lines.check(bytes, limits) {
        Err(ParseError::NotUtf8 { at }) => legible(bytes, limits)?.ok_or(ParseError::NotUtf8 { at }),
        result => result,
    }
}

/// Display names in Latin-1 are no reason to lose a call: octets that are no UTF-8 become `?`, unless they stand where
/// messages are matched or routed by them.
fn legible(bytes: &mut Bytes, limits: &Limits) -> Result<Option<Index>, ParseError> {
    let legible = question_marks(bytes);
    let Some(lines) = Lines::scan(&legible, limits)? else { return Ok(None) };
    let index = lines.check(&legible, limits)?;
    if !index.identity(&legible).all(|range| bytes.get(range).is_some_and(|s| std::str::from_utf8(s).is_ok()))
    {
        return Ok(None);
    }
    *bytes = legible;
    Ok(Some(index))
}

impl Index {
    /// Where the text stands by which a message is matched and routed.
    fn identity<'s>(&'s self, bytes: &'s [u8]) -> impl Iterator<Item = std::ops::Range<usize>> + 's {
        let start_line = 0..self.fields.first().map_or(0, |field| usize::from(field.name.start));
        let parties = [&self.from, &self.to];
        let routing = self.fields.iter().filter(|field| {
            use Name::{CSeq, CallId, Contact, RecordRoute, Route, Via};
            matches!(name::by_id(field.id), Some(Via | CallId | CSeq | Contact | Route | RecordRoute))
        });
        std::iter::once(start_line)
            .chain(parties.into_iter().flat_map(|party| [party.uri.range(), party.params.range()]))
            .chain(routing.map(|field| behind_display_name(bytes, field.value.range())))
    }
}

/// A value from its first `<` on, or all of it.
fn behind_display_name(bytes: &[u8], value: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let name = memchr::memchr(b'<', bytes.get(value.clone()).unwrap_or_default()).unwrap_or(0);
    value.start + name..value.end
}

/// The lines of the head, before their values are looked at.
struct Lines {
    first: Span,
    fields: Vec<Field>,
    end: usize,
}

impl Lines {
    /// `None` if a line is folded.
    fn scan(bytes: &[u8], limits: &Limits) -> Result<Option<Self>, ParseError> {
        let limit = limits.head.min(usize::from(u16::MAX));
        let mut lines = Self { first: Span::default(), fields: Vec::with_capacity(24), end: 0 };
        let mut pos = 0;
        loop {
            let rest = bytes.get(pos..).unwrap_or_default();
            let Some(len) = memchr::memchr2(b'\r', b'\n', rest) else {
                return Err(if rest.len() > limit { too_long(limit) } else { ParseError::Unterminated });
            };
            if rest.get(len..len + 2) != Some(b"\r\n") {
                return Err(ParseError::LoneLineEnd { at: pos + len });
            }
            if len == 0 {
                lines.end = pos;
                return Ok(Some(lines));
            }
            if pos + len + 4 > limit {
                return Err(too_long(limit));
            }
            if pos == 0 {
                lines.first = Span::new(0, len);
            } else {
                let line = rest.get(..len).unwrap_or_default();
                if line.first().copied().is_some_and(lex::is_ws) {
                    return Ok(None);
                }
                lines.field(line, pos, limits)?;
            }
            pos += len + 2;
        }
    }

    fn field(&mut self, line: &[u8], pos: usize, limits: &Limits) -> Result<(), ParseError> {
        if line.len() > limits.line {
            return Err(ParseError::TooLarge { what: Bound::Line, limit: limits.line });
        }
        if self.fields.len() >= limits.headers {
            return Err(ParseError::TooLarge { what: Bound::Headers, limit: limits.headers });
        }
        let wrong = || {
            let found = shortened(&String::from_utf8_lossy(line));
            ParseError::HeaderLine { at: pos, found }
        };
        let colon = line.iter().position(|c| *c == b':').ok_or_else(wrong)?;
        let name = line.get(..colon).unwrap_or_default();
        let name_len = name.iter().rposition(|c| !lex::is_ws(*c)).map_or(0, |n| n + 1);
        let name = name.get(..name_len).unwrap_or_default();
        let id = name::id_of(name);
        // The known names are tokens.
        if id == UNKNOWN && (name_len == 0 || !name.iter().all(|c| lex::is_token_byte(*c))) {
            return Err(wrong());
        }
        let value = line.get(colon + 1..).unwrap_or_default();
        let lead = value.iter().position(|c| !lex::is_ws(*c)).unwrap_or(value.len());
        let value = value.get(lead..).unwrap_or_default();
        let len = value.iter().rposition(|c| !lex::is_ws(*c)).map_or(0, |n| n + 1);
        self.fields.push(Field {
            id,
            name: Span::new(pos, name_len),
            value: Span::new(pos + colon + 1 + lead, len),
            end: u16::try_from(pos + line.len() + 2).unwrap_or(u16::MAX),
        });
        Ok(())
    }

    /// Reads what every message must have, and refuses what must not be.
    fn check(self, bytes: &[u8], limits: &Limits) -> Result<Index, ParseError> {
        let head = bytes.get(..self.end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|e| ParseError::NotUtf8 { at: e.valid_up_to() })?;
        let start = start_line(head, self.first)?;
        let is_request = matches!(start, StartLine::Request { .. });

        let mut first = FirstOf::default();
        let mut vias = 0;
        let mut content_length = None;
        let mut seen: u128 = 0;
        for field in &self.fields {
            if field.id == UNKNOWN {
                continue;
            }
            let text = slice(head, field.value);
            let bit = 1_u128.checked_shl(u32::from(field.id)).unwrap_or(0);
            let again = seen & bit != 0;
            seen |= bit;
            let Some(name) = name::by_id(field.id) else { continue };
            match name {
                Name::Via => {
                    vias += 1;
                    first.via.get_or_insert(field.value);
                }
                Name::ContentLength => {
                    let length = lex::number::<u32>(text)
                        .ok_or_else(|| value_error(name, field, head, "a number of octets"))?;
                    if content_length.replace(length).is_some_and(|other| other != length) {
                        return Err(ParseError::Duplicate { name, at: usize::from(field.name.start) });
                    }
                    continue;
                }
                Name::From => first.from = Some(field.value),
                Name::To => first.to = Some(field.value),
                Name::CallId => first.call_id = Some(field.value),
                Name::CSeq => first.cseq = Some(field.value),
                Name::Contact if is_request => contacts(text)
                    .map_err(|e| ParseError::value(name, usize::from(field.value.start), text, e))?,
                Name::MaxForwards if is_request && lex::number::<u8>(text).is_none() => {
                    return Err(value_error(name, field, head, "a number from 0 to 255"));
                }
                Name::Expires if is_request && lex::number::<u32>(text).is_none() => {
                    return Err(value_error(name, field, head, "a number of seconds below 2^32"));
                }
                _ => {}
            }
            if again && name.shape() == Shape::One {
                return Err(ParseError::Duplicate { name, at: usize::from(field.name.start) });
            }
        }
        if vias > limits.vias {
            return Err(ParseError::TooLarge { what: Bound::Vias, limit: limits.vias });
        }
        let (_, via) = checked(head, first.via, Name::Via, |text| top_via(head, text))?;
        let (_, from) = checked(head, first.from, Name::From, |text| party(head, text))?;
        let (_, to) = checked(head, first.to, Name::To, |text| party(head, text))?;
        let (call_id, ()) = checked(head, first.call_id, Name::CallId, call_id)?;
        let (cseq, (cseq_number, method_len)) = checked(head, first.cseq, Name::CSeq, |text| {
            CSeq::parse(text).map(|cseq| (cseq.number, cseq.method.as_str().len()))
        })?;
        let cseq_end = cseq.range().end;
        let cseq_method = Span::new(cseq_end.saturating_sub(method_len), method_len);
        if let StartLine::Request { method, .. } = start {
            let found = slice(head, cseq_method);
            if slice(head, method) != found {
                return Err(ParseError::MethodMismatch { found: shortened(found) });
            }
        }
        let body = body(bytes.len(), self.end + 2, content_length, limits)?;
        Ok(Index {
            start,
            fields_end: self.end,
            body,
            fields: self.fields,
            via,
            from,
            to,
            call_id,
            cseq_number,
            cseq_method,
        })
    }
}

#[derive(Default)]
struct FirstOf {
    via: Option<Span>,
    from: Option<Span>,
    to: Option<Span>,
    call_id: Option<Span>,
    cseq: Option<Span>,
}

fn too_long(limit: usize) -> ParseError {
    ParseError::TooLarge { what: Bound::Head, limit }
}

fn slice(head: &str, span: Span) -> &str {
    head.get(span.range()).unwrap_or_default()
}

fn value_error(name: Name<'static>, field: &Field, head: &str, expected: &'static str) -> ParseError {
    let error = SyntaxError { at: 0, expected };
    ParseError::value(name, usize::from(field.value.start), slice(head, field.value), error)
}

/// The value of a field that must be there, and what `read` makes of it.
fn checked<'h, T>(
    head: &'h str,
    span: Option<Span>,
    name: Name<'static>,
    read: impl FnOnce(&'h str) -> Result<T, SyntaxError>,
) -> Result<(Span, T), ParseError> {
    let span = span.ok_or(ParseError::Missing { name })?;
    let text = slice(head, span);
    let found = read(text).map_err(|error| ParseError::value(name, usize::from(span.start), text, error))?;
    Ok((span, found))
}

fn not_empty(value: Option<&str>, expected: &'static str) -> Result<(), SyntaxError> {
    if value == Some("") { lex::fail(0, expected) } else { Ok(()) }
}

fn top_via(head: &str, text: &str) -> Result<TopVia, SyntaxError> {
    let (via, branch) = Via::parse_first(text)?;
    not_empty(branch, "a `branch` with a value")?;
    Ok(TopVia {
        transport: Span::of(head, via.transport()),
        host: Span::of(head, via.host_str()),
        ip: via.host().ip(),
        port: via.port(),
        params: Span::of(head, via.params().as_str()),
        branch: branch.map(|branch| Span::of(head, branch)),
    })
}

fn party(head: &str, text: &str) -> Result<Party, SyntaxError> {
    let (value, tag) = NameAddr::parse_noting(text, "tag")?;
    not_empty(tag, "a `tag` with a value")?;
    Ok(Party {
        display: value.display_str().map(|name| Span::of(head, name)),
        uri: Span::of(head, value.uri_str()),
        params: Span::of(head, value.params().as_str()),
        tag: tag.map(|tag| Span::of(head, tag)),
    })
}

/// RFC 3261 25.1 allows more than tokens; white space is what would change the meaning.
fn call_id(text: &str) -> Result<(), SyntaxError> {
    match text.bytes().position(|c| c <= b' ' || c == 0x7f) {
        Some(at) => lex::fail(at, "a Call-ID without white space"),
        None if text.is_empty() => lex::fail(0, "a Call-ID"),
        None => Ok(()),
    }
}

fn contacts(text: &str) -> Result<(), SyntaxError> {
    let mut cursor = Cursor::new(text);
    loop {
        Contact::read(&mut cursor)?;
        if !cursor.eat_ws(b',') {
            return cursor.end();
        }
    }
}

fn body(
    len: usize,
    start: usize,
    content_length: Option<u32>,
    limits: &Limits,
) -> Result<std::ops::Range<usize>, ParseError> {
    let present = len.saturating_sub(start);
    // Without Content-Length a datagram's body goes to its end (RFC 3261 18.3); octets behind the body are ignored.
    let stated = content_length.map_or(present, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if stated > present {
        return Err(ParseError::Truncated { stated, present });
    }
    if stated > limits.body {
        return Err(ParseError::TooLarge { what: Bound::Body, limit: limits.body });
    }
    Ok(start..start + stated)
}

fn start_line(head: &str, line: Span) -> Result<StartLine, ParseError> {
    let text = slice(head, line);
    if text.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/")) {
        return status_line(text);
    }
    let wrong = |at: usize, expected| {
        let found = shortened(text.get(at..).unwrap_or_default());
        Err(ParseError::StartLine { at, expected, found })
    };
    let mut cursor = Cursor::new(text);
    let method = cursor.take_while(lex::is_token_byte).len();
    if method == 0 || !cursor.eat(b' ') {
        return wrong(cursor.pos(), "a method and one space");
    }
    let at = cursor.pos();
    let uri = cursor.take_while(|c| !lex::is_ws(c));
    match Uri::parse(uri) {
        // RFC 3261 19.1.1: headers have no place in a Request-URI.
        Ok(parsed) if parsed.is_sip() && parsed.headers().is_some() => {
            return wrong(at, "a Request-URI without headers");
        }
        Ok(_) => {}
        Err(error) => return wrong(at + error.at, error.expected),
    }
    if !cursor.eat(b' ') {
        return wrong(cursor.pos(), "one space and the version");
    }
    let version = cursor.rest();
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let looks_like_one = version.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/"))
            && version.bytes().all(|c| c > b' ');
        if looks_like_one {
            return Err(ParseError::Version { found: shortened(version) });
        }
        return wrong(cursor.pos(), "SIP/2.0 and the end of the line");
    }
    Ok(StartLine::Request { method: Span::new(0, method), uri: Span::new(at, uri.len()) })
}

fn status_line(text: &str) -> Result<StartLine, ParseError> {
    let version = text.split(' ').next().unwrap_or_default();
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(ParseError::Version { found: shortened(version) });
    }
    let code = text.get(8..11).unwrap_or_default();
    let status = lex::number::<u16>(code).filter(|code| (100..700).contains(code));
    match (status, text.as_bytes().get(11)) {
        // The space behind the code is mandatory, but often missing where the reason is.
        (Some(status), None) => Ok(StartLine::Response { status, reason: Span::new(11, 0) }),
        (Some(status), Some(b' ')) => {
            Ok(StartLine::Response { status, reason: Span::new(12, text.len().saturating_sub(12)) })
        }
        _ => {
            let found = shortened(text.get(8..).unwrap_or_default());
            Err(ParseError::StartLine { at: 8, expected: "a status code from 100 to 699", found })
        }
    }
}
