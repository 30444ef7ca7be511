//! Writing the copy of a request that goes to one target (RFC 3261 16.6).

use super::context::Origin;
use crate::core::Core;
use crate::location::UserId;
use crate::own::{joined, user_of};
use crate::passage::{Passage, Side};
use bytes::Bytes;
use hookswitch_machine::{EndpointId, Flow, Transport};
use hookswitch_sip::message::{Forward, Message, Name, Uri};
use hookswitch_sip::transaction::Branch;

/// Where a copy goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The Request-URI.
    pub(crate) uri: String,
    /// The path.
    pub(crate) flow: Flow,
    /// Whose phone it is.
    pub(crate) user: Option<UserId>,
    /// How the redirection was explained that led here (RFC 5806): the Diversion values to send instead of those that stand.
    pub(crate) diversions: Vec<String>,
}

impl Target {
    /// A target that no redirection led to.
    pub(crate) fn new(uri: impl Into<String>, flow: Flow, user: Option<UserId>) -> Self {
        Self { uri: uri.into(), flow, user, diversions: Vec::new() }
    }
}

/// RFC 5393 5: what stands for a missing Max-Breadth.
pub(crate) const DEFAULT_BREADTH: u32 = 60;

const MAX_BREADTH: Name<'static> = Name::Other("Max-Breadth");

/// The Max-Breadth of a request.
pub(crate) fn breadth(request: &Message) -> u32 {
    let stated = request.header(MAX_BREADTH).and_then(|value| value.trim().parse().ok());
    stated.unwrap_or(DEFAULT_BREADTH).min(DEFAULT_BREADTH)
}

/// Writes the copy for `target`; `breadth` is what it may fork into.
pub(crate) fn write(
    core: &mut Core,
    request: &Message,
    came: Flow,
    origin: &Origin,
    target: &Target,
    breadth: u32,
) -> (Branch, Bytes) {
    let branch = core.loops.branch(core.loops.mark(request), &mut core.entropy);
    let (transport, sent_by) = core
        .own
        .endpoint(target.flow.endpoint)
        .map_or((Transport::Udp, came.peer), |endpoint| (endpoint.transport, endpoint.advertised));
    let mut copy = Forward::new(request)
        .received(came.peer)
        .request_uri(&target.uri)
        .decrement_max_forwards()
        .replace(MAX_BREADTH, breadth)
        .push_via(transport.via_name(), sent_by, branch);
    if let Some(routes) = &origin.routes {
        copy = copy.remove(Name::Route);
        if !routes.is_empty() {
            copy = copy.header(Name::Route, routes);
        }
    }
    if !target.diversions.is_empty() {
        copy = copy.replace(Name::Diversion, joined(&target.diversions));
    }
    if let Some(others) = core.gate.foreign_credentials(request) {
        copy = copy.remove(Name::ProxyAuthorization);
        for value in others {
            copy = copy.header(Name::ProxyAuthorization, value);
        }
    }
    if request.to_tag().is_none() {
        // RFC 3325 5: users are not trusted to assert identities.
        copy = copy.remove(Name::PAssertedIdentity);
    }
    if origin.record {
        for value in record_routes(core, request, came, target) {
            copy = copy.push_record_route(value);
        }
    }
    (branch, copy.finish())
}

/// Our Record-Routes, the lowest first: one for each endpoint that is passed (RFC 5658).
fn record_routes(core: &Core, request: &Message, came: Flow, target: &Target) -> Vec<String> {
    let contact = request.contact();
    let passages = &core.passages;
    let passage = Passage {
        // Its From was checked.
        caller: Side {
            flow: came,
            place: passages.place(contact.map(|contact| contact.uri()).as_ref()),
            user: core.locations.find(&user_of(&request.from())),
        },
        callee: Side {
            flow: target.flow,
            place: passages.place(Uri::parse(&target.uri).ok().as_ref()),
            user: target.user,
        },
    };
    let user = passages.seal(&passage, request);
    let route = |id: EndpointId| format!("<{};lr>", core.own.uri(id, &user));
    let mut routes = vec![route(came.endpoint)];
    if came.endpoint != target.flow.endpoint {
        routes.push(route(target.flow.endpoint));
    }
    routes
}

/// The copy of an ACK, which needs no transaction (RFC 3261 16.11).
pub(crate) fn stateless_copy(
    core: &mut Core,
    request: &Message,
    came: Flow,
    routes: Option<String>,
    target: &Target,
) -> Bytes {
    let origin = Origin { request: Bytes::new(), routes, record: false };
    write(core, request, came, &origin, target, breadth(request)).1
}
