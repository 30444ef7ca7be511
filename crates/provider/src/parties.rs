//! Who calls whom: from the neutral identities of the SIP layer to those of the interface (spec 2.7, 2.8).

use hookswitch_sip::cause::{self, DiversionReason};
use hookswitch_spi::{Party, Presentation, Reason};

/// A party as applications see it.
pub(crate) fn party(from: cause::Party) -> Party {
    let presentation = match from.presentation {
        cause::Presentation::Allowed if from.address.is_some() => Presentation::Known,
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

/// Why an incoming call is here, and who diverted it.
pub(crate) fn reason(redirecting: Option<cause::Redirection>, referred: bool) -> (Reason, Party) {
    match redirecting {
        Some(redirection) => {
            let reason = match redirection.reason {
                DiversionReason::Unconditional => Reason::ForwardedUnconditional,
                DiversionReason::Busy => Reason::ForwardedBusy,
                DiversionReason::NoAnswer => Reason::ForwardedNoAnswer,
                _ => Reason::Redirected,
            };
            (reason, party(redirection.party))
        }
        None if referred => (Reason::Transferred, Party::default()),
        None => (Reason::Direct, Party::default()),
    }
}
