//! Live audio: an application's frames in and out of a call, through a pair of rings that never block a media thread.

use super::ring::Ring;
use dashmap::DashMap;
use hookswitch_media::audio::convert;
use hookswitch_media::control::LiveId;
use hookswitch_media::stream::LiveAudio;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Samples that each ring holds: 512 ms at 8 kHz, half of that at 16 kHz.
const CAPACITY: usize = 4_096;
/// The longest frame exchanged at once, at 16 kHz.
const LONGEST: usize = 960;

/// Why live audio could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// Only two rates are known.
    #[error("live audio is 8000 or 16000 samples per second, not {0}")]
    Rate(u32),
}

type Wake = Box<dyn Fn() + Send + Sync>;

struct Shared {
    rate: u32,
    heard: Ring,
    spoken: Ring,
    wake: OnceLock<Wake>,
    /// A stream uses the rings.
    attached: AtomicBool,
    /// Heard samples that the application did not read in time.
    dropped: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// The live audio that applications have opened; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LiveRegistry {
    open: Arc<DashMap<LiveId, Arc<Shared>>>,
    last: Arc<AtomicU64>,
}

impl LiveRegistry {
    /// Opens live audio at `rate` samples per second (8,000 or 16,000; streams of the other rate are converted). It stays open
    /// until the [`LivePcm`] is dropped.
    ///
    /// # Errors
    /// [`LiveError::Rate`] for another rate.
    pub fn open(&self, rate: u32) -> Result<LivePcm, LiveError> {
        if !matches!(rate, 8_000 | 16_000) {
            return Err(LiveError::Rate(rate));
        }
        let id = LiveId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let shared = Arc::new(Shared {
            rate,
            heard: Ring::new(CAPACITY),
            spoken: Ring::new(CAPACITY),
            wake: OnceLock::new(),
            attached: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        });
        self.open.insert(id, shared.clone());
        Ok(LivePcm { id, shared, registry: self.clone() })
    }

    /// The media thread's end; `None` if nobody opened it, or a stream uses it.
    pub(super) fn attach(&self, id: LiveId) -> Option<Box<dyn LiveAudio>> {
        let shared = self.open.get(&id)?.clone();
        if shared.attached.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Box::new(LiveEnd { shared }))
    }
}

/// The application's end of a pair of rings. Name it in [`Source::Live`](hookswitch_media::control::Source::Live) by its
/// [`id`](Self::id); dropping it closes the rings, and the stream sends silence.
#[derive(Debug)]
pub struct LivePcm {
    id: LiveId,
    shared: Arc<Shared>,
    registry: LiveRegistry,
}

impl LivePcm {
    /// Its name.
    pub const fn id(&self) -> LiveId {
        self.id
    }

    /// Samples per second, both ways.
    pub fn rate(&self) -> u32 {
        self.shared.rate
    }

    /// Whether a stream uses it now.
    pub fn is_attached(&self) -> bool {
        self.shared.attached.load(Ordering::Acquire)
    }

    /// Takes what was heard into the front of `samples` and says how many that were; 0 if nothing is there.
    pub fn read_frame(&mut self, samples: &mut [i16]) -> usize {
        let mut slots = samples.iter_mut();
        self.shared.heard.pop(slots.len(), |cell| {
            if let Some(slot) = slots.next() {
                *slot = cell as u16 as i16;
            }
        })
    }

    /// Gives samples to be sent and says how many were taken: fewer than given if the ring is full.
    pub fn write_frame(&mut self, samples: &[i16]) -> usize {
        self.shared.spoken.push(samples.iter().map(|sample| u32::from(*sample as u16)))
    }

    /// How many heard samples can be read.
    pub fn readable(&self) -> usize {
        self.shared.heard.len()
    }

    /// How many samples can be written.
    pub fn writable(&self) -> usize {
        self.shared.spoken.room()
    }

    /// Heard samples that were lost because they were not read in time.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Calls `wake` after every frame, on the media thread: it must only wake somebody. False if that was set before.
    pub fn on_frame(&self, wake: impl Fn() + Send + Sync + 'static) -> bool {
        self.shared.wake.set(Box::new(wake)).is_ok()
    }
}

impl Drop for LivePcm {
    fn drop(&mut self) {
        self.registry.open.remove(&self.id);
    }
}

#[derive(Debug)]
struct LiveEnd {
    shared: Arc<Shared>,
}

impl LiveAudio for LiveEnd {
    fn exchange(&mut self, rate: u32, received: &[i16], sent: &mut [i16]) {
        let shared = &self.shared;
        let mut frame = [0i16; LONGEST];
        let (heard, spoken) = match (rate, shared.rate) {
            (8_000, 16_000) => (2 * received.len(), 2 * sent.len()),
            (16_000, 8_000) => (received.len() / 2, sent.len() / 2),
            (_, _) => (received.len(), sent.len()),
        };
        if let Some(frame) = frame.get_mut(..heard) {
            convert(received, frame);
            let taken = shared.heard.push(frame.iter().map(|sample| u32::from(*sample as u16)));
            shared.dropped.fetch_add((heard - taken) as u64, Ordering::Relaxed);
        }
        if let Some(frame) = frame.get_mut(..spoken) {
            frame.fill(0);
            let mut slots = frame.iter_mut();
            shared.spoken.pop(spoken, |cell| {
                if let Some(slot) = slots.next() {
                    *slot = cell as u16 as i16;
                }
            });
            convert(frame, sent);
        }
        if let Some(wake) = shared.wake.get() {
            wake();
        }
    }
}

impl Drop for LiveEnd {
    fn drop(&mut self) {
        self.shared.attached.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn frames_cross_and_the_application_is_woken() {
        let registry = LiveRegistry::default();
        let mut live = registry.open(8_000).unwrap();
        let woken = Arc::new(AtomicU32::new(0));
        let counter = woken.clone();
        live.on_frame(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let mut end = registry.attach(live.id()).unwrap();
        assert!(live.is_attached() && registry.attach(live.id()).is_none());
        assert_eq!(live.write_frame(&[5; 100]), 100);
        let mut sent = [9; 160];
        end.exchange(8_000, &[7; 160], &mut sent);
        assert_eq!((sent[99], sent[100]), (5, 0));
        let mut heard = [0; 320];
        assert_eq!(live.read_frame(&mut heard), 160);
        assert_eq!((heard[159], woken.load(Ordering::Relaxed)), (7, 1));
        drop(end);
        assert!(!live.is_attached());
    }

    #[test]
    fn rates_are_converted_and_a_slow_reader_loses_only_its_own() {
        let registry = LiveRegistry::default();
        assert_eq!(registry.open(44_100).unwrap_err(), LiveError::Rate(44_100));
        let mut live = registry.open(16_000).unwrap();
        let mut end = registry.attach(live.id()).unwrap();
        live.write_frame(&[6; 320]);
        let mut sent = [0; 160];
        for _ in 0..20 {
            end.exchange(8_000, &[7; 160], &mut sent);
        }
        assert_eq!(live.readable(), CAPACITY);
        assert_eq!(live.dropped(), 20 * 320 - CAPACITY as u64);
        let mut heard = [0; 640];
        assert_eq!(live.read_frame(&mut heard), 640);
        assert!(heard.iter().all(|s| *s == 7));
        drop(live);
        assert!(registry.open.is_empty());
    }
}
