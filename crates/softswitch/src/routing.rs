//! Where a request is to go: the route information of RFC 3261 16.4, and what its Request-URI then can mean.

use crate::core::Core;
use crate::own::joined;
use crate::passage::{Side, Way};
use crate::proxy::Target;
use hookswitch_machine::Flow;
use hookswitch_sip::message::{Message, Name, NameAddr, Uri};

/// A request's route information once what was meant for us is taken off.
#[derive(Debug)]
pub(crate) struct Routing<'m> {
    /// The Request-URI, a strict router's doing undone.
    pub(crate) uri: &'m str,
    /// The Routes that are left.
    pub(crate) routes: Vec<&'m str>,
    /// Routes were taken off or moved.
    pub(crate) changed: bool,
    /// Which way the request goes within a dialog, if it showed a passage of ours.
    pub(crate) way: Option<Way>,
}

/// Header fields of an answer.
pub(crate) type Fields = Vec<(Name<'static>, String)>;

/// Where a request is to go.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Nowhere: this is the answer.
    Refused(u16, Fields),
    /// To a dialog that we know nothing of, with nothing that could be asked of its sender: 481.
    Gone,
    /// To the other side of a dialog that we saw begin.
    Within(Way),
    /// To the registrar.
    Registrar,
    /// To the softswitch itself, not to a user of it.
    Itself,
    /// To a dialog of the extensions.
    Dialog,
    /// To a user or an extension.
    User(String),
    /// To the phone whose contact its Request-URI is, for the place that it has in a call.
    Phone,
}

/// The Request-URI or a Route cannot be read: answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl<'m> Routing<'m> {
    /// Reads the route information of a request.
    pub(crate) fn of(core: &Core, request: &'m Message) -> Result<Self, Unreadable> {
        let uri = request.request_uri().unwrap_or_default();
        let routes = request.headers(Name::Route).collect();
        let mut routing = Self { uri, routes, changed: false, way: None };
        let ours = |uri: &Uri<'_>| core.own.is_meant_by(uri);
        let open = |uri: &Uri<'_>| core.passages.open(uri.user()?, request);
        let first = Uri::parse(uri).map_err(|_| Unreadable)?;
        if ours(&first)
            && let Some(way) = open(&first)
            && let Some(last) = routing.routes.pop()
        {
            // RFC 3261 16.4: a strict router put our Record-Route here and the target behind all Routes.
            routing.uri = NameAddr::parse(last).map_err(|_| Unreadable)?.uri().as_str();
            routing.way = Some(way);
            routing.changed = true;
        }
        while let Some(first) = routing.routes.first() {
            let uri = NameAddr::parse(first).map_err(|_| Unreadable)?.uri();
            if !ours(&uri) {
                break;
            }
            routing.way = routing.way.or_else(|| open(&uri));
            routing.routes.remove(0);
            routing.changed = true;
        }
        Ok(routing)
    }

    /// The value of Route for what is passed on; `None` if nothing changed.
    pub(crate) fn left(&self) -> Option<String> {
        self.changed.then(|| joined(&self.routes))
    }

    /// The target within a dialog: the next Route or the Request-URI, by a path that somebody has agreed to.
    pub(crate) fn within(&self, core: &Core, side: Side) -> (Target, Option<String>) {
        let next = self.routes.first().and_then(|route| NameAddr::parse(route).ok());
        let hop = next.map(|next| next.uri()).or_else(|| Uri::parse(self.uri).ok());
        let flow = hop.map_or(side.flow, |hop| flow_to(core, side, &hop));
        match next {
            // RFC 3261 16.6, 6: a strict router wants its own URI as Request-URI, and the target behind all Routes.
            Some(next) if !next.uri().is_loose_router() => {
                let mut routes: Vec<String> = self.routes.iter().skip(1).map(ToString::to_string).collect();
                routes.push(format!("<{}>", self.uri));
                (Target::new(next.uri().as_str(), flow, side.user), Some(joined(routes)))
            }
            Some(_) | None => (Target::new(self.uri, flow, side.user), self.left()),
        }
    }
}

/// The flow that the passage names, or the one on which the same user has registered the place that is meant: it has moved, or its
/// connection was replaced. Nowhere else: whoever is in a dialog could send what it likes to whom it likes.
fn flow_to(core: &Core, side: Side, hop: &Uri<'_>) -> Flow {
    let lost = side.flow.connection != 0 && !core.locations.is_registered_on(side.flow);
    if !lost && core.passages.place(Some(hop)) == side.place {
        return side.flow;
    }
    side.user.and_then(|user| core.locations.flow_to(user, hop)).unwrap_or(side.flow)
}
