//! A SIP telephony service provider: lines, calls, owners, hand-off.
#![forbid(unsafe_code)]
// Above the sans-IO line: this crate reads files and keeps the clock of its callers.
#![allow(clippy::disallowed_methods)]

pub mod config;
