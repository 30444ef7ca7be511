//! The lamp that says that messages wait for a line's user (RFC 3842; LINEDEVSTATE_MSGWAITON, MSGWAITOFF): told when it goes on
//! and when it goes out, and kept whatever happens to the subscription.

use crate::arranged::Watched;
use crate::core::Core;
use crate::line::Mailbox;
use crate::profile::MessageWaiting;
use hookswitch_machine::Time;
use hookswitch_sip::event::{MessageClass, MessageSummary, SIMPLE_MESSAGE_SUMMARY};
use hookswitch_sip::message::Message;
use hookswitch_sip::subscription::Report;
use hookswitch_spi::{AddressId, LineId, ProviderEvent, StatusKind};

impl Core {
    /// A line is registered, again or for the first time.
    pub(crate) fn in_service(&mut self, now: Time, id: LineId) {
        self.move_watches(id);
        let Some(line) = self.line(id) else { return };
        if line.account.profile.message_waiting != MessageWaiting::Subscribe {
            return;
        }
        match line.open.as_ref().map(|open| open.mailbox) {
            Some(Mailbox::Unwatched) => {
                let uri = line.uri(AddressId(0));
                // If there is no room now, there may be with the next registration.
                if let Ok(watch) = self.watch(now, AddressId(0), &uri, Watched::Mailbox(id)) {
                    self.set_mailbox(id, Mailbox::Watched(watch));
                }
            }
            // It may have failed because we were not registered.
            Some(Mailbox::Watched(watch)) => {
                let _ = self.ua.retry_subscription(now, &mut self.layer, watch);
            }
            Some(Mailbox::Refused) | None => {}
        }
    }

    fn set_mailbox(&mut self, id: LineId, mailbox: Mailbox) {
        if let Some(open) = self.line_mut(id).and_then(|line| line.open.as_mut()) {
            open.mailbox = mailbox;
        }
    }

    pub(crate) fn mailbox_unwatched(&mut self, id: LineId) {
        self.set_mailbox(id, Mailbox::Unwatched);
    }

    /// News of the subscription. An interruption says nothing about messages: the lamp stays as it is.
    pub(crate) fn mailbox_told(&mut self, id: LineId, report: Report, message: Option<&Message>) {
        if matches!(report, Report::Ended(_)) {
            self.set_mailbox(id, Mailbox::Refused);
        }
        if let Some(message) = message {
            self.mailbox_news(id, message);
        }
    }

    /// What the switch says of a line's mailbox.
    pub(crate) fn mailbox_news(&mut self, id: LineId, message: &Message) {
        if message.body().is_empty() || !message.content_type_is(SIMPLE_MESSAGE_SUMMARY) {
            return;
        }
        let Ok(summary) = MessageSummary::parse(message.body()) else { return };
        let closing = self.closing.contains(&id);
        let Some(line) = self.line_mut(id) else { return };
        if line.account.profile.message_waiting == MessageWaiting::No
            || line.message_waiting == summary.waiting
        {
            return;
        }
        line.message_waiting = summary.waiting;
        let counts = MessageClass::ALL.into_iter().filter_map(|class| summary.counts(class));
        let (new, old) = counts.fold((0_u32, 0_u32), |(new, old), counts| {
            (new.saturating_add(counts.new), old.saturating_add(counts.old))
        });
        if line.open.is_some() && !closing && line.wants(StatusKind::MessageWaiting) {
            let waiting = summary.waiting;
            self.events.push_back(ProviderEvent::MessageWaiting { line: id, waiting, new, old });
        }
    }
}
