//! Plays samples that are shared by every call that plays them.

use std::sync::Arc;

/// Plays samples once or in a loop.
#[derive(Clone, Debug)]
pub struct Playback {
    samples: Arc<[i16]>,
    position: usize,
    repeat: bool,
}

impl Playback {
    /// Plays from the beginning; with `repeat`, again and again.
    pub fn new(samples: Arc<[i16]>, repeat: bool) -> Self {
        Self { samples, position: 0, repeat }
    }

    /// Overwrites the front of `samples` with the next ones and says how many it wrote: fewer than asked at the end of what
    /// is played once, then 0.
    pub fn fill(&mut self, samples: &mut [i16]) -> usize {
        let mut written = 0;
        while let Some(rest) = samples.get_mut(written..).filter(|rest| !rest.is_empty()) {
            let source = match self.samples.get(self.position..) {
                Some(source) if !source.is_empty() => source,
                _ if self.repeat && !self.samples.is_empty() => {
                    self.position = 0;
                    continue;
                }
                _ => break,
            };
            let count = source.len().min(rest.len());
            rest.iter_mut().zip(source).for_each(|(slot, sample)| *slot = *sample);
            self.position += count;
            written += count;
        }
        written
    }

    /// Whether everything was played; never true of a loop, unless it is empty.
    pub fn is_finished(&self) -> bool {
        self.position >= self.samples.len() && (!self.repeat || self.samples.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_ends_short_and_then_empty() {
        let mut playback = Playback::new(Arc::from([1, 2, 3]), false);
        let mut out = [9; 2];
        assert_eq!((playback.fill(&mut out), out), (2, [1, 2]));
        assert_eq!((playback.fill(&mut out), out), (1, [3, 2]));
        assert!(playback.is_finished());
        assert_eq!(playback.fill(&mut out), 0);
    }

    #[test]
    fn a_loop_begins_again_within_a_packet() {
        let mut playback = Playback::new(Arc::from([1, 2, 3]), true);
        let mut out = [0; 8];
        assert_eq!(playback.fill(&mut out), 8);
        assert_eq!(out, [1, 2, 3, 1, 2, 3, 1, 2]);
        assert!(!playback.is_finished());
    }

    #[test]
    fn nothing_in_a_loop_is_nothing() {
        let mut playback = Playback::new(Arc::from([]), true);
        assert_eq!(playback.fill(&mut [0; 4]), 0);
        assert!(playback.is_finished());
    }
}
