//! Transfer (RFC 3515, RFC 3891, RFC 3892, RFC 3911, RFC 4488, RFC 5589): what REFER says, and both ends of the subscription it implies.
//!
//! [`ReferTo`], [`ReferredBy`], [`Replaces`] and [`Join`] are header values; [`StatusLine`] is the `message/sipfrag` that tells how far a transfer
//! has come, [`SubscriptionState`] and [`event_id`] what stands around it in a NOTIFY. [`Subscriber`] is the machine of the one who
//! sent a REFER: it ends with what really happened, or with why that is unknown. [`Notifier`] is the machine of the one who got it.
//!
//! Reading order: `replaces`, `join`, `refer_to`, `notify` (header values and sipfrag), `subscriber`, `notifier`.

mod join;
mod notifier;
mod notify;
mod refer_to;
mod replaces;
mod subscriber;

pub use crate::event::SubscriptionState;
pub use join::Join;
pub use notifier::{Notifier, NotifierInput, NotifierOutput, Notify};
pub use notify::{SIPFRAG, StatusLine, event_id};
pub use refer_to::{ReferError, ReferTo, ReferredBy};
pub use replaces::{Replaces, ReplacesError};
pub use subscriber::{Deadlines, Outcome, Reaction, Report, Subscriber, SubscriberInput, Why};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::lex::broken;
    use hookswitch_machine::Entropy;

    #[test]
    fn broken_headers_are_refused_or_written_as_they_were_read() {
        let mut entropy = Entropy::from_number(7);
        for value in broken("c@h;to-tag=1;from-tag=2;early-only", &mut entropy) {
            if let Ok(replaces) = Replaces::parse(&value) {
                assert_eq!(Replaces::parse(&replaces.to_string()), Ok(replaces), "{value:?}");
            }
        }
        let sample = "\"B\" <sip:b@b.com;x=%41?Replaces=c%40h%3Bto-tag%3D1%3Bfrom-tag%3D2&X=y>";
        for value in broken(sample, &mut entropy) {
            // Control characters in a name are not written back.
            if let Ok(refer_to) = ReferTo::parse(&value)
                && !value.contains(char::is_control)
            {
                assert_eq!(ReferTo::parse(&refer_to.to_string()), Ok(refer_to), "{value:?}");
            }
        }
        for value in broken("\"R\" <sip:r@r.com;x=y?a=b>;cid=\"1@r\"", &mut entropy) {
            if let Ok(referred_by) = ReferredBy::parse(&value)
                && !value.contains(char::is_control)
            {
                assert_eq!(ReferredBy::parse(&referred_by.to_string()), Ok(referred_by), "{value:?}");
            }
        }
        for value in broken("SIP/2.0 200 OK\r\nTo: x\r\n", &mut entropy) {
            if let Some(line) = StatusLine::parse(value.as_bytes()) {
                assert!((100..700).contains(&line.status));
            }
        }
        for value in broken("terminated;reason=noresource;expires=5;id=7", &mut entropy) {
            let _ = (SubscriptionState::parse(&value).to_string(), event_id(&value));
        }
    }
}
