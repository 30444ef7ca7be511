//! Virtual time, virtual network, virtual phones, and the loopback provider.
#![forbid(unsafe_code)]

pub mod loopback;
