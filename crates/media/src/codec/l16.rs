//! L16 (RFC 3551 4.5.11): 16 bit linear samples in network order.

/// The samples of a payload; an odd octet at its end is dropped.
pub(super) fn decode(payload: &[u8]) -> impl Iterator<Item = i16> {
    payload.chunks_exact(2).map(|pair| match pair {
        [high, low] => i16::from_be_bytes([*high, *low]),
        _ => 0,
    })
}

/// Appends the payload of `samples`.
pub(super) fn encode(samples: &[i16], payload: &mut Vec<u8>) {
    payload.reserve(samples.len() * 2);
    for sample in samples {
        payload.extend_from_slice(&sample.to_be_bytes());
    }
}

/// Fills the front of `payload`, whole samples only.
pub(super) fn encode_into(samples: &[i16], payload: &mut [u8]) {
    for (pair, sample) in payload.chunks_exact_mut(2).zip(samples) {
        pair.copy_from_slice(&sample.to_be_bytes());
    }
}
