//! What a dialog remembers, how it begins, and what changes it.

use super::id::DialogId;
use crate::message::{Contact, Message, Method, NameAddr, Quoted, Scheme, SyntaxError, Uri};
use hookswitch_machine::HashKeys;
use std::fmt::{self, Write};

/// Who sent the request that made the dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We did.
    Client,
    /// The peer did.
    Server,
}

/// How far a dialog has come (RFC 3261 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// Why no dialog comes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialogError {
    /// The request has no Contact with a `sip` or `sips` URI: answer 400.
    #[error("a request that makes a dialog needs a Contact with one sip or sips URI")]
    Contact,
    /// A Record-Route cannot be read: answer 400.
    #[error("a Record-Route cannot be read")]
    RecordRoute,
    /// A provisional response without a To tag, or a failure: it makes no dialog (RFC 3261 12.1).
    #[error("the response makes no dialog: it is no 101-299 with a tag in To")]
    Response,
}

/// The request's CSeq number is not higher than the last one: answer 500 (RFC 3261 12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CSeq number {got} came after {last}; numbers must grow within a dialog")]
pub struct OutOfOrder {
    /// The number of the request.
    pub got: u32,
    /// The highest number before it.
    pub last: u32,
}

/// A dialog: identifiers, sequence numbers, route set, the peer's address. About 400 bytes in all, in three allocations.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialog {
    /// Call-ID, local tag, remote tag, local and remote address, end to end; they never change.
    texts: Box<str>,
    /// Where the first four of `texts` end.
    ends: [u32; 4],
    /// The peer's URI, without headers.
    target: Box<str>,
    /// The route set as the value of one Route header field; empty without one.
    routes: Box<str>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    role: Role,
    stage: Stage,
    secure: bool,
}

