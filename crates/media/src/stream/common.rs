//! Payloads that several members of a mix are sent: encoded once.

use crate::codec::Codec;

/// The payloads of one moment. Their memory is used again at the next.
#[derive(Debug, Default)]
pub(super) struct CommonPayloads {
    payloads: Vec<(Codec, usize, Vec<u8>)>,
    used: usize,
}

impl CommonPayloads {
    /// The next moment: nothing is encoded yet.
    pub(super) const fn clear(&mut self) {
        self.used = 0;
    }

    /// Fills `payload` with the samples that everybody hears at this moment, `samples` long.
    pub(super) fn encode(&mut self, codec: Codec, samples: &[i16], payload: &mut [u8]) {
        let known = self.payloads.get(..self.used).unwrap_or_default();
        if let Some((.., known)) =
            known.iter().find(|(its, length, _)| (*its, *length) == (codec, samples.len()))
        {
            payload.iter_mut().zip(known).for_each(|(slot, octet)| *slot = *octet);
            return;
        }
        codec.encode_into(samples, payload);
        if self.used == self.payloads.len() {
            self.payloads.push((codec, samples.len(), Vec::with_capacity(payload.len())));
        }
        if let Some((its, length, kept)) = self.payloads.get_mut(self.used) {
            (*its, *length) = (codec, samples.len());
            kept.clear();
            kept.extend_from_slice(payload);
            self.used += 1;
        }
    }

    /// How many different payloads this moment has.
    #[cfg(test)]
    pub(super) const fn used(&self) -> usize {
        self.used
    }
}
