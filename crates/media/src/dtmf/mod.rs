//! Digits as telephone events (RFC 4733): each pressed key arrives once, whatever the network does to its packets.
//!
//! [`TelephoneEvent`] is the payload of four octets, [`DigitReceiver`] makes one report of the many packets of a digit, and
//! [`DigitSender`] plays a string of digits. [`InBandDigits`] hears the tones of those who send no events.

mod event;
mod in_band;
mod receive;
mod send;

pub use event::{TelephoneEvent, digit_of_event, event_of_digit};
pub use in_band::InBandDigits;
pub use receive::{DigitChange, DigitReceiver, ReceivedDigit};
pub use send::{DigitSender, DigitStep};
