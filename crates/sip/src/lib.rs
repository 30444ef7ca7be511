//! SIP without I/O: messages, transactions, dialogs, authentication, registration, subscriptions and events, transfer, session timers.
#![forbid(unsafe_code)]

pub mod auth;
pub mod cause;
pub mod compat;
pub mod dialog;
pub mod event;
pub mod headers;
pub mod message;
pub mod refer;
pub mod registration;
pub mod session_timer;
pub mod subscription;
pub mod transaction;
pub mod ua;
