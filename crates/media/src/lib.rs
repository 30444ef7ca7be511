//! Media without I/O: SDP offer and answer, RTP, RTCP, codecs, digits, jitter buffer, tones.
#![forbid(unsafe_code)]

pub mod audio;
pub mod codec;
pub mod control;
pub mod negotiate;
pub mod quality;
pub mod sdp;
