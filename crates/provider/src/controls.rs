//! The list of media controls of a call, and what in it fits what has happened.

use hookswitch_media::control::WatchedTone;
use hookswitch_spi::{MediaAction, MediaControl, MediaTrigger, MediaType};

/// The tags of tones that are listened for here have this bit; those that applications chose do not.
const TAG: u64 = 1 << 63;
/// Below it stand the number of the list and, in so many bits, that of the entry.
const ENTRY_BITS: u32 = 16;
/// The numbers that have room between them.
const NUMBERS: u64 = u64::MAX >> (ENTRY_BITS + 1);

/// The media controls of a call.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    entries: Vec<MediaControl>,
    /// Names the list: what was heard for the one before is not for this one.
    number: u64,
    /// Decibels that the call's source is louder than it is.
    pub(crate) gain: i8,
}

impl Controls {
    pub(crate) fn new(entries: Vec<MediaControl>, number: u64, gain: i8) -> Self {
        Self { entries, number: number & NUMBERS, gain }
    }

    /// Whether it might as well not be there.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.gain == 0
    }

    /// Whether digits set something off.
    pub(crate) fn wants_digits(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.when, MediaTrigger::Digit(_)))
    }

    /// Whether a fax machine does.
    pub(crate) fn wants_fax(&self) -> bool {
        self.entries.iter().any(|entry| entry.when == MediaTrigger::Media(MediaType::Fax))
    }

    fn tag(&self, entry: usize) -> u64 {
        TAG | (self.number << ENTRY_BITS) | entry as u64
    }

    /// The tones to listen for.
    pub(crate) fn tones(&self) -> impl Iterator<Item = WatchedTone> + '_ {
        self.entries.iter().enumerate().filter_map(|(n, entry)| match entry.when {
            MediaTrigger::Tone { frequencies: [first, second], duration } => {
                Some(WatchedTone { tag: self.tag(n), frequencies: [first, second, 0], duration })
            }
            MediaTrigger::Digit(_) | MediaTrigger::Media(_) | MediaTrigger::State(_) => None,
        })
    }

    /// Whether a tone's tag is one of these.
    pub(crate) const fn tagged(tag: u64) -> bool {
        tag & TAG != 0
    }

    /// What is to be done at the tone with this tag.
    pub(crate) fn at_tone(&self, tag: u64) -> Option<MediaAction> {
        let entry = (0..self.entries.len()).find(|entry| self.tag(*entry) == tag)?;
        self.entries.get(entry).map(|entry| entry.then.clone())
    }

    /// What is to be done when something has happened, in the order of the list.
    pub(crate) fn set_off(&self, happened: impl Fn(&MediaTrigger) -> bool) -> Vec<MediaAction> {
        let fitting = self.entries.iter().filter(|entry| happened(&entry.when));
        fitting.map(|entry| entry.then.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_tone_that_was_heard_for_an_older_list_sets_nothing_off() {
        let when = MediaTrigger::Tone { frequencies: [425, 0], duration: Duration::from_millis(200) };
        let entries = vec![
            MediaControl { when: MediaTrigger::Digit('1'), then: MediaAction::Pause },
            MediaControl { when, then: MediaAction::Stop },
        ];
        let (old, new) = (Controls::new(entries.clone(), 7, 0), Controls::new(entries, u64::MAX, 0));
        let tags: Vec<u64> = old.tones().chain(new.tones()).map(|tone| tone.tag).collect();
        assert!(tags.len() == 2 && tags.iter().all(|tag| Controls::tagged(*tag)) && tags[0] != tags[1]);
        assert!(!Controls::tagged(u64::from(u32::MAX)), "those of applications");
        assert_eq!(old.at_tone(tags[0]), Some(MediaAction::Stop));
        assert_eq!(new.at_tone(tags[0]), None);
        assert!(old.wants_digits() && !old.wants_fax() && !old.is_idle());
    }
}
