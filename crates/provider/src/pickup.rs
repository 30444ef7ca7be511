//! Taking a call that alerts elsewhere (linePickup): by the switch's feature code where it has one, else by an INVITE that takes the
//! place of the alerting dialog (RFC 3891), which is learnt by watching the station (RFC 4235).

use crate::arranged::Watched;
use crate::call::{Ask, Placing, Wait};
use crate::core::{Core, Timer};
use crate::dial;
use crate::fetching::{ANSWER, coded, is_nothing_there};
use crate::watching::dialogs;
use hookswitch_machine::Time;
use hookswitch_sip::event::{KnownDialogs, WatchedDialog};
use hookswitch_sip::message::{Message, Uri};
use hookswitch_sip::refer::Replaces;
use hookswitch_sip::subscription::{Cause, Report};
use hookswitch_spi::{AddressId, CallId, LineId, OperationError, Party, PickupFrom, Reason};
use std::time::Duration;

/// How long the switch may take to say what alerts at a station.
const NEWS: Duration = Duration::from_secs(10);

impl Core {
    pub(crate) fn pick_up(
        &mut self,
        now: Time,
        ask: &mut Ask,
        line_id: LineId,
        address: AddressId,
        from: &PickupFrom,
    ) -> Result<CallId, OperationError> {
        let line = self.line(line_id).ok_or(OperationError::NoSuchLine(line_id))?;
        let (profile, domain) = (&line.account.profile, &line.account.domain);
        let station = match from {
            PickupFrom::Address(station) => station.clone(),
            // What waits for ourselves alerts at our own address.
            PickupFrom::Waiting => line.uri(address),
            PickupFrom::Group(group) if group.is_empty() => {
                let uri = dial::request_uri(&profile.group_pickup_code, domain)?;
                return self.fetch(now, ask, (line_id, address), uri, Reason::PickedUp, "our group");
            }
            PickupFrom::Group(_) => {
                let text = "the switch picks up in our own group only: leave the group empty";
                return Err(OperationError::InvalidParameter(text.into()));
            }
        };
        if !profile.pickup_prefix.is_empty() {
            let uri = coded(&profile.pickup_prefix, &station, domain)?;
            return self.fetch(now, ask, (line_id, address), uri, Reason::PickedUp, &station);
        }
        let uri = dial::request_uri(&station, domain)?;
        let id = self.new_fetch(now, (line_id, address), Reason::PickedUp, &station)?;
        match self.watch(now, address, &uri, Watched::Station(line_id, id)) {
            Ok(watch) => {
                let timer = self.timers.set(now + NEWS, Timer::Fetch(id));
                if let Some(call) = self.calls.get_mut(id) {
                    call.timer = Some(timer);
                    if let Some(fetch) = call.extra().fetch.as_mut() {
                        fetch.watch = Some(watch);
                    }
                }
                self.wait(id, ask, Wait::Fetching);
                Ok(id)
            }
            Err(error) => {
                self.forget(now, id);
                Err(error)
            }
        }
    }

    /// The switch did not say in time what alerts at the station.
    pub(crate) fn fetch_due(&mut self, now: Time, id: CallId) {
        if let Some(call) = self.calls.get_mut(id) {
            call.timer = None;
            self.not_fetched(now, id, OperationError::TimedOut(NEWS));
        }
    }

    /// News of a station whose call is to be picked up.
    pub(crate) fn station_told(&mut self, now: Time, id: CallId, report: Report, message: Option<&Message>) {
        let Some(from) = self.calls.get(id).and_then(|call| call.fetch_from()) else { return };
        match report {
            Report::Notified { pending: true } => {}
            Report::Notified { pending: false } | Report::Interrupted { .. } => {
                let Some(info) = dialogs(message) else { return };
                let mut known = KnownDialogs::new();
                let whole = info.full;
                known.apply(info);
                match known.ringing().cloned() {
                    Some(dialog) => self.take_over(now, id, &dialog),
                    None if whole => self.not_fetched(now, id, OperationError::NothingThere(from)),
                    None => {}
                }
            }
            Report::Ended(cause) => {
                let error = match cause {
                    Cause::Refused(status) if is_nothing_there(status) => OperationError::NothingThere(from),
                    Cause::Refused(status) => {
                        let reason = hookswitch_sip::message::reason_phrase(status).to_owned();
                        OperationError::Refused { status, reason }
                    }
                    other => OperationError::Failed(format!("the station cannot be watched: {other}")),
                };
                self.not_fetched(now, id, error);
            }
        }
    }

    /// Calls the caller of an alerting call in the place of the station.
    fn take_over(&mut self, now: Time, id: CallId, dialog: &WatchedDialog) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let timer = call.timer.take();
        let watch = call.extra().fetch.as_mut().and_then(|fetch| fetch.watch.take());
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        if let Some(watch) = watch {
            self.unwatch(now, watch);
        }
        let remote = &dialog.remote;
        let target = remote.target.as_deref().or(remote.identity.as_deref()).and_then(callable);
        let (Some(replaces), Some(uri)) = (Replaces::of_watched(dialog), target) else {
            let text = "the switch does not say enough about the call to pick it up";
            return self.not_fetched(now, id, OperationError::Failed(text.into()));
        };
        let fields = format!("Replaces: {}\r\nRequire: replaces\r\n", replaces.early_only());
        let placing = Placing { no_answer_after: Some(ANSWER), fields, ..Placing::default() };
        if let Err(error) = self.place(now, id, uri, &placing) {
            return self.not_fetched(now, id, error);
        }
        if let (Some(call), Some(identity)) = (self.calls.get_mut(id), remote.identity.as_deref()) {
            let name = remote.display.as_deref().unwrap_or_default();
            call.facts.connected = Party::known(identity, name);
        }
    }
}

/// A SIP URI that somebody else told, without the header fields in it: they would be another's words in our INVITE.
fn callable(uri: &str) -> Option<String> {
    let uri = uri.split('?').next()?;
    let fits = !uri.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    let sip = Uri::parse(uri).is_ok_and(|uri| uri.is_sip() && uri.host().is_some());
    (fits && sip && uri.len() <= 512).then(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_sip_uris_are_called() {
        assert_eq!(callable("sip:a@b:5060;x=y?Subject=z").as_deref(), Some("sip:a@b:5060;x=y"));
        for none in ["tel:+1", "sip:a@b>\r\nX: y", "mailto:a@b", "", "sip:"] {
            assert_eq!(callable(none), None, "{none}");
        }
    }
}
