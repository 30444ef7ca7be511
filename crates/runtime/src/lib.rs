//! The only crate with sockets, threads, clocks and entropy: transports, DNS, media threads, files.
