//! A message and what can be asked of it.

use super::addr::{Contact, NameAddr};
use super::error::Limits;
use super::index::{self, Field, Index, Party, Span, StartLine};
use super::lex::{self, Cursor, Elements, SyntaxError};
use super::method::Method;
use super::name::{Name, Shape, UNKNOWN};
use super::rejected::Rejected;
use super::uri::{Host, Uri, UriError};
use super::via::{CSeq, Via};
use bytes::Bytes;
use std::fmt;
use std::net::IpAddr;

/// One SIP request or response: an index over its octets.
///
/// What every message must have (start line, Via, From, To, Call-ID, CSeq, and in requests Contact, Max-Forwards and
/// Expires where they stand) was checked when it was parsed; everything else is read when it is asked for.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    index: Index,
}

impl Message {
    /// Reads one datagram, or one framed message of a stream. Octets behind the body that Content-Length states are
    /// ignored.
    ///
    /// # Errors
    /// Says what is wrong, and holds what is needed to answer it where an answer is due.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, Rejected> {
        let mut bytes = bytes;
        match index::index(&mut bytes, limits) {
            Ok(index) => Ok(Self { bytes, index }),
            Err(why) => Err(Rejected::new(why, bytes)),
        }
    }

    /// The octets, with header fields unfolded (RFC 3261 7.3.1: of the same meaning and length), without line ends
    /// before the start line, and with `?` for what is no UTF-8 in the header section.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.index.body.clone()).unwrap_or_default()
    }

    /// The body without copying; keeps the whole message alive.
    pub fn body_bytes(&self) -> Bytes {
        let Index { body, .. } = &self.index;
        self.bytes.clone().split_off(body.start.min(self.bytes.len())).split_to(body.len())
    }

    /// Whether this is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.index.start, StartLine::Request { .. })
    }

    /// The method of a request, or of the request that a response answers (its CSeq).
    pub fn method(&self) -> Method<'_> {
        Method::new(self.text(self.index.cseq_method))
    }

    /// The Request-URI as it came; `None` in responses.
    pub fn request_uri(&self) -> Option<&str> {
        match self.index.start {
            StartLine::Request { uri, .. } => Some(self.text(uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// The Request-URI. Any scheme: refusing those that are not served (416) is not the parser's task.
    ///
    /// # Errors
    /// In responses only.
    pub fn uri(&self) -> Result<Uri<'_>, UriError> {
        Uri::parse(self.request_uri().unwrap_or_default())
    }

    /// The status code of a response, 100 to 699; `None` in requests.
    pub const fn status(&self) -> Option<u16> {
        match self.index.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response as it came; may be empty.
    pub fn reason(&self) -> &str {
        match self.index.start {
            StartLine::Request { .. } => "",
            StartLine::Response { reason, .. } => self.text(reason),
        }
    }

    /// The topmost Via.
    pub fn via(&self) -> Via<'_> {
        let via = &self.index.via;
        let (transport, sent_by) = (self.text(via.transport), self.text(via.host));
        let host = match via.ip {
            Some(IpAddr::V4(address)) => Host::V4(address),
            Some(IpAddr::V6(address)) => Host::V6(address),
            None => Host::Name(sent_by),
        };
        Via::from_parts(transport, sent_by, host, via.port, self.text(via.params))
    }

    /// The branch of the topmost Via, without looking at the rest of it.
    pub fn branch(&self) -> Option<&str> {
        self.index.via.branch.map(|branch| self.text(branch))
    }

    /// All Vias from the top, over several lines and comma-separated ones.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, SyntaxError>> {
        self.headers(Name::Via).map(Via::parse)
    }

    /// From.
    pub fn from(&self) -> NameAddr<'_> {
        self.party(&self.index.from)
    }

    /// To.
    pub fn to(&self) -> NameAddr<'_> {
        self.party(&self.index.to)
    }

    /// The tag in From. Missing in requests of RFC 2543 elements.
    pub fn from_tag(&self) -> Option<&str> {
        self.index.from.tag.map(|tag| self.text(tag))
    }

    /// The tag in To. Missing outside dialogs.
    pub fn to_tag(&self) -> Option<&str> {
        self.index.to.tag.map(|tag| self.text(tag))
    }

    /// Call-ID; compares with case.
    pub fn call_id(&self) -> &str {
        self.text(self.index.call_id)
    }

    /// CSeq.
    pub fn cseq(&self) -> CSeq<'_> {
        CSeq { number: self.index.cseq_number, method: self.method() }
    }

    /// Max-Forwards, if it stands.
    pub fn max_forwards(&self) -> Option<u8> {
        lex::number(self.header(Name::MaxForwards)?)
    }

    /// Expires in seconds, if it stands.
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.header(Name::Expires)?)
    }

    /// Content-Length, if it stands.
    pub fn content_length(&self) -> Option<u32> {
        lex::number(self.header(Name::ContentLength)?)
    }

    /// Content-Type as it came, with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.header(Name::ContentType)
    }

    /// Whether the type of the body is this one, without its parameters and without case: `application/sdp`.
    pub fn content_type_is(&self, wanted: &str) -> bool {
        let found = self.content_type().and_then(|value| value.split(';').next()).unwrap_or_default();
        lex::trim(found).eq_ignore_ascii_case(wanted)
    }

    /// The values of Contact. In requests all of them were checked.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, SyntaxError>> {
        self.headers(Name::Contact).map(|value| {
            let mut cursor = Cursor::new(value);
            let contact = Contact::read(&mut cursor)?;
            cursor.end().map(|()| contact)
        })
    }

    /// The first Contact, if it is an address.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        self.contacts().next()?.ok()?.address()
    }

    /// The values of Route, from the top.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, SyntaxError>> {
        self.addresses(Name::Route)
    }

    /// The values of Record-Route, from the top.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, SyntaxError>> {
        self.addresses(Name::RecordRoute)
    }

    /// The values of a header field that holds addresses: P-Asserted-Identity, Diversion, History-Info, Path,
    /// Refer-To, ...
    pub fn addresses(&self, name: Name<'_>) -> impl Iterator<Item = Result<NameAddr<'_>, SyntaxError>> {
        self.headers(name).map(NameAddr::parse)
    }

    /// The value of the first header field of this name, commas and all, without white space around it.
    pub fn header(&self, name: Name<'_>) -> Option<&str> {
        self.fields(name).next().map(|field| self.text(field.value))
    }

    /// The values of all header fields of this name in order, separated at commas where the name's grammar says so.
    /// Empty elements are left out.
    pub fn headers(&self, name: Name<'_>) -> impl Iterator<Item = &str> {
        let split = name.normalized().shape() == Shape::List;
        self.fields(name).flat_map(move |field| Elements::new(self.text(field.value), split))
    }

    /// Whether a header field that lists tokens (Require, Supported, Allow) lists this one. Option tags and most
    /// tokens compare without case.
    pub fn lists(&self, name: Name<'_>, token: &str) -> bool {
        self.headers(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// All header field lines in order: names (known ones as variants), values as they came.
    pub fn all(&self) -> impl Iterator<Item = (Name<'_>, &str)> {
        self.index.fields.iter().map(|field| {
            let name = super::name::by_id(field.id).unwrap_or_else(|| Name::Other(self.text(field.name)));
            (name, self.text(field.value))
        })
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn fields<'s>(&'s self, name: Name<'_>) -> impl Iterator<Item = &'s Field> + use<'s> {
        let name = name.normalized();
        let id = name.id();
        let same = move |field: &Field, text: &str| {
            field.id == id && (id != UNKNOWN || self.text(field.name).eq_ignore_ascii_case(text))
        };
        // Most names are known ones, and most are not there: nothing but their numbers is looked at.
        let first = if id == UNKNOWN {
            self.index.fields.iter().position(|field| same(field, name.as_str()))
        } else {
            self.index.fields.iter().position(|field| field.id == id)
        };
        let rest = first.and_then(|n| self.index.fields.get(n..)).unwrap_or_default();
        // The name may be short-lived; that of the first field found lives as long as the message.
        let text = rest.first().filter(|_| id == UNKNOWN).map_or("", |field| self.text(field.name));
        rest.iter().filter(move |field| same(field, text))
    }

    fn party(&self, party: &Party) -> NameAddr<'_> {
        let display = party.display.map(|name| self.text(name));
        NameAddr::from_parts(display, self.text(party.uri), self.text(party.params))
    }

    /// A header field line as it came, with its line end.
    pub(crate) fn line(&self, field: &Field) -> &[u8] {
        self.bytes.get(usize::from(field.name.start)..usize::from(field.end)).unwrap_or_default()
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        // The head was checked to be UTF-8, and spans end at ASCII octets.
        self.bytes.get(span.range()).and_then(|s| std::str::from_utf8(s).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Message {
    /// The start line only: header fields and bodies hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            Some(status) => write!(f, "Message({status} to {} {})", self.method(), self.call_id()),
            None => write!(f, "Message({} {})", self.method(), self.call_id()),
        }
    }
}
