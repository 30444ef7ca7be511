//! Who calls whom: from the neutral identities of the SIP layer to those of the interface (spec 2.7, 2.8).

use crate::core::Core;
use crate::line::Line;
use hookswitch_sip::cause::{self, DiversionReason, Trust};
use hookswitch_sip::message::{Message, Name, Uri};
use hookswitch_spi::{AddressId, CallId, CallerKind, InfoParts, LineId, Origin, Party, Presentation, Reason};

/// A party as applications see it. `may_come`: what is not known may still be told.
pub(crate) fn party(from: cause::Party, may_come: bool) -> Party {
    let presentation = match from.presentation {
        cause::Presentation::Allowed if from.address.is_some() => Presentation::Known,
        cause::Presentation::Allowed | cause::Presentation::Unknown if may_come => Presentation::Unknown,
        cause::Presentation::Allowed => Presentation::Unavailable,
        cause::Presentation::Blocked => Presentation::Blocked,
        cause::Presentation::OutOfArea => Presentation::OutOfArea,
        cause::Presentation::Unknown => Presentation::Unavailable,
    };
    Party {
        address: from.address.unwrap_or_default().into(),
        name: from.name.unwrap_or_default().into(),
        presentation,
    }
}

/// Who was called. A switch that puts our Contact in the To says no more than which line it is: that one's address, then.
pub(crate) fn called(line: &Line, address: AddressId, told: Party) -> Party {
    let ours = Uri::parse(&told.address).ok().and_then(|uri| Some(*uri.user_unescaped()? == *line.token));
    match ours {
        Some(true) => Party::known(line.uri(address), ""),
        Some(false) | None => told,
    }
}

/// Why an incoming call is here, and who diverted it.
pub(crate) fn reason(
    redirecting: Option<cause::Redirection>,
    referred: bool,
    may_come: bool,
) -> (Reason, Party) {
    match redirecting {
        Some(redirection) => {
            let reason = match redirection.reason {
                DiversionReason::Unconditional => Reason::ForwardedUnconditional,
                DiversionReason::Busy => Reason::ForwardedBusy,
                DiversionReason::NoAnswer => Reason::ForwardedNoAnswer,
                _ => Reason::Redirected,
            };
            (reason, party(redirection.party, may_come))
        }
        None if referred => (Reason::Transferred, Party::default()),
        None => (Reason::Direct, Party::default()),
    }
}

/// Whether a call is a parked one that comes back to who parked it (`urn:alert:service:recall`, RFC 7462).
pub(crate) fn is_recall(message: &Message, reason: Reason) -> bool {
    let says = |value: &str| value.to_ascii_lowercase().contains("urn:alert:service:recall");
    // A switch that was asked to park by REFER may go on saying who asked.
    matches!(reason, Reason::Direct | Reason::Transferred)
        && message.headers(Name::AlertInfo).take(4).any(says)
}

/// Where a caller belongs, by the host of its address: to the line's own domain, or elsewhere. One that is not known is external.
pub(crate) fn kind(line: &Line, caller: &str) -> CallerKind {
    let own = Uri::parse(caller)
        .ok()
        .is_some_and(|uri| uri.host().is_some_and(|host| line.account.is_own_domain(&host, uri.port())));
    if own { CallerKind::Internal } else { CallerKind::External }
}

impl Core {
    /// From where a call comes: within the domain, elsewhere, or simply from outside where its caller is not shown.
    pub(crate) fn origin_of(&self, line: LineId, caller: &str) -> Origin {
        match self.line(line) {
            Some(line) if !caller.is_empty() => match kind(line, caller) {
                CallerKind::Internal => Origin::Internal,
                CallerKind::External => Origin::External,
            },
            Some(_) | None => Origin::Inbound,
        }
    }

    /// An UPDATE came that the agent has answered: if it is of the present session, what it says of its sender counts.
    pub(crate) fn identified(&mut self, id: CallId, message: &Message) {
        let leg = self.calls.get(id).and_then(|call| call.leg);
        let of_session = leg.is_some_and(|leg| {
            self.ua.dialogs(leg).any(|dialog| {
                dialog.call_id() == message.call_id()
                    && Some(dialog.remote_tag()) == message.from_tag()
                    && Some(dialog.local_tag()) == message.to_tag()
            })
        });
        if of_session {
            self.note_party(id, message);
            self.note_session(id, message);
            self.note_user_info(id, message);
        }
    }

    /// A re-INVITE or UPDATE says who the other side is (RFC 4916): it may have been transferred, or the caller's name comes late.
    pub(crate) fn note_party(&mut self, id: CallId, message: &Message) {
        let Some(call) = self.calls.get(id) else { return };
        let trust = match self.line(call.line) {
            Some(line) if line.account.profile.trust_identity => Trust::Trusted,
            Some(_) | None => return,
        };
        let Some(other) = cause::connected(message, trust).map(|other| party(other, true)) else { return };
        let Some(call) = self.calls.get_mut(id).filter(|call| call.facts.connected != other) else { return };
        let mut changed = InfoParts::CONNECTED;
        let caller_was_open = call.facts.caller.presentation == Presentation::Unknown;
        if call.origin != Origin::Outbound && caller_was_open {
            call.facts.caller = other.clone();
            changed = changed.union(InfoParts::CALLER);
        }
        call.facts.connected = other;
        self.changed(id, changed);
    }
}
