//! The registrar (RFC 3261 10.3): what a REGISTER wants, whether it may, and the contacts that come of it.

use crate::config::Limits;
use crate::core::{Core, Timer};
use crate::event::{Event, Unregistered};
use crate::gate::Pass;
use crate::location::{Binding, BindingId, UserId};
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::auth::Place;
use hookswitch_sip::message::{Contact, Message, Name, NameAddr, Scheme};
use hookswitch_sip::transaction::ServerId;
use std::time::Duration;

/// The longest contact URI that is kept.
const LONGEST_CONTACT: usize = 512;

/// The longest Call-ID that is kept with a contact.
const LONGEST_CALL_ID: usize = 256;

/// Characters of a phone's User-Agent that are kept.
const LONGEST_PRODUCT: usize = 80;

/// What a REGISTER wants.
#[derive(Debug)]
enum Wanted<'m> {
    /// The list of contacts.
    Nothing,
    /// `*`: all contacts be gone.
    RemoveAll,
    /// Each for so many seconds; 0: be gone.
    Contacts(Vec<(NameAddr<'m>, u32)>),
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// 400.
    Malformed,
    /// 403.
    TooMany,
    /// 423 with Min-Expires.
    TooBrief,
    /// 500: an older request than one that was carried out (RFC 3261 10.3, 7).
    OutOfOrder,
}

impl Refusal {
    const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::TooMany => 403,
            Self::TooBrief => 423,
            Self::OutOfOrder => 500,
        }
    }
}

/// Carries a REGISTER for our domain out.
pub(crate) fn register(core: &mut Core, now: Time, server: ServerId, flow: Flow, request: &Message) {
    // RFC 3261 10.3, 2: no extension is implemented that could be required.
    let required: Vec<&str> = request.headers(Name::Require).collect();
    if !required.is_empty() {
        let unsupported = [(Name::Unsupported, required.join(", "))];
        return core.refuse(now, server, flow, request, 420, &unsupported);
    }
    let user = match core.gate.check(now, Place::Server, flow.peer.ip(), request, &core.own, &core.locations)
    {
        Pass::User(user) => user,
        Pass::Challenge(status, name, values) => {
            let fields: Vec<_> = values.into_iter().map(|value| (Name::new(name), value)).collect();
            return core.answer(now, server, flow, request, status, &fields);
        }
        Pass::Forbidden => return core.refuse(now, server, flow, request, 403, &[]),
        Pass::Malformed => return core.refuse(now, server, flow, request, 400, &[]),
    };
    let bindings = core.locations.bindings(user);
    let wanted = read(request, &core.limits).and_then(|wanted| {
        check_order(request, &wanted, bindings)?;
        Ok(wanted)
    });
    match wanted {
        Ok(wanted) => {
            carry_out(core, now, flow, request, user, &wanted);
            let contacts = current(core.locations.bindings(user), now);
            core.answer(now, server, flow, request, 200, &contacts);
        }
        Err(refusal) => {
            let min = core.limits.min_expires.as_secs().to_string();
            let fields = match refusal {
                Refusal::TooBrief => vec![(Name::MinExpires, min)],
                Refusal::Malformed | Refusal::TooMany | Refusal::OutOfOrder => Vec::new(),
            };
            core.refuse(now, server, flow, request, refusal.status(), &fields);
        }
    }
}

/// RFC 3261 10.3, 6 and 7: everything that can be wrong is found before anything changes.
fn read<'m>(request: &'m Message, limits: &Limits) -> Result<Wanted<'m>, Refusal> {
    if request.call_id().len() > LONGEST_CALL_ID {
        return Err(Refusal::Malformed);
    }
    let mut contacts = Vec::new();
    for contact in request.contacts() {
        match contact.map_err(|_| Refusal::Malformed)? {
            Contact::All => {
                let alone = request.contacts().count() == 1;
                let gone = request.expires() == Some(0);
                return if alone && gone { Ok(Wanted::RemoveAll) } else { Err(Refusal::Malformed) };
            }
            Contact::Address(address) => {
                let uri = address.uri();
                if uri.scheme() != Scheme::Sip || uri.as_str().len() > LONGEST_CONTACT {
                    return Err(Refusal::Malformed);
                }
                if contacts.len() >= limits.contacts_per_user {
                    return Err(Refusal::TooMany);
                }
                contacts.push((address, granted(request, &address, limits)?));
            }
        }
    }
    Ok(if contacts.is_empty() { Wanted::Nothing } else { Wanted::Contacts(contacts) })
}

