//! Calls that are fetched: from an orbit of the switch (lineUnpark), or from where they alert (linePickup, see `pickup`).
//!
//! The request completes when the outcome is known: with the answer, or as *nothing there*. So there is a call only if one was
//! fetched.

use crate::arranged::Fetch;
use crate::call::{Ask, Call, Placing, Wait};
use crate::core::Core;
use crate::dial;
use hookswitch_machine::Time;
use hookswitch_spi::{AddressId, AudioSource, CallId, CallState, LineId, OperationError, Outcome, Reason};
use std::time::Duration;

/// How long the switch may take to connect a call that is fetched.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// Whether a status means that no call is where one was to be fetched.
pub(crate) const fn is_nothing_there(status: u16) -> bool {
    matches!(status, 404 | 410 | 480 | 481 | 484 | 486 | 604)
}

impl Core {
    pub(crate) fn unpark(
        &mut self,
        now: Time,
        ask: &mut Ask,
        line_id: LineId,
        address: AddressId,
        orbit: &str,
    ) -> Result<CallId, OperationError> {
        let line = self.line(line_id).ok_or(OperationError::NoSuchLine(line_id))?;
        let profile = &line.account.profile;
        let uri = coded(&profile.unpark_prefix, orbit, &line.account.domain)?;
        self.fetch(now, ask, (line_id, address), uri, Reason::Unparked, orbit)
    }

    /// Calls what connects us with the call that is wanted.
    pub(crate) fn fetch(
        &mut self,
        now: Time,
        ask: &mut Ask,
        at: (LineId, AddressId),
        uri: String,
        reason: Reason,
        from: &str,
    ) -> Result<CallId, OperationError> {
        let id = self.new_fetch(now, at, reason, from)?;
        let placing = Placing { no_answer_after: Some(ANSWER), ..Placing::default() };
        if let Err(error) = self.place(now, id, uri, &placing) {
            self.forget(now, id);
            return Err(error);
        }
        self.wait(id, ask, Wait::Fetching);
        Ok(id)
    }

    /// A call that is to be fetched; nobody is called yet.
    pub(crate) fn new_fetch(
        &mut self,
        now: Time,
        (line_id, address): (LineId, AddressId),
        reason: Reason,
        from: &str,
    ) -> Result<CallId, OperationError> {
        let line = self.line(line_id).ok_or(OperationError::NoSuchLine(line_id))?;
        if address.0 >= line.addresses() {
            let addresses = line.addresses();
            return Err(OperationError::InvalidParameter(format!("the line has {addresses} addresses")));
        }
        self.can_make(line_id)?;
        let id = self.new_outgoing(now, line_id, address, AudioSource::Silence, Vec::new());
        if let Some(call) = self.calls.get_mut(id) {
            call.facts.reason = reason;
            call.extra().fetch = Some(Box::new(Fetch { from: from.into(), watch: None }));
        }
        Ok(id)
    }

    /// The switch has answered: there is a call.
    pub(crate) fn fetched(&mut self, id: CallId) {
        if self.complete_waiting(id, |wait| wait == Wait::Fetching, Ok(Outcome::Call(id))) {
            if let Some(call) = self.calls.get_mut(id) {
                call.embryo = false;
            }
            self.enter(id, CallState::Proceeding);
        }
    }

    /// There is none, or it cannot be had.
    pub(crate) fn not_fetched(&mut self, now: Time, id: CallId, error: OperationError) {
        self.complete_waiting(id, |wait| wait == Wait::Fetching, Err(error));
        self.forget(now, id);
    }

    /// A call is taken out of everything: what still waits for it is not wanted any more.
    pub(crate) fn stop_fetching(&mut self, now: Time, id: CallId) {
        let Some(extra) = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()) else { return };
        let (fetch, parking) = (extra.fetch.take(), extra.parking.take());
        for (_, timer) in std::mem::take(&mut extra.unsent) {
            self.timers.cancel(timer);
        }
        if let Some(watch) = fetch.and_then(|fetch| fetch.watch) {
            self.unwatch(now, watch);
        }
        if let Some(parking) = parking {
            self.stop_finding(now, *parking);
        }
    }
}

impl Call {
    /// From where it is fetched.
    pub(crate) fn fetch_from(&self) -> Option<String> {
        self.extra.as_ref()?.fetch.as_ref().map(|fetch| fetch.from.to_string())
    }
}

/// A Request-URI for an address with a feature code before its user part.
pub(crate) fn coded(code: &str, address: &str, domain: &str) -> Result<String, OperationError> {
    let uri = dial::request_uri(address, domain)?;
    if code.is_empty() {
        return Ok(uri);
    }
    let code = code.replace('#', "%23");
    match uri.split_once(':') {
        Some((scheme, rest)) => Ok(format!("{scheme}:{code}{rest}")),
        None => Ok(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_before_the_user() {
        for (code, address, uri) in [
            ("", "701", "sip:701@d"),
            ("*88", "701", "sip:*88701@d"),
            ("#*", "door", "sip:%23*door@d"),
            ("*8", "sip:door@example.org", "sip:*8door@example.org"),
        ] {
            assert_eq!(coded(code, address, "d").as_deref(), Ok(uri));
        }
        assert!(coded("*8", "a b", "d").is_err());
    }
}
