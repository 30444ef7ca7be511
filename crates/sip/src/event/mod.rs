//! What SUBSCRIBE and NOTIFY carry (RFC 6665): headers and the bodies of two event packages.
//!
//! [`Event`] names a package, [`SubscriptionState`] says how a subscription stands. [`MessageSummary`] is the body of package
//! `message-summary` (RFC 3842): the message waiting lamp. [`DialogInfo`] is that of package `dialog` (RFC 4235): who talks and who
//! rings; [`KnownDialogs`] keeps what a series of them adds up to, for busy lamps, pickup and call completion.
//!
//! Bodies come from the network: everything is bounded, and XML is read without document types and entities of its own.
//!
//! Reading order: `package`, `state` (headers), `message_summary`, `dialog_info`, `xml` (how it is read), `known`.

mod dialog_info;
mod known;
mod message_summary;
mod package;
mod state;
mod xml;

pub use dialog_info::{
    DialogEvent, DialogInfo, DialogInfoError, DialogState, Direction, Participant, WatchedDialog,
};
pub use known::{Applied, KnownDialogs};
pub use message_summary::{Counts, MessageClass, MessageSummary, SummaryError};
pub use package::{DIALOG, DIALOG_INFO, Event, MESSAGE_SUMMARY, SIMPLE_MESSAGE_SUMMARY, allow_events};
pub use state::{EndReason, SubscriptionState};
pub use xml::XmlError;

#[cfg(test)]
mod tests;