impl Dialog {
    /// The dialog that our response with `local_tag` to `request` makes (RFC 3261 12.1.1), in its early stage.
    ///
    /// # Errors
    /// If the request cannot make a dialog.
    pub fn server(request: &Message, local_tag: &str) -> Result<Self, DialogError> {
        let target = contact(request).ok_or(DialogError::Contact)?;
        let (from, to) = (request.from(), request.to());
        Ok(Self {
            target: target.into(),
            routes: route_set(request, Order::AsIs).map_err(|_| DialogError::RecordRoute)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq().number),
            role: Role::Server,
            stage: Stage::Early,
            secure: request.uri().is_ok_and(|uri| uri.scheme() == Scheme::Sips),
            ..Self::identified(request.call_id(), local_tag, from.tag().unwrap_or(""), to, from)
        })
    }

    /// The dialog that a provisional response or 2xx to our `request` makes (RFC 3261 12.1.2). A response without a usable Contact
    /// leaves the Request-URI as the peer's address, because many provisional ones have none.
    ///
    /// # Errors
    /// If the response makes no dialog.
    pub fn client(request: &Message, response: &Message) -> Result<Self, DialogError> {
        let stage = match (response.status(), response.to_tag()) {
            (Some(101..=199), Some(_)) => Stage::Early,
            // Without a tag in the 2xx: the peer speaks RFC 2543 (RFC 3261 12.1.2).
            (Some(200..=299), _) => Stage::Confirmed,
            _ => return Err(DialogError::Response),
        };
        let request_uri = request.request_uri().unwrap_or_default();
        let (from, to) = (request.from(), response.to());
        let remote_tag = to.tag().unwrap_or("");
        Ok(Self {
            target: contact(response).unwrap_or(request_uri).into(),
            routes: route_set(response, Order::Reversed).map_err(|_| DialogError::RecordRoute)?,
            local_cseq: request.cseq().number,
            remote_cseq: None,
            role: Role::Client,
            stage,
            secure: request.uri().is_ok_and(|uri| uri.scheme() == Scheme::Sips),
            ..Self::identified(request.call_id(), from.tag().unwrap_or(""), remote_tag, from, to)
        })
    }

    /// A dialog with identifiers and nothing else.
    fn identified(
        call_id: &str,
        local_tag: &str,
        remote_tag: &str,
        local: NameAddr<'_>,
        remote: NameAddr<'_>,
    ) -> Self {
        let mut texts = String::with_capacity(256);
        let mut end = |part: &dyn fmt::Display| {
            // Writing to a String cannot fail.
            let _ = write!(texts, "{part}");
            u32::try_from(texts.len()).unwrap_or(u32::MAX)
        };
        let ends = [end(&call_id), end(&local_tag), end(&remote_tag), end(&Plain(local))];
        end(&Plain(remote));
        Self {
            texts: texts.into_boxed_str(),
            ends,
            target: Box::default(),
            routes: Box::default(),
            local_cseq: 0,
            remote_cseq: None,
            role: Role::Client,
            stage: Stage::Early,
            secure: false,
        }
    }

    fn text(&self, number: usize) -> &str {
        let at = |i: usize| self.ends.get(i).map_or(self.texts.len(), |end| *end as usize);
        let start = number.checked_sub(1).map_or(0, at);
        self.texts.get(start..at(number)).unwrap_or("")
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.text(0)
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.text(1)
    }

    /// The peer's tag; empty if it has none (RFC 2543).
    pub fn remote_tag(&self) -> &str {
        self.text(2)
    }

    /// Our name and address, as in From of what we send, without tag.
    pub fn local(&self) -> &str {
        self.text(3)
    }

    /// The peer's name and address, as in To of what we send, without tag.
    pub fn remote(&self) -> &str {
        self.text(4)
    }

    /// The URI where the peer can be reached: its Contact.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The route set as the value of one Route header field; empty without one.
    pub fn routes(&self) -> &str {
        &self.routes
    }

    /// Who began.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// How far it has come.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether it was made by a request to a `sips` URI.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The CSeq number of the last request we sent in it, 0 before the first.
    pub const fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The highest CSeq number received in it.
    pub const fn remote_cseq(&self) -> Option<u32> {
        self.remote_cseq
    }

    /// The key to find it by.
    pub fn id(&self, keys: &HashKeys) -> DialogId {
        DialogId::new(keys, self.call_id(), self.local_tag(), self.remote_tag())
    }

    /// The next CSeq number for a request of ours.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        // RFC 3261 8.1.1.5: below 2^31.
        self.local_cseq = (self.local_cseq + 1) & 0x7fff_ffff;
        self.local_cseq
    }

    /// A request was sent again with this CSeq number, for credentials or because it was redirected.
    pub(crate) fn raise_cseq(&mut self, cseq: u32) {
        self.local_cseq = self.local_cseq.max(cseq);
    }

    /// The dialog of a 2xx to an INVITE of ours that nobody remembers: enough for ACK and BYE.
    pub(crate) fn of_stray(response: &Message) -> Option<Self> {
        let (from, to) = (response.from(), response.to());
        let target = contact(response)?;
        Some(Self {
            target: target.into(),
            routes: route_set(response, Order::Reversed).ok()?,
            local_cseq: response.cseq().number,
            role: Role::Client,
            stage: Stage::Confirmed,
            ..Self::identified(response.call_id(), from.tag().unwrap_or(""), to.tag().unwrap_or(""), from, to)
        })
    }

    /// As client: a 2xx to the request that made this early dialog has come. The route set is taken from it
    /// (RFC 3261 13.2.2.4), and the peer's address.
    ///
    /// # Errors
    /// If its Record-Route cannot be read; the dialog is confirmed with the route set it had.
    pub fn confirmed_by(&mut self, response: &Message) -> Result<(), DialogError> {
        let routes = route_set(response, Order::Reversed);
        if self.stage == Stage::Early {
            self.stage = Stage::Confirmed;
            if let Ok(routes) = &routes {
                self.routes.clone_from(routes);
            }
        }
        self.refresh_target(response);
        routes.map(drop).map_err(|_| DialogError::RecordRoute)
    }

    /// As server: we have sent a 2xx.
    pub fn confirm(&mut self) {
        self.stage = Stage::Confirmed;
    }

    /// Checks the order of a request from the peer (RFC 3261 12.2.2), and remembers its number. ACK and CANCEL repeat the number of
    /// their INVITE and are not checked.
    ///
    /// # Errors
    /// If its number is not higher than the last: answer 500.
    pub fn receive(&mut self, request: &Message) -> Result<(), OutOfOrder> {
        let got = request.cseq().number;
        match (request.method(), self.remote_cseq) {
            (Method::Ack | Method::Cancel, _) => Ok(()),
            (_, Some(last)) if got <= last => Err(OutOfOrder { got, last }),
            _ => {
                self.remote_cseq = Some(got);
                Ok(())
            }
        }
    }

    /// Follows the peer to the Contact of a re-INVITE or UPDATE that we accept, or of a 2xx to one of ours; true if the address
    /// changed. Other messages, and Contacts that cannot be used, change nothing (RFC 3261 12.2.1.2, 12.2.2).
    pub fn refresh_target(&mut self, message: &Message) -> bool {
        let refreshes =
            matches!(message.method(), Method::Invite | Method::Update | Method::Subscribe | Method::Notify);
        let accepted = message.status().is_none_or(|status| (200..300).contains(&status));
        match contact(message) {
            Some(target) if refreshes && accepted && *target != *self.target => {
                self.target = target.into();
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Dialog {
    /// Identifiers and state; addresses are personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog")
            .field("call_id", &self.call_id())
            .field("local_tag", &self.local_tag())
            .field("remote_tag", &self.remote_tag())
            .field("role", &self.role)
            .field("stage", &self.stage)
            .field("local_cseq", &self.local_cseq)
            .field("remote_cseq", &self.remote_cseq)
            .finish_non_exhaustive()
    }
}

/// A name and address without the header's parameters, in brackets.
struct Plain<'a>(NameAddr<'a>);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.0.display() {
            write!(f, "{} ", Quoted(&name))?;
        }
        f.write_str("<")?;
        f.write_str(self.0.uri_str())?;
        f.write_str(">")
    }
}

/// The first Contact as a URI that requests can be sent to: `sip` or `sips`, without headers (RFC 3261 19.1.1, table 1).
fn contact(message: &Message) -> Option<&str> {
    let Some(Ok(Contact::Address(address))) = message.contacts().next() else { return None };
    let uri: Uri<'_> = address.uri();
    if !uri.is_sip() {
        return None;
    }
    let text = uri.as_str();
    Some(text.split_once('?').map_or(text, |(without, _)| without))
}

enum Order {
    AsIs,
    Reversed,
}

/// The route set from Record-Route (RFC 3261 12.1.1, 12.1.2).
fn route_set(message: &Message, order: Order) -> Result<Box<str>, SyntaxError> {
    let mut routes = message.record_routes().collect::<Result<Vec<_>, _>>()?;
    match order {
        Order::AsIs => {}
        Order::Reversed => routes.reverse(),
    }
    let mut out = String::new();
    for route in routes {
        let comma = if out.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}<{}>{}", route.uri(), route.params().as_str());
    }
    Ok(out.into_boxed_str())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
