//! Virtual time, virtual network, virtual phones, and the loopback provider.
