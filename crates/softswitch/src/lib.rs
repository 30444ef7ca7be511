//! The embedded softswitch: registrar, forking proxy, echo, tone and music services.
#![forbid(unsafe_code)]

mod config;

pub use config::{Account, Config};
