//! What the provider subscribes to at the switch (RFC 6665), and what the switch tells without being asked.

use crate::arranged::Watched;
use crate::core::Core;
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::event::{DIALOG_INFO, DialogInfo, Event, MESSAGE_SUMMARY};
use hookswitch_sip::message::{Message, Method, Name};
use hookswitch_sip::subscription::{Policy, Report};
use hookswitch_sip::transaction::ServerId;
use hookswitch_sip::ua::{LegError, SubscriptionId, Watch};
use hookswitch_spi::{AddressId, LineId, OperationError};

impl Core {
    /// Subscribes to what happens at a URI of the switch. News come until [`unwatch`](Self::unwatch).
    pub(crate) fn watch(
        &mut self,
        now: Time,
        address: AddressId,
        uri: &str,
        what: Watched,
    ) -> Result<SubscriptionId, OperationError> {
        let line = self.line(what.line()).ok_or(OperationError::Closed)?;
        let flow = line.flow().ok_or_else(|| OperationError::OutOfService("no path to the switch".into()))?;
        let (from, to) = (format!("<{}>", line.uri(address)), format!("<{uri}>"));
        let (event, accept) = what.package();
        let watch = Watch {
            flow,
            account: Some(line.credentials),
            uri,
            from: &from,
            to: &to,
            contact: self.contact_of(what.line()),
            event,
            accept,
            fields: "",
            policy: Policy::default(),
        };
        let id = self.ua.subscribe(now, &mut self.layer, &watch).map_err(|error| match error {
            LegError::Full => OperationError::ResourceUnavailable("subscription"),
            _ => OperationError::Failed("the subscription could not be sent".into()),
        })?;
        self.watches.insert(id, what);
        Ok(id)
    }

    /// Nothing more is to be heard of this.
    pub(crate) fn unwatch(&mut self, now: Time, id: SubscriptionId) {
        if self.watches.remove(&id).is_some() {
            // Gone already: then nothing is left to be ended.
            let _ = self.ua.unsubscribe(now, &mut self.layer, id);
        }
    }

    /// The path to the switch, or our own address, may be another one: what is subscribed to follows.
    pub(crate) fn move_watches(&mut self, line: LineId) {
        let Some(flow) = self.line(line).and_then(|line| line.flow()) else { return };
        let contact = self.contact_of(line);
        for id in self.watches.iter().filter(|(_, what)| what.line() == line).map(|(id, _)| *id) {
            let _ = self.ua.move_subscription(id, flow, std::sync::Arc::clone(&contact));
        }
    }

    /// A line is closed: everything it subscribed to ends.
    pub(crate) fn end_watches(&mut self, now: Time, line: LineId) {
        self.end_callbacks(now, line);
        let of_line = |what: &Watched| what.line() == line;
        let all: Vec<_> = self.watches.iter().filter(|(_, w)| of_line(w)).map(|(id, _)| *id).collect();
        for id in all {
            self.unwatch(now, id);
        }
        self.mailbox_unwatched(line);
    }

    /// News of a subscription.
    pub(crate) fn watched(
        &mut self,
        now: Time,
        id: SubscriptionId,
        report: Report,
        message: Option<&Message>,
    ) {
        let Some(what) = self.watches.get(&id).copied() else { return };
        if matches!(report, Report::Ended(_)) {
            self.watches.remove(&id);
        }
        let message = message.filter(|message| message.method() == Method::Notify && message.is_request());
        match what {
            Watched::Mailbox(line) => self.mailbox_told(line, report, message),
            Watched::Callee(_, completion) => self.callee_told(now, completion, id, report, message),
            Watched::Station(_, call) => self.station_told(now, call, report, message),
        }
    }

    /// A request outside any session and subscription: the switch may tell what waits for a line's user.
    pub(crate) fn asked_outside(&mut self, now: Time, server: ServerId, flow: Flow, message: &Message) {
        let status = self.take_unsolicited(flow, message);
        let fields = match status {
            405 => format!("Allow: {}\r\n", self.ua.allow()),
            489 => format!("Allow-Events: {MESSAGE_SUMMARY}\r\n"),
            _ => String::new(),
        };
        self.ua.respond(now, &mut self.layer, server, flow, message, status, format_args!("{fields}"));
    }

    fn take_unsolicited(&mut self, flow: Flow, message: &Message) -> u16 {
        if message.method() != Method::Notify {
            return 405;
        }
        let package = message.header(Name::Event).and_then(Event::parse).map(|event| event.package);
        if !package.is_some_and(|package| package.eq_ignore_ascii_case(MESSAGE_SUMMARY)) {
            return 489;
        }
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        let lines = self.lines.iter().enumerate();
        let found =
            lines.filter_map(|(n, line)| Some((LineId(n as u32), line.as_ref()?))).find(|(_, line)| {
                line.is_switch(flow.peer.ip()) && (*line.token == *user || line.address_of(&user).is_some())
            });
        match found.map(|(id, _)| id) {
            Some(line) => {
                self.mailbox_news(line, message);
                200
            }
            None => 481,
        }
    }
}

/// The dialogs that a NOTIFY tells of, if it holds any and they can be read.
pub(crate) fn dialogs(message: Option<&Message>) -> Option<DialogInfo> {
    let message = message.filter(|message| message.content_type_is(DIALOG_INFO))?;
    DialogInfo::parse(message.body()).ok()
}
