//! What the holders of a call want to hear of its audio: digits, tones, media types.
//!
//! The provider knows one wish for each call; here are those of all holders. It is asked for what any of them wants, and each
//! hears what it wants itself.

use crate::SessionId;
use crate::calls::Call;
use crate::wishes::{Wish, Wishes};
use hookswitch_spi::{DigitMonitoring, MediaType, MediaTypes, Operation, TonePattern};

/// The request that covers what all holders want once `session` wants this, and the wishes as they are then. `None`: it is not
/// about monitoring.
pub(crate) fn widened(call: &Call, session: SessionId, operation: &Operation) -> Option<(Operation, Wishes)> {
    let is_about_monitoring = matches!(
        operation,
        Operation::MonitorDigits { .. } | Operation::MonitorTones { .. } | Operation::MonitorMedia { .. }
    );
    if !is_about_monitoring {
        return None;
    }
    let mut wishes = call.wishes().cloned().unwrap_or_default();
    let mut own = wishes.get(session).cloned().unwrap_or_else(|| Wish::unsaid(session));
    match operation {
        Operation::MonitorDigits { digits, .. } => own.digits = *digits,
        Operation::MonitorTones { tones, .. } => own.tones.clone_from(tones),
        Operation::MonitorMedia { media, .. } => own.media = *media,
        _ => return None,
    }
    wishes.set(own);
    let widened = match operation {
        Operation::MonitorDigits { call: id, .. } => {
            let all = call
                .handles
                .iter()
                .map(|(holder, _)| wishes.get(holder).map_or_else(Default::default, |w| w.digits));
            let digits = all.max_by_key(|digits| rank(*digits)).unwrap_or_default();
            Operation::MonitorDigits { call: *id, digits }
        }
        Operation::MonitorTones { call: id, .. } => {
            let mut tones: Vec<TonePattern> = Vec::new();
            for tone in wishes.iter().flat_map(|wish| &wish.tones) {
                if !tones.contains(tone) {
                    tones.push(*tone);
                }
            }
            Operation::MonitorTones { call: *id, tones }
        }
        Operation::MonitorMedia { call: id, .. } => {
            let media = wishes.iter().fold(MediaTypes::NONE, |media, wish| media.union(wish.media));
            Operation::MonitorMedia { call: *id, media }
        }
        _ => return None,
    };
    Some((widened, wishes))
}

const fn rank(digits: DigitMonitoring) -> u8 {
    match digits {
        DigitMonitoring::Off => 0,
        DigitMonitoring::Digits => 1,
        DigitMonitoring::BeginningAndEnd => 2,
    }
}

/// Something heard in a call's audio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard {
    DigitBegun,
    Digit,
    Tone(u32),
    Media(MediaType),
}

/// Whether a holder wants to know.
pub(crate) fn wanted(call: &Call, holder: SessionId, heard: Heard) -> bool {
    let wish = call.wishes().and_then(|wishes| wishes.get(holder));
    match heard {
        Heard::DigitBegun => wish.is_some_and(|wish| wish.digits == DigitMonitoring::BeginningAndEnd),
        Heard::Digit => wish.is_none_or(|wish| wish.digits != DigitMonitoring::Off),
        Heard::Tone(tag) => wish.is_some_and(|wish| wish.tones.iter().any(|tone| tone.tag == tag)),
        Heard::Media(media) => wish.is_some_and(|wish| wish.media.contains(media)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Privilege;
    use crate::calls::{Handles, Stage};
    use hookswitch_spi::{AddressId, CallId, LineId};

    const ID: CallId = CallId(1);
    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    fn call() -> Call {
        let mut handles = Handles::default();
        handles.set(A, Privilege::Owner);
        handles.set(B, Privilege::Monitor);
        Call::new(LineId(0), AddressId(0), Stage::Known, handles)
    }

    fn ask(call: &mut Call, session: SessionId, operation: &Operation) -> Operation {
        let (widened, wishes) = widened(call, session, operation).unwrap();
        call.audio().wishes = wishes;
        widened
    }

    #[test]
    fn the_provider_is_asked_for_what_anybody_wants() {
        use DigitMonitoring::{BeginningAndEnd, Digits, Off};
        let mut call = call();
        let digits = |digits| Operation::MonitorDigits { call: ID, digits };
        for (session, wish, asked) in
            [(A, Off, Digits), (B, BeginningAndEnd, BeginningAndEnd), (B, Off, Off), (A, Digits, Digits)]
        {
            assert_eq!(ask(&mut call, session, &digits(wish)), digits(asked), "{session} {wish:?}");
        }
        let tone = |tag| TonePattern { tag, frequencies: [440, 0], duration: std::time::Duration::ZERO };
        let tones = |tones: &[u32]| Operation::MonitorTones {
            call: ID,
            tones: tones.iter().map(|t| tone(*t)).collect(),
        };
        assert_eq!(ask(&mut call, A, &tones(&[1])), tones(&[1]));
        assert_eq!(ask(&mut call, B, &tones(&[1, 2])), tones(&[1, 2]));
        assert_eq!(ask(&mut call, A, &tones(&[])), tones(&[1, 2]));
        assert!(wanted(&call, B, Heard::Tone(2)) && !wanted(&call, A, Heard::Tone(2)));
    }

    #[test]
    fn each_holder_hears_what_it_wants() {
        let mut call = call();
        assert!(wanted(&call, A, Heard::Digit), "unless it says otherwise");
        assert!(!wanted(&call, A, Heard::DigitBegun) && !wanted(&call, A, Heard::Media(MediaType::Fax)));
        ask(&mut call, B, &Operation::MonitorDigits { call: ID, digits: DigitMonitoring::Off });
        ask(&mut call, B, &Operation::MonitorMedia { call: ID, media: MediaType::Fax.into() });
        assert!(wanted(&call, A, Heard::Digit) && !wanted(&call, B, Heard::Digit));
        assert!(
            wanted(&call, B, Heard::Media(MediaType::Fax))
                && !wanted(&call, B, Heard::Media(MediaType::Text))
        );
        call.let_go(B);
        assert!(wanted(&call, B, Heard::Digit), "forgotten with its handle");
    }
}
