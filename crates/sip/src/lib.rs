//! SIP without I/O: messages, transactions, dialogs, authentication, registration.

pub mod auth;
pub mod cause;
pub mod registration;
