//! Listening for something in what is heard: tones, fax machines, digits in band.

use super::feed::{Outbox, report_change};
use crate::audio::{DETECTION_FRAME, ToneDetector, convert};
use crate::control::{Event, FaxTone, MAX_WATCHED_TONES, StreamId, WatchedTone};
use crate::dtmf::{DigitChange, InBandDigits};
use std::time::Duration;

/// CNG sounds for half a second (ITU-T T.30 4.2), less what edges take.
const CALLING: WatchedTone = tone(1_100, 380);
/// CED sounds for 2.6 s and more; a second of it is no accident.
const CALLED: WatchedTone = tone(2_100, 1_000);

const fn tone(frequency: u16, millis: u64) -> WatchedTone {
    WatchedTone { tag: 0, frequencies: [frequency, 0, 0], duration: Duration::from_millis(millis) }
}

/// What a stream is listened to for.
#[derive(Debug)]
pub(super) struct Ears {
    tones: Vec<(u64, ToneDetector)>,
    fax: Vec<(FaxTone, ToneDetector)>,
    digits: Option<Box<InBandDigits>>,
    /// 20 ms at 8 kHz, filled so far.
    frame: [i16; DETECTION_FRAME],
    filled: usize,
}

impl Ears {
    pub(super) const fn new() -> Self {
        Self { tones: Vec::new(), fax: Vec::new(), digits: None, frame: [0; DETECTION_FRAME], filled: 0 }
    }

    /// Nothing is listened for.
    pub(super) const fn is_idle(&self) -> bool {
        self.tones.is_empty() && self.fax.is_empty() && self.digits.is_none()
    }

    pub(super) fn watch(&mut self, tones: &[WatchedTone]) {
        let detector = |tone: &WatchedTone| (tone.tag, ToneDetector::new(tone));
        self.tones = tones.iter().take(MAX_WATCHED_TONES).map(detector).collect();
    }

    pub(super) fn watch_fax(&mut self, on: bool) {
        self.fax.clear();
        if on {
            self.fax.push((FaxTone::Calling, ToneDetector::new(&CALLING)));
            self.fax.push((FaxTone::Called, ToneDetector::new(&CALLED)));
        }
    }

    /// Begins to listen for digits, or stops, which ends one that is pressed.
    pub(super) fn watch_digits(&mut self, on: bool) -> Option<DigitChange> {
        match (on, &mut self.digits) {
            (true, Some(_)) | (false, None) => None,
            (true, None) => {
                self.digits = Some(Box::default());
                None
            }
            (false, Some(digits)) => {
                let ended = digits.end().map(DigitChange::Ended);
                self.digits = None;
                ended
            }
        }
    }

    /// Takes what was heard, at 8 or 16 kHz. Digits in band count only where `digits` says that none come as events.
    pub(super) fn hear(
        &mut self,
        stream: StreamId,
        rate: u32,
        heard: &[i16],
        digits: bool,
        out: &mut dyn Outbox,
    ) {
        // A packet time is a multiple of 5 ms: an even number of samples at 16 kHz.
        let per_sample = if rate == 16_000 { 2 } else { 1 };
        let mut rest = heard;
        while !rest.is_empty() {
            let room = self.frame.get_mut(self.filled..).unwrap_or_default();
            let count = room.len().min(rest.len() / per_sample);
            let (Some(slots), Some((taken, later))) =
                (room.get_mut(..count), rest.split_at_checked(count * per_sample))
            else {
                return;
            };
            convert(taken, slots);
            rest = if count == 0 { &[] } else { later };
            self.filled += count;
            if self.filled == DETECTION_FRAME {
                self.filled = 0;
                self.frame(stream, digits, out);
            }
        }
    }

    fn frame(&mut self, stream: StreamId, digits: bool, out: &mut dyn Outbox) {
        for (tag, detector) in &mut self.tones {
            if detector.hear(&self.frame) {
                out.event(Event::ToneHeard { stream, tag: *tag });
            }
        }
        let frame = &self.frame;
        self.fax.retain_mut(|(tone, detector)| {
            let heard = detector.hear(frame);
            if heard {
                out.event(Event::FaxHeard { stream, tone: *tone });
            }
            !heard
        });
        if let (true, Some(detector)) = (digits, &mut self.digits) {
            for change in detector.hear(&self.frame).into_iter().flatten() {
                report_change(stream, change, out);
            }
        }
    }
}
