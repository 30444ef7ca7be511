//! The way back to a caller behind a NAT: its Contact names an address that only its own network knows.

use crate::core::Core;
use crate::own::user_of;
use hookswitch_machine::Flow;
use hookswitch_sip::message::{Contact, Forward, Limits, Message, Method, Name, Uri};

/// The request with where it came from in its Contact, if it came in a datagram straight from a phone that registered the same
/// address on the same path; `None` if it is good as it is. What the extensions send within the dialog then takes that path.
pub(crate) fn by_its_flow(core: &Core, flow: Flow, request: &Message) -> Option<Message> {
    let targets = [Method::Invite, Method::Update].contains(&request.method());
    if !targets || flow.connection != 0 || request.vias().count() != 1 {
        return None;
    }
    let contact = request.contacts().flatten().find_map(|contact| match contact {
        Contact::Address(address) => Some(address.uri()),
        Contact::All => None,
    })?;
    let named = contact.socket_addr();
    if named == Some(flow.peer) || contact.transport().is_some_and(|name| !name.eq_ignore_ascii_case("udp")) {
        return None;
    }
    let caller = core.locations.find(&user_of(&request.from()))?;
    let same = |text: &str| {
        Uri::parse(text).is_ok_and(|uri| uri.socket_addr() == named && uri.host() == contact.host())
    };
    core.locations.bindings(caller).iter().find(|binding| binding.flow == flow && same(&binding.contact))?;
    let reachable = match contact.user() {
        Some(user) => format!("<sip:{user}@{}>", flow.peer),
        None => format!("<sip:{}>", flow.peer),
    };
    let bytes = Forward::new(request).replace(Name::Contact, reachable).finish();
    Message::parse(bytes, &Limits::default()).ok()
}
