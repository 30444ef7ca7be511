//! URIs: `sip`, `sips`, `tel`, and any other scheme kept as it came (RFC 3261 19.1, RFC 3966).

use super::escape::{check_escapes, unescape};
use super::lex::{self, Cursor, SyntaxError, fail};
use super::params::Params;
use super::short::{Short, read_ipv4};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a URI could not be read.
pub type UriError = SyntaxError;

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other, as it came.
    Other(&'a str),
}

impl<'a> Scheme<'a> {
    /// The scheme as the RFC writes it; others as they came.
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(scheme) => scheme,
        }
    }
}

/// A host: a name, or a numeric address. IPv6 addresses stand in brackets on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// A domain name; compares without case.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 reference.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads `name`, `192.0.2.1` or `[2001:db8::1]`, complete.
    ///
    /// # Errors
    /// Says where the text stops being a host.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor::new(text);
        let host = Self::read(&mut cursor)?;
        if cursor.at_end() { Ok(host) } else { fail(cursor.pos(), "the end of the host") }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, SyntaxError> {
        let start = cursor.pos();
        if cursor.eat(b'[') {
            let inside = cursor.take_while(|c| c.is_ascii_hexdigit() || c == b':' || c == b'.');
            return match inside.parse() {
                Ok(address) if cursor.eat(b']') => Ok(Self::V6(address)),
                _ => fail(start, "an IPv6 reference in brackets"),
            };
        }
        let name = cursor.take_while(lex::is_host_byte);
        if name.is_empty() {
            return fail(start, "a host name or address");
        }
        if name.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && let Some(address) = read_ipv4(name)
        {
            return Ok(Self::V4(address));
        }
        Ok(Self::Name(name))
    }

    /// The address, if the host is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }
}

impl From<IpAddr> for Host<'static> {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::V4(a), Self::V4(b)) => a == b,
            (Self::V6(a), Self::V6(b)) => a == b,
            (Self::Name(_) | Self::V4(_) | Self::V6(_), _) => false,
        }
    }
}

impl Eq for Host<'_> {}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => f.write_str(Short::ipv4(*address).as_str()),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// `:port`, if it stands here.
pub(crate) fn read_port(cursor: &mut Cursor<'_>) -> Result<Option<u16>, SyntaxError> {
    if !cursor.eat(b':') {
        return Ok(None);
    }
    let at = cursor.pos();
    match lex::number::<u16>(cursor.take_while(|c| c.is_ascii_digit())) {
        Some(port) if port != 0 => Ok(Some(port)),
        _ => fail(at, "a port from 1 to 65535"),
    }
}

