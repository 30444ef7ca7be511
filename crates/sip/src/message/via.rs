//! Via: the way a request came and its response goes back (RFC 3261 18.2, 20.42; RFC 3581).

use super::lex::{self, Cursor, SyntaxError, fail};
use super::method::Method;
use super::params::Params;
use super::uri::{Host, read_port};
use std::net::{IpAddr, SocketAddr};

/// What every branch that follows RFC 3261 starts with (8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One value of a Via header field.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    transport: &'a str,
    sent_by: &'a str,
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one complete value.
    ///
    /// # Errors
    /// Says where the text stops being a Via.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor::new(text);
        let via = Self::read(&mut cursor)?;
        cursor.end()?;
        Ok(via)
    }

    /// Reads one element of a list, up to the comma or the end.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, SyntaxError> {
        let via = Self::read_sent_by(cursor)?;
        Ok(Self { params: Params::of_header(cursor)?, ..via })
    }

    /// Reads the first element of a list, and its branch on the way, which may not stand twice.
    pub(crate) fn parse_first(text: &'a str) -> Result<(Self, Option<&'a str>), SyntaxError> {
        let mut cursor = Cursor::new(text);
        let via = Self::read_sent_by(&mut cursor)?;
        let (params, branch) = Params::of_header_noting(&mut cursor, "branch")?;
        if !cursor.eat_ws(b',') {
            cursor.end()?;
        }
        Ok((Self { params, ..via }, branch))
    }

    /// From parts that were read before.
    pub(crate) fn from_parts(
        transport: &'a str,
        sent_by: &'a str,
        host: Host<'a>,
        port: Option<u16>,
        params: &'a str,
    ) -> Self {
        Self { transport, sent_by, host, port, params: Params::checked(params) }
    }

    /// Reads `SIP/2.0/UDP host:port` and leaves the cursor before the parameters.
    pub(crate) fn read_sent_by(cursor: &mut Cursor<'a>) -> Result<Self, SyntaxError> {
        cursor.skip_ws();
        let at = cursor.pos();
        let protocol = cursor.token("`SIP`")?;
        if !protocol.eq_ignore_ascii_case("SIP") {
            return fail(at, "`SIP` as the protocol");
        }
        if !cursor.eat_ws(b'/') {
            return fail(cursor.pos(), "`/` and the version");
        }
        cursor.token("the version")?;
        if !cursor.eat_ws(b'/') {
            return fail(cursor.pos(), "`/` and the transport");
        }
        let transport = cursor.token("the transport")?;
        let at = cursor.pos();
        cursor.skip_ws();
        if cursor.pos() == at {
            return fail(at, "white space between transport and sent-by");
        }
        let at = cursor.pos();
        let host = Host::read(cursor)?;
        let sent_by = cursor.since(at);
        let mut ahead = *cursor;
        ahead.skip_ws();
        let port = if ahead.peek() == Some(b':') {
            // RFC 3261 25.1: COLON takes white space around it.
            *cursor = ahead;
            let mut digits = ahead;
            digits.advance(1);
            digits.skip_ws();
            let at = digits.pos();
            let port = lex::number::<u16>(digits.take_while(|c| c.is_ascii_digit()));
            if port.is_none_or(|p| p == 0) {
                return fail(at, "a port from 1 to 65535");
            }
            *cursor = digits;
            port
        } else {
            read_port(cursor)?
        };
        Ok(Self { transport, sent_by, host, port, params: Params::NONE })
    }

    /// The transport as it came: `UDP`, `TCP`, `TLS`, `WSS`, ...
    pub const fn transport(&self) -> &'a str {
        self.transport
    }

    /// The host of sent-by.
    pub const fn host(&self) -> Host<'a> {
        self.host
    }

    /// The host of sent-by as it came.
    pub const fn host_str(&self) -> &'a str {
        self.sent_by
    }

    /// The port of sent-by, if it is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters.
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `branch`.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch")
    }

    /// The branch, if it is unique across space and time: the magic cookie and something behind it (RFC 3261 17.2.3).
    pub fn rfc3261_branch(&self) -> Option<&'a str> {
        self.branch().filter(|b| {
            let cookie = b.get(..MAGIC_COOKIE.len()).unwrap_or_default();
            b.len() > MAGIC_COOKIE.len() && cookie.eq_ignore_ascii_case(MAGIC_COOKIE)
        })
    }

    /// The `received` address; brackets around IPv6 addresses are tolerated (RFC 5118 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(text).parse().ok()
    }

    /// Whether `rport` stands, and its value if it has one (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| lex::number(value).filter(|port| *port != 0))
    }

    /// The `maddr`.
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.get("maddr")
    }

    /// Where a response to a request that came from `source` goes over an unreliable transport (RFC 3261 18.2.2, RFC
    /// 3581 4): to the source port if `rport` was asked for, else to the port of sent-by at the address the request
    /// came from. `maddr` is not followed: it would let anybody point our responses at others.
    pub fn reply_to(&self, source: SocketAddr) -> SocketAddr {
        if self.rport().is_some() {
            return source;
        }
        SocketAddr::new(source.ip(), self.port.unwrap_or(5060))
    }
}

/// The value of a CSeq header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2^31 (RFC 3261 8.1.1.5).
    pub number: u32,
    /// The method.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Reads one complete value.
    ///
    /// # Errors
    /// Says where the text stops being a CSeq.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        let mut cursor = Cursor::new(text);
        cursor.skip_ws();
        let at = cursor.pos();
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        let Some(number) = lex::number::<u32>(digits).filter(|n| *n < 1 << 31) else {
            return fail(at, "a sequence number below 2^31");
        };
        let at = cursor.pos();
        cursor.skip_ws();
        if cursor.pos() == at {
            return fail(at, "white space and a method");
        }
        let method = Method::new(cursor.token("a method")?);
        cursor.end()?;
        Ok(Self { number, method })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via<'_> {
        Via::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    #[test]
    fn only_branches_behind_the_cookie_are_unique() {
        assert_eq!(via("SIP/2.0/UDP a.example;branch=z9hG4bKx").rfc3261_branch(), Some("z9hG4bKx"));
        assert_eq!(via("SIP/2.0/UDP a.example;branch=Z9HG4BKx").rfc3261_branch(), Some("Z9HG4BKx"));
        for old in ["branch=z9hG4bK", "branch=1", "x=y"] {
            assert_eq!(via(&format!("SIP/2.0/UDP a.example;{old}")).rfc3261_branch(), None);
        }
    }

    #[test]
    fn responses_go_where_the_request_came_from() {
        let source = SocketAddr::from(([192, 0, 2, 1], 33_333));
        let reply = |text: &str| via(text).reply_to(source).to_string();
        assert_eq!(reply("SIP/2.0/UDP a.example;rport"), "192.0.2.1:33333");
        assert_eq!(reply("SIP/2.0/UDP a.example:5070"), "192.0.2.1:5070");
        assert_eq!(reply("SIP/2.0/UDP a.example"), "192.0.2.1:5060");
        assert_eq!(reply("SIP/2.0/UDP a.example;maddr=198.51.100.1"), "192.0.2.1:5060");
    }

    #[test]
    fn sequence_numbers_stay_below_2_to_31() {
        assert_eq!(CSeq::parse("2147483647 INVITE").map(|c| c.number), Ok(2_147_483_647));
        for text in ["2147483648 INVITE", "INVITE", "1", "1INVITE", "1 IN VITE", ""] {
            assert!(CSeq::parse(text).is_err(), "{text}");
        }
    }
}
