//! SIP without I/O: messages, transactions, dialogs, authentication, registration.
#![forbid(unsafe_code)]

pub mod message;
pub mod transaction;
