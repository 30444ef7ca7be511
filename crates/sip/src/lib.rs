//! SIP without I/O: messages, transactions, dialogs, authentication, registration.

pub mod transaction;
