//! Media without I/O: SDP offer and answer, RTP, RTCP, codecs, digits, jitter buffer, tones.
#![forbid(unsafe_code)]

pub mod audio;
pub mod codec;
pub mod control;
pub mod dtmf;
pub mod jitter;
pub mod negotiate;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod stream;
