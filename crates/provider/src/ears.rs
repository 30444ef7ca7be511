//! What is listened for in a call, and the digits being collected from it.

use hookswitch_machine::TimerKey;
use hookswitch_spi::{
    Completion, DigitMonitoring, GatherEnd, GatherOptions, MediaTypes, Outcome, TonePattern,
};
use std::time::Duration;

/// What somebody wants to hear of in a call.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    /// What was asked about digits. Until somebody asks, each is told once, but the audio is not searched for them.
    pub(crate) digits: Option<DigitMonitoring>,
    pub(crate) gathering: Option<Gathering>,
    pub(crate) tones: Vec<TonePattern>,
    /// Media types whose appearance is told.
    pub(crate) media: MediaTypes,
    /// The media types of the last description that differed from the recorded ones.
    pub(crate) carried: Option<MediaTypes>,
    /// The media threads search the audio for digits.
    pub(crate) in_band: bool,
}

/// Digits being collected (lineGatherDigits).
#[derive(Debug)]
pub(crate) struct Gathering {
    completion: Completion,
    wanted: GatherOptions,
    digits: String,
    /// Runs while the next digit is waited for, not while it is being pressed.
    pub(crate) timer: Option<TimerKey>,
}

impl Gathering {
    pub(crate) fn new(completion: Completion, wanted: GatherOptions) -> Self {
        let terminators = wanted.terminators.to_ascii_uppercase();
        let wanted = GatherOptions { terminators, ..wanted };
        Self { completion, wanted, digits: String::new(), timer: None }
    }

    /// How long the next digit may take to come.
    pub(crate) const fn patience(&self) -> Option<Duration> {
        if self.digits.is_empty() { self.wanted.first_after } else { self.wanted.next_after }
    }

    /// Takes a digit; why collecting ends with it, if it does. A terminator counts as one even if it is the last digit wanted.
    pub(crate) fn press(&mut self, digit: char) -> Option<GatherEnd> {
        self.digits.push(digit);
        if self.wanted.terminators.contains(digit) {
            Some(GatherEnd::Terminator)
        } else if self.digits.len() >= usize::from(self.wanted.count) {
            Some(GatherEnd::Full)
        } else {
            None
        }
    }

    /// Why collecting ends when the time for the next digit is over.
    pub(crate) const fn overdue(&self) -> GatherEnd {
        if self.digits.is_empty() { GatherEnd::FirstTimeout } else { GatherEnd::NextTimeout }
    }

    /// It is over: who waits, and what for.
    pub(crate) fn finish(self, ended: GatherEnd) -> (Completion, Outcome) {
        (self.completion, Outcome::Gathered { digits: self.digits, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_spi::{Completions, RequestId};

    #[test]
    fn collecting_ends_for_the_right_reason() {
        let completions = Completions::default();
        for (count, terminators, pressed, gathered, ended) in [
            (3, "", "1234", "123", Some(GatherEnd::Full)),
            (3, "#", "1#4", "1#", Some(GatherEnd::Terminator)),
            (2, "#", "1#", "1#", Some(GatherEnd::Terminator)),
            (8, "d", "12D", "12D", Some(GatherEnd::Terminator)),
            (4, "#", "123", "123", None),
        ] {
            let wanted = GatherOptions {
                count,
                terminators: terminators.into(),
                first_after: Some(Duration::from_secs(5)),
                next_after: None,
            };
            let mut gathering = Gathering::new(completions.accept(RequestId(1)), wanted);
            assert_eq!(gathering.patience(), Some(Duration::from_secs(5)));
            assert_eq!(gathering.overdue(), GatherEnd::FirstTimeout);
            let found = pressed.chars().find_map(|digit| gathering.press(digit));
            assert_eq!(found, ended, "{pressed}");
            assert_eq!((gathering.patience(), gathering.overdue()), (None, GatherEnd::NextTimeout));
            let (completion, outcome) = gathering.finish(GatherEnd::Cancelled);
            completion.refuse();
            let expected = Outcome::Gathered { digits: gathered.into(), ended: GatherEnd::Cancelled };
            assert_eq!(outcome, expected, "{pressed}");
        }
    }
}
