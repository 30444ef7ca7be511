//! Requests within a dialog (RFC 3261 12.2.1.1).

use super::state::Dialog;
use crate::cause::lex;
use crate::message::{Method, Name, NameAddr, Request};
use std::fmt;

/// What a Via says of us.
#[derive(Clone, Copy, Debug)]
pub struct SentBy<'a, Address, Branch> {
    /// The transport as it stands in Via: `UDP`, `TCP`.
    pub transport: &'a str,
    /// Where responses are to be sent: host with or without port.
    pub address: Address,
    /// The branch of the transaction, magic cookie included.
    pub branch: Branch,
}

impl Dialog {
    /// The next request of ours in this dialog: request line, Via, Max-Forwards, Route, From, To, Call-ID, CSeq (with the next number).
    /// Not for ACK and CANCEL, which take the number of their INVITE.
    pub fn request(
        &mut self,
        method: Method<'_>,
        via: SentBy<'_, impl fmt::Display, impl fmt::Display>,
    ) -> Request<'static> {
        let cseq = self.next_cseq();
        self.numbered(method, cseq, via)
    }

    /// The ACK to a 2xx for the INVITE with this CSeq number (RFC 3261 13.2.2.4). Credentials of the INVITE are to be added.
    pub fn ack(
        &self,
        invite_cseq: u32,
        via: SentBy<'_, impl fmt::Display, impl fmt::Display>,
    ) -> Request<'static> {
        self.numbered(Method::Ack, invite_cseq, via)
    }

    /// A request with a CSeq number that was taken before.
    pub(crate) fn numbered(
        &self,
        method: Method<'_>,
        cseq: u32,
        via: SentBy<'_, impl fmt::Display, impl fmt::Display>,
    ) -> Request<'static> {
        let path = self.path();
        Request::new(method, path.request_uri)
            .via(via.transport, via.address, via.branch)
            .max_forwards(70)
            .header_if(Name::Route, (!path.is_direct()).then_some(&path))
            .header(Name::From, format_args!("{};tag={}", self.local(), self.local_tag()))
            .header(Name::To, Tagged { address: self.remote(), tag: self.remote_tag() })
            .call_id(self.call_id())
            .cseq(cseq, method)
    }

    /// The Request-URI of the requests we send in this dialog; digests cover it.
    pub fn request_uri(&self) -> &str {
        self.path().request_uri
    }

    /// The URI of the element to send requests to: the first route, or the peer itself.
    pub fn next_hop(&self) -> &str {
        self.first_route().map_or(self.target(), |(uri, _)| uri)
    }

    /// The URI of the first route, and whether it is a loose router.
    fn first_route(&self) -> Option<(&str, bool)> {
        let first = NameAddr::parse(lex::split(self.routes(), b',').next()?).ok()?;
        let uri = first.uri();
        Some((uri.as_str(), uri.is_loose_router()))
    }

    fn path(&self) -> Path<'_> {
        match self.first_route() {
            None => Path { request_uri: self.target(), routes: "", last: None },
            Some((_, true)) => Path { request_uri: self.target(), routes: self.routes(), last: None },
            // A strict router takes its own URI as Request-URI; the target goes to the end of the routes.
            Some((uri, false)) => {
                let rest = lex::find_outside(self.routes(), b',').and_then(|at| self.routes().get(at + 1..));
                let request_uri = uri.split_once('?').map_or(uri, |(without, _)| without);
                Path { request_uri, routes: rest.unwrap_or("").trim(), last: Some(self.target()) }
            }
        }
    }
}

/// Request-URI and Route of a request.
struct Path<'a> {
    request_uri: &'a str,
    routes: &'a str,
    /// The target, behind a strict router.
    last: Option<&'a str>,
}

impl Path<'_> {
    fn is_direct(&self) -> bool {
        self.routes.is_empty() && self.last.is_none()
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.routes)?;
        match self.last {
            None => Ok(()),
            Some(last) if self.routes.is_empty() => write!(f, "<{last}>"),
            Some(last) => write!(f, ", <{last}>"),
        }
    }
}

struct Tagged<'a> {
    address: &'a str,
    tag: &'a str,
}

impl fmt::Display for Tagged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.address)?;
        if self.tag.is_empty() { Ok(()) } else { write!(f, ";tag={}", self.tag) }
    }
}
