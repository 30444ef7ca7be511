//! The payload of a telephone event (RFC 4733 2.3).

/// One update of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The event code; 0 to 15 are digits (RFC 4733 3.2).
    pub event: u8,
    /// The event is over.
    pub end: bool,
    /// Power below 0 dBm0, in dB, 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in timestamp units.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; of redundant events in one packet only the first.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let [event, flags, high, low, ..] = *payload else { return None };
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload.
    pub const fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, ((self.end as u8) << 7) | (self.volume & 0x3f), high, low]
    }
}

/// The digit of an event code (RFC 4733 3.2, table 3).
pub const fn digit_of_event(event: u8) -> Option<char> {
    match event {
        0..=9 => Some((b'0' + event) as char),
        10 => Some('*'),
        11 => Some('#'),
        12..=15 => Some((b'A' + event - 12) as char),
        _ => None,
    }
}

/// The event code of a digit.
pub const fn event_of_digit(digit: char) -> Option<u8> {
    match digit {
        '0'..='9' => Some(digit as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        'A'..='D' => Some(digit as u8 - b'A' + 12),
        'a'..='d' => Some(digit as u8 - b'a' + 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let event = TelephoneEvent { event: 11, end: true, volume: 10, duration: 1_600 };
        assert_eq!(event.to_bytes(), [11, 0x8a, 0x06, 0x40]);
        assert_eq!(TelephoneEvent::read(&event.to_bytes()), Some(event));
        assert_eq!(TelephoneEvent::read(&[1, 2, 3]), None);
    }

    #[test]
    fn digits_and_codes_are_one_to_one() {
        for (code, digit) in "0123456789*#ABCD".chars().enumerate() {
            assert_eq!(event_of_digit(digit), Some(code as u8));
            assert_eq!(digit_of_event(code as u8), Some(digit));
        }
        assert_eq!(digit_of_event(16), None);
        assert_eq!(event_of_digit(','), None);
    }
}