/// A URI, borrowed from its text.
///
/// Of `sip`, `sips` and `tel` URIs the parts are read, of others only the scheme.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme<'a>,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Option<Host<'a>>,
    port: Option<u16>,
    params: Params<'a>,
    headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// No URI.
    pub(crate) const NONE: Uri<'static> = Uri {
        text: "",
        scheme: Scheme::Other(""),
        user: None,
        password: None,
        host: None,
        port: None,
        params: Params::NONE,
        headers: None,
    };

    /// Reads a complete URI, without angle brackets or white space.
    ///
    /// # Errors
    /// Says where the text stops being a URI.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let mut cursor = Cursor::new(text);
        let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == b'+' || c == b'-' || c == b'.');
        if !name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) || !cursor.eat(b':') {
            return fail(0, "a URI scheme and `:`");
        }
        let scheme = match name.len() {
            3 if name.eq_ignore_ascii_case("sip") => Scheme::Sip,
            4 if name.eq_ignore_ascii_case("sips") => Scheme::Sips,
            3 if name.eq_ignore_ascii_case("tel") => Scheme::Tel,
            _ => Scheme::Other(name),
        };
        let mut uri = Self { text, scheme, ..Self::NONE };
        match scheme {
            Scheme::Sip | Scheme::Sips => uri.read_sip(&mut cursor)?,
            Scheme::Tel => uri.read_tel(&mut cursor)?,
            Scheme::Other(_) => {
                cursor.take_while(|c| c > b' ' && c != 0x7f && c != b'<' && c != b'>' && c != b'"');
            }
        }
        if !cursor.at_end() {
            return fail(cursor.pos(), "the end of the URI");
        }
        check_escapes(text)?;
        Ok(uri)
    }

    fn read_sip(&mut self, cursor: &mut Cursor<'a>) -> Result<(), UriError> {
        if memchr::memchr(b'@', cursor.rest().as_bytes()).is_some() {
            let start = cursor.pos();
            let user = cursor.take_while(|c| lex::is_user_byte(c) && c != b':');
            if user.is_empty() {
                return fail(start, "a user before `@`");
            }
            self.user = Some(user);
            if cursor.eat(b':') {
                self.password = Some(cursor.take_while(|c| lex::is_user_byte(c) || c == b':'));
            }
            if !cursor.eat(b'@') {
                return fail(cursor.pos(), "`@` after the user");
            }
        }
        self.host = Some(Host::read(cursor)?);
        self.port = read_port(cursor)?;
        self.params = Params::of_uri(cursor)?;
        if cursor.eat(b'?') {
            let headers =
                cursor.take_while(|c| lex::is_param_byte(c) || matches!(c, b'=' | b'?' | b';' | b'@'));
            if headers.is_empty() {
                return fail(cursor.pos(), "a header after `?`");
            }
            self.headers = Some(headers);
        }
        Ok(())
    }

    /// RFC 3966 3: digits and visual separators, `*` and `#` in local numbers.
    fn read_tel(&mut self, cursor: &mut Cursor<'a>) -> Result<(), UriError> {
        let start = cursor.pos();
        cursor.eat(b'+');
        let digits = cursor
            .take_while(|c| c.is_ascii_hexdigit() || matches!(c, b'*' | b'#' | b'-' | b'.' | b'(' | b')'));
        if !digits.bytes().any(|c| c.is_ascii_hexdigit() || c == b'*' || c == b'#') {
            return fail(cursor.pos(), "a telephone number");
        }
        self.user = Some(cursor.since(start));
        self.params = Params::of_uri(cursor)?;
        Ok(())
    }

    /// The whole URI as it came.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme<'a> {
        self.scheme
    }

    /// Whether the scheme is `sip` or `sips`.
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user as it came, escapes and `user` parameters included; the number of a `tel` URI.
    pub const fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user with `%xx` resolved. As it came where that is no UTF-8.
    pub fn user_unescaped(&self) -> Option<Cow<'a, str>> {
        self.user.map(|user| unescape(user).unwrap_or(Cow::Borrowed(user)))
    }

    /// The password as it came (RFC 3261 19.1.1 advises against it).
    pub const fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The host of a `sip` or `sips` URI.
    pub const fn host(&self) -> Option<Host<'a>> {
        self.host
    }

    /// The port, if it is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The address and port, where the host is numeric; 5060 (5061 for `sips`) if no port is written.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let default = if self.scheme == Scheme::Sips { 5061 } else { 5060 };
        Some(SocketAddr::new(self.host?.ip()?, self.port.unwrap_or(default)))
    }

    /// The URI parameters.
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&'a str> {
        self.params.get("transport")
    }

    /// Whether `lr` stands: a loose router (RFC 3261 19.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// What stands after `?`, as it came.
    pub const fn headers(&self) -> Option<&'a str> {
        self.headers
    }

    /// The value of a header after `?`, with `%xx` resolved; `Replaces` of a Refer-To for example.
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let pairs = self.headers?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = pairs.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)?;
        Some(unescape(value).unwrap_or(Cow::Borrowed(value)))
    }

    /// Everything from the host on left out that is not part of an address-of-record: scheme, user, host, port.
    pub fn address_of_record(&self) -> impl fmt::Display + use<'a> {
        AddressOfRecord(*self)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

struct AddressOfRecord<'a>(Uri<'a>);

impl fmt::Display for AddressOfRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = &self.0;
        let Some(host) = uri.host else {
            return match uri.scheme {
                Scheme::Tel => write!(f, "tel:{}", uri.user.unwrap_or_default()),
                Scheme::Sip | Scheme::Sips | Scheme::Other(_) => f.write_str(uri.text),
            };
        };
        f.write_str(uri.scheme.as_str())?;
        f.write_str(":")?;
        if let Some(user) = uri.user {
            f.write_str(user)?;
            f.write_str("@")?;
        }
        fmt::Display::fmt(&host, f)?;
        uri.port
            .map_or(Ok(()), |port| f.write_str(Short::new().then(b':').then_decimal(port.into()).as_str()))
    }
}
