//! The media threads and everything that streams need of the system: sockets, files, live rings.
//!
//! [`Media`] takes [`Command`](hookswitch_media::control::Command)s and reports
//! [`Event`](hookswitch_media::control::Event)s; it never blocks its caller. Behind it stand a few threads that share
//! nothing but messages: each media thread (`worker.rs`) owns its streams and mixes and turns every few milliseconds, a stock keeper
//! (`stock.rs`) binds ports ahead of need and lets used ones rest, a reader loads WAV files and a writer records them
//! (`reader.rs`, `writer.rs`). Applications meet a live stream at a pair of rings ([`LivePcm`]). The null device
//! (`null.rs`) answers every command and does nothing, so that signalling can be measured alone.

#[cfg(target_os = "linux")]
mod batch;
#[cfg(not(target_os = "linux"))]
#[path = "batch_portable.rs"]
mod batch;
mod config;
mod leg;
mod live;
mod mixes;
mod null;
mod reader;
mod ring;
mod routes;
mod service;
mod sink;
mod stock;
mod worker;
mod writer;

pub use config::MediaConfig;
pub use live::{LiveError, LivePcm, LiveRegistry};
pub use service::{Media, MediaError, Unfinished};
pub use sink::EventSink;
