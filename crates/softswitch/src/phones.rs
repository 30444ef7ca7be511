//! The phones of the users, as the embedding code sees them.

use crate::calls::{Call, CallState, News, Role};
use crate::core::Core;
use crate::event::{Direction, Event, Phone, PhoneCall, PhoneCallState, PhoneContact};
use crate::location::UserId;
use crate::watch::Watchers;
use hookswitch_machine::Time;

/// Calls of one phone that are listed.
const MOST_LISTED: usize = 32;

/// All users that are registered.
pub(crate) fn phones(core: &Core, watchers: &Watchers, now: Time) -> Vec<Phone> {
    let registered = |user: &UserId| !core.locations.bindings(*user).is_empty();
    core.locations.users().filter(registered).map(|user| phone(core, watchers, now, user)).collect()
}

fn phone(core: &Core, watchers: &Watchers, now: Time, user: UserId) -> Phone {
    let contacts = core.locations.bindings(user).iter().map(|binding| PhoneContact {
        contact: binding.contact.to_string(),
        product: binding.product.to_string(),
        registered_for: now.since(binding.since),
        expires: binding.expires.since(now),
        flow: binding.flow,
    });
    let calls: Vec<PhoneCall> =
        core.calls.of_user(user).map(|(_, role, call)| seen(role, call, state(call))).collect();
    let call_count = calls.len();
    Phone {
        user: core.locations.name(user).to_owned(),
        contacts: contacts.collect(),
        calls: calls.into_iter().skip(call_count.saturating_sub(MOST_LISTED)).collect(),
        call_count,
        messages: watchers.messages(user),
    }
}

const fn state(call: &Call) -> PhoneCallState {
    match call.state {
        CallState::Trying { .. } => PhoneCallState::Trying,
        CallState::Early { .. } => PhoneCallState::Ringing,
        CallState::Confirmed => PhoneCallState::Connected,
    }
}

fn seen(role: Role, call: &Call, state: PhoneCallState) -> PhoneCall {
    let (_, other) = call.sides(role);
    PhoneCall {
        call_id: call.call_id.to_string(),
        state,
        direction: match role {
            Role::Caller => Direction::Outgoing,
            Role::Callee => Direction::Incoming,
        },
        peer: other.uri.to_string(),
        peer_name: other.display.as_deref().map(str::to_owned),
    }
}

/// Tells what happened to a call, once for each user in it.
pub(crate) fn tell(core: &mut Core, news: &News) {
    let (call, state) = match news {
        News::Changed(no) => match core.calls.get(*no) {
            Some(call) => (call, state(call)),
            None => return,
        },
        News::Ended(_, call) => (&**call, PhoneCallState::Ended),
    };
    let told: Vec<Event> = call
        .users()
        .map(|(user, role)| Event::PhoneCall {
            user: core.locations.name(user).to_owned(),
            call: seen(role, call, state),
        })
        .collect();
    told.into_iter().for_each(|event| core.tell(event));
}
