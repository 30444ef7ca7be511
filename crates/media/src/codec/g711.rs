//! G.711 µ-law and A-law, one sample at a time.

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

/// The sample of a µ-law octet.
#[inline]
pub(super) fn decode_pcmu(octet: u8) -> i16 {
    decode_ulaw(octet)
}

/// The sample of an A-law octet (even bits inverted, as on the wire).
#[inline]
pub(super) fn decode_pcma(octet: u8) -> i16 {
    decode_alaw(octet)
}

/// The µ-law octet nearest to a sample.
#[inline]
pub(super) fn encode_pcmu(sample: i16) -> u8 {
    encode_ulaw(sample)
}

/// The A-law octet nearest to a sample.
#[inline]
pub(super) fn encode_pcma(sample: i16) -> u8 {
    encode_alaw(sample)
}