/// How long a contact is to stay, in seconds.
fn granted(request: &Message, contact: &NameAddr<'_>, limits: &Limits) -> Result<u32, Refusal> {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let most = seconds(limits.max_expires);
    match contact.expires().or(request.expires()).unwrap_or(most) {
        0 => Ok(0),
        wanted if wanted < seconds(limits.min_expires) => Err(Refusal::TooBrief),
        wanted => Ok(wanted.min(most)),
    }
}

/// A request of the same Call-ID must have a higher number than the one that set a binding (RFC 3261 10.3, 6 and 7).
fn check_order(request: &Message, wanted: &Wanted<'_>, bindings: &[Binding]) -> Result<(), Refusal> {
    let in_order =
        |binding: &Binding| *binding.call_id != *request.call_id() || request.cseq().number > binding.cseq;
    let fine = match wanted {
        Wanted::Nothing => true,
        Wanted::RemoveAll => bindings.iter().all(in_order),
        Wanted::Contacts(contacts) => contacts
            .iter()
            .flat_map(|(contact, _)| bindings.iter().filter(move |binding| binding.is_at(&contact.uri())))
            .all(in_order),
    };
    if fine { Ok(()) } else { Err(Refusal::OutOfOrder) }
}

fn carry_out(core: &mut Core, now: Time, flow: Flow, request: &Message, user: UserId, wanted: &Wanted<'_>) {
    match wanted {
        Wanted::Nothing => {}
        Wanted::RemoveAll => {
            let ids: Vec<BindingId> =
                core.locations.bindings(user).iter().map(|binding| binding.id).collect();
            for id in ids {
                remove(core, user, id, Some(Unregistered::Removed));
            }
        }
        Wanted::Contacts(contacts) => {
            for (contact, seconds) in contacts {
                set(core, now, flow, request, user, contact, *seconds);
            }
        }
    }
}

fn set(
    core: &mut Core,
    now: Time,
    flow: Flow,
    request: &Message,
    user: UserId,
    contact: &NameAddr<'_>,
    seconds: u32,
) {
    let bindings = core.locations.bindings(user);
    let known = bindings.iter().find(|binding| binding.is_at(&contact.uri())).map(|binding| binding.id);
    let full = bindings.len() >= core.limits.contacts_per_user;
    let since =
        bindings.iter().find(|binding| Some(binding.id) == known).map_or(now, |binding| binding.since);
    let soonest = bindings.iter().min_by_key(|binding| binding.expires).map(|binding| binding.id);
    match (known, soonest) {
        (Some(id), _) => {
            remove(core, user, id, (seconds == 0).then_some(Unregistered::Removed));
        }
        (None, Some(id)) if full && seconds > 0 => remove(core, user, id, Some(Unregistered::Replaced)),
        (None, Some(_) | None) => {}
    }
    if seconds == 0 {
        return;
    }
    let expires = now + Duration::from_secs(seconds.into());
    let id = core.locations.next_id();
    let binding = Binding {
        id,
        contact: contact.uri().as_str().into(),
        flow,
        call_id: request.call_id().into(),
        cseq: request.cseq().number,
        q: contact.q(),
        expires,
        since,
        product: request.header(Name::UserAgent).map(short).unwrap_or_default().into(),
        timer: core.timers.set(expires, Timer::Binding(user, id)),
    };
    core.tell(Event::Registered {
        user: core.locations.name(user).to_owned(),
        contact: binding.contact.to_string(),
        expires: Duration::from_secs(seconds.into()),
        new: known.is_none(),
        flow,
    });
    core.locations.insert(user, binding);
}

/// As much of a name as is kept.
fn short(name: &str) -> &str {
    let end = name.char_indices().nth(LONGEST_PRODUCT).map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or_default()
}

/// Takes a contact out; tells why unless it only makes room for itself.
pub(crate) fn remove(core: &mut Core, user: UserId, id: BindingId, why: Option<Unregistered>) {
    let Some(binding) = core.locations.remove(user, id) else { return };
    core.timers.cancel(binding.timer);
    if let Some(why) = why {
        let user = core.locations.name(user).to_owned();
        core.tell(Event::Unregistered { user, contact: binding.contact.into(), why });
    }
}

/// The Contacts of a 200 (RFC 3261 10.3, 8).
fn current(bindings: &[Binding], now: Time) -> Vec<(Name<'static>, String)> {
    bindings
        .iter()
        .map(|binding| {
            let left = binding.expires.since(now).as_secs_f64().round() as u64;
            let mut value = format!("<{}>;expires={left}", binding.contact);
            if let Some(q) = binding.q {
                // Writing to a String cannot fail.
                let _ =
                    std::fmt::Write::write_fmt(&mut value, format_args!(";q={}.{:03}", q / 1_000, q % 1_000));
            }
            (Name::Contact, value)
        })
        .collect()
}
