//! Requests outside any session.

use super::agent::UserAgent;
use super::ids::{AccountId, LegError};
use super::pending::Purpose;
use super::sending::Draft;
use crate::auth::Attempt;
use crate::message::{Method, Name, Request};
use crate::transaction::{Branch, ClientId, Layer};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time, Transport};
use std::net::SocketAddr;
use std::sync::Arc;

/// A request outside any session.
#[derive(Clone, Debug)]
pub struct Errand<'a> {
    /// The path to the next hop.
    pub flow: Flow,
    /// Credentials for challenges.
    pub account: Option<AccountId>,
    /// The method; not INVITE, SUBSCRIBE, ACK or CANCEL.
    pub method: Method<'a>,
    /// The Request-URI, complete.
    pub uri: &'a str,
    /// From without its tag: `"Name" <sip:user@domain>`.
    pub from: &'a str,
    /// To: `<sip:user@domain>`.
    pub to: &'a str,
    /// The URI in Contact, for methods that have one; MESSAGE has none (RFC 3428 4).
    pub contact: Option<&'a str>,
    /// Further complete header field lines ([`ExtraHeaders`](crate::headers::ExtraHeaders)).
    pub fields: &'a str,
    /// The body: type and octets.
    pub body: Option<(&'a str, &'a [u8])>,
}

impl UserAgent {
    /// Sends a request outside any session: MESSAGE, OPTIONS, INFO, NOTIFY, ... Ends with [`OutOfDialogResponse`](super::Indication::OutOfDialogResponse).
    pub fn request_outside(
        &mut self,
        now: Time,
        layer: &mut Layer,
        errand: &Errand<'_>,
    ) -> Result<ClientId, LegError> {
        let tag = self.loose_tag();
        let call_id = format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        let cseq = self.entropy.next_u32() >> 8;
        let product = Arc::clone(&self.product);
        let method = errand.method;
        let draft = Draft {
            purpose: Purpose::Outside,
            account: errand.account,
            flow: errand.flow,
            instead: None,
            method,
            uri: Some(errand.uri),
            body: errand.body.map_or(&[] as &[u8], |(_, body)| body),
        };
        self.send(now, layer, &draft, |via, credentials| {
            let request = Request::new(method, errand.uri)
                .via(via.transport, via.address, via.branch)
                .max_forwards(70)
                .header(Name::From, format_args!("{};tag={tag}", errand.from))
                .header(Name::To, errand.to)
                .call_id(&call_id)
                .cseq(cseq, method)
                .header_if(Name::Contact, errand.contact.map(|uri| format!("<{uri}>")))
                .header(Name::UserAgent, &product)
                .lines(credentials)
                .lines(errand.fields);
            match errand.body {
                Some((kind, body)) => request.body(kind, body).finish(),
                None => request.finish(),
            }
        })
    }

    /// Sends a request outside any session, written by the caller but for its Via. Ends with
    /// [`OutOfDialogResponse`](super::Indication::OutOfDialogResponse).
    pub fn send_outside(
        &mut self,
        now: Time,
        layer: &mut Layer,
        flow: Flow,
        account: Option<AccountId>,
        method: Method<'_>,
        write: impl Fn(Transport, SocketAddr, Branch) -> Bytes,
    ) -> Result<ClientId, LegError> {
        let purpose = Purpose::Outside;
        let draft = Draft { purpose, account, flow, instead: None, method, uri: None, body: &[] };
        self.launch(now, layer, &draft, Attempt::default(), |transport, address, branch| {
            write(transport, address, branch)
        })
    }
}
