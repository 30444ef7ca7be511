//! SUBSCRIBE, and the NOTIFYs that follow.

use super::{Pace, Package, Subscription, SubscriptionNo, WatchChange, WatchNews, Watchers};
use crate::core::Core;
use crate::location::UserId;
use bytes::Bytes;
use hookswitch_machine::{Flow, Time, Transport};
use hookswitch_sip::dialog::{Dialog, SentBy};
use hookswitch_sip::event::{SubscriptionState, allow_events};
use hookswitch_sip::message::{Message, Method, Name, Response};
use hookswitch_sip::subscription::{Notifier, NotifierInput, NotifierOutput};
use hookswitch_sip::transaction::ServerId;
use hookswitch_spi::LampState;
use std::collections::BTreeSet;

/// How long a refused watcher should wait, in seconds.
const LATER: &str = "60";

/// The largest SUBSCRIBE that is taken, in octets: parts of it are kept.
const LARGEST: usize = 8_192;

/// A SUBSCRIBE that is being carried out.
#[derive(Clone, Copy, Debug)]
struct Asked<'m> {
    server: ServerId,
    flow: Flow,
    request: &'m Message,
}

impl Watchers {
    /// An authenticated SUBSCRIBE outside any dialog.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn subscribe(
        &mut self,
        core: &mut Core,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Message,
        package: Package,
        watcher: UserId,
        watched: UserId,
    ) {
        let permitted = match package {
            Package::Dialog => core.locations.permits(core.features.who_may_watch, watcher, watched),
            Package::Messages => watcher == watched,
        };
        if !permitted {
            return core.refuse(now, server, flow, request, 403, &[]);
        }
        if request.bytes().len() > LARGEST {
            return core.refuse(now, server, flow, request, 513, &[]);
        }
        let Some(expires) = granted(core, request) else {
            return too_brief(core, now, server, flow, request);
        };
        let own = self.by_watcher.get(&watcher).map_or(0, BTreeSet::len);
        if own >= core.limits.subscriptions_per_user || self.len() >= core.limits.subscriptions {
            let fields = [(Name::RetryAfter, LATER.to_owned())];
            return core.refuse(now, server, flow, request, 480, &fields);
        }
        let tag = format!("w{:016x}", core.entropy.next_u64());
        let Ok(dialog) = Dialog::server(request, &tag) else {
            return core.refuse(now, server, flow, request, 400, &[]);
        };
        self.next += 1;
        let id = SubscriptionNo(self.next);
        let contact: Box<str> = core.own.uri(flow.endpoint, core.locations.name(watched)).into();
        respond(core, now, Asked { server, flow, request }, &tag, 200, expires, &contact);
        let notifier = Notifier::new(now, expires, false);
        let event = request.header(Name::Event).unwrap_or_else(|| package.name());
        let subscription = Subscription {
            watcher,
            watched,
            package,
            event: event.into(),
            dialog,
            flow,
            contact,
            notifier,
            timer: None,
            pace: Pace::new(now),
            version: 0,
            ended: Vec::new(),
            told: LampState::Unknown,
            shown: LampState::Unknown,
        };
        self.by_watched.entry((watched, package)).or_default().insert(id);
        self.by_watcher.entry(watcher).or_default().insert(id);
        self.by_tag.insert(tag.into(), id);
        self.subscriptions.insert(id, subscription);
        self.news.push_back(WatchNews { id, watcher, what: WatchChange::Begun });
        self.give(core, now, id, NotifierInput::State);
    }

    /// An authenticated SUBSCRIBE within a dialog; 481 if that is none of ours, or somebody else's.
    pub(crate) fn resubscribe(
        &mut self,
        core: &mut Core,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Message,
        watcher: UserId,
    ) {
        let id = request.to_tag().and_then(|tag| self.by_tag.get(tag)).copied();
        let found = id.and_then(|id| Some((id, self.subscriptions.get_mut(&id)?)));
        let Some((id, subscription)) = found.filter(|(_, subscription)| {
            let dialog = &subscription.dialog;
            subscription.watcher == watcher
                && dialog.call_id() == request.call_id()
                && dialog.remote_tag() == request.from_tag().unwrap_or_default()
        }) else {
            return core.answer(now, server, flow, request, 481, &[]);
        };
        let Some(expires) = granted(core, request) else {
            return too_brief(core, now, server, flow, request);
        };
        if subscription.dialog.receive(request).is_err() {
            return core.answer(now, server, flow, request, 500, &[]);
        }
        subscription.dialog.refresh_target(request);
        subscription.flow = flow;
        subscription.notifier.handle(now, NotifierInput::Subscribe { expires });
        self.carry_out(core, now, id, Some(Asked { server, flow, request }));
    }

    /// Gives a subscription an input, and does what it then wants.
    pub(super) fn give(&mut self, core: &mut Core, now: Time, id: SubscriptionNo, input: NotifierInput) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.notifier.handle(now, input);
        self.carry_out(core, now, id, None);
    }

    fn carry_out(&mut self, core: &mut Core, now: Time, id: SubscriptionNo, asked: Option<Asked<'_>>) {
        while let Some(subscription) = self.subscriptions.get_mut(&id) {
            match subscription.notifier.poll() {
                Some(NotifierOutput::Respond { status, expires }) => {
                    if let Some(asked) = asked {
                        respond(core, now, asked, "", status, expires, &subscription.contact);
                    }
                }
                Some(NotifierOutput::Due) => subscription.notifier.handle(now, NotifierInput::State),
                Some(NotifierOutput::Notify(state)) => self.notify(core, now, id, &state),
                Some(NotifierOutput::Gone) => return self.remove(core, id),
                None => break,
            }
        }
        self.set_timer(core, id);
    }

    /// Sends a NOTIFY with the full state.
    fn notify(&mut self, core: &mut Core, now: Time, id: SubscriptionNo, state: &SubscriptionState<'_>) {
        let Some(subscription) = self.subscriptions.get(&id) else { return };
        let (kind, body) = self.document(core, subscription);
        let lamp = self.lamp(core, subscription);
        let flow = way_to(core, subscription);
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.version = subscription.version.wrapping_add(1);
        subscription.told = lamp;
        subscription.ended.clear();
        let (transport, address) = core
            .own
            .endpoint(flow.endpoint)
            .map_or((Transport::Udp, flow.peer), |endpoint| (endpoint.transport, endpoint.advertised));
        let branch = core.layer.next_branch();
        let via = SentBy { transport: transport.via_name(), address, branch };
        let bytes: Bytes = subscription
            .dialog
            .request(Method::Notify, via)
            .header(Name::Contact, format_args!("<{}>", subscription.contact))
            .header(Name::Event, &subscription.event)
            .header(Name::SubscriptionState, state)
            .header(Name::AllowEvents, allow_events(&Package::ALL))
            .body(kind, body.as_bytes())
            .finish();
        let reliable = core.is_reliable(flow);
        match core.layer.request(now, flow, reliable, branch, Method::Notify, bytes) {
            Ok(client) => drop(self.by_client.insert(client, id)),
            // No room for it: the watcher subscribes anew when its time is over.
            Err(_) => subscription.notifier.handle(now, NotifierInput::Abandoned),
        }
    }

    fn remove(&mut self, core: &mut Core, id: SubscriptionNo) {
        let Some(subscription) = self.subscriptions.remove(&id) else { return };
        if let Some(timer) = subscription.timer {
            core.timers.cancel(timer);
        }
        self.by_tag.remove(subscription.dialog.local_tag());
        let key = (subscription.watched, subscription.package);
        if let Some(all) = self.by_watched.get_mut(&key) {
            all.remove(&id);
            if all.is_empty() {
                self.by_watched.remove(&key);
            }
        }
        if let Some(own) = self.by_watcher.get_mut(&subscription.watcher) {
            own.remove(&id);
            if own.is_empty() {
                self.by_watcher.remove(&subscription.watcher);
            }
        }
        self.news.push_back(WatchNews { id, watcher: subscription.watcher, what: WatchChange::Gone });
    }
}

/// The lifetime granted, in seconds; `None` if too little is wanted.
fn granted(core: &Core, request: &Message) -> Option<u32> {
    let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let most = seconds(core.limits.max_expires);
    match request.expires().unwrap_or(most) {
        0 => Some(0),
        wanted if wanted < seconds(core.limits.min_expires) => None,
        wanted => Some(wanted.min(most)),
    }
}

fn too_brief(core: &mut Core, now: Time, server: ServerId, flow: Flow, request: &Message) {
    let fields = [(Name::MinExpires, core.limits.min_expires.as_secs().to_string())];
    core.refuse(now, server, flow, request, 423, &fields);
}

fn respond(
    core: &mut Core,
    now: Time,
    asked: Asked<'_>,
    tag: &str,
    status: u16,
    expires: u32,
    contact: &str,
) {
    let mut response = Response::to(asked.request, status).received(asked.flow.peer).to_tag(tag);
    if status == 200 {
        response = response
            .header(Name::Contact, format_args!("<{contact}>"))
            .header(Name::Expires, expires)
            .header(Name::AllowEvents, allow_events(&Package::ALL));
    }
    // A transaction that is gone wants no answer.
    let _ = core.layer.respond(now, asked.server, status, response.finish());
}

/// The way to a watcher: where its last SUBSCRIBE came from, or the connection that its phone registered instead.
fn way_to(core: &Core, subscription: &Subscription) -> Flow {
    let flow = subscription.flow;
    if flow.connection == 0 || core.locations.is_registered_on(flow) {
        return flow;
    }
    let bindings = core.locations.bindings(subscription.watcher);
    let same = bindings.iter().find(|binding| *binding.contact == *subscription.dialog.target());
    same.map_or(flow, |binding| binding.flow)
}
