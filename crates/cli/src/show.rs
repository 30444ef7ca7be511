//! Calls, lines and figures in words.

use hookswitch::{CallInfo, CallStatistics, LineState, Party, Presentation, Reason};
use std::time::{Duration, Instant};

/// Seconds since a command began, as they stand before each line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl std::fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>8.3}", self.0.elapsed().as_secs_f64())
    }
}

/// A party: name and address, or why they are not known.
pub(crate) fn party(party: &Party) -> String {
    match party.presentation {
        Presentation::Known if party.name.is_empty() => party.address.to_string(),
        Presentation::Known => format!("{:?} {}", party.name, party.address),
        Presentation::Blocked => "withheld".to_owned(),
        Presentation::OutOfArea => "out of area".to_owned(),
        Presentation::Unknown | Presentation::Unavailable => "unknown".to_owned(),
    }
}

/// Why a call is here.
pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Direct => "direct",
        Reason::ForwardedUnconditional => "forwarded, always",
        Reason::ForwardedBusy => "forwarded, busy",
        Reason::ForwardedNoAnswer => "forwarded, no answer",
        Reason::Redirected => "redirected",
        Reason::Transferred => "transferred",
        Reason::PickedUp => "picked up",
        Reason::Unparked => "unparked",
        Reason::Reminder => "reminder",
        Reason::CallCompletion => "call completion",
        Reason::Parked => "parked",
        Reason::CampedOn => "waiting until free",
        Reason::Intrusion => "broke in",
        Reason::Unknown | Reason::Unavailable => "not known",
    }
}

/// An offered call in one line.
pub(crate) fn offered(info: &CallInfo) -> String {
    let mut text = format!(
        "from {}, called {}, media {}, reason {}",
        party(&info.caller),
        party(&info.called),
        info.media,
        reason(info.reason)
    );
    if info.redirecting.presentation == Presentation::Known {
        text.push_str(&format!(", diverted by {}", party(&info.redirecting)));
    }
    text
}

/// Whether a line can be used.
pub(crate) fn line_state(state: &LineState) -> String {
    match state {
        LineState::InService => "in service".to_owned(),
        LineState::OutOfService(out) => match out.status {
            Some(status) => format!("out of service: {} ({status})", out.reason),
            None => format!("out of service: {}", out.reason),
        },
    }
}

/// The figures of a call's audio.
pub(crate) fn statistics(figures: &CallStatistics) -> String {
    let share = |part: u64| {
        let all = figures.packets_received + figures.packets_lost;
        if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
    };
    let mut text = format!(
        "{}, sent {} packets, received {}, lost {} ({:.1} %), late {}, jitter {}",
        if figures.codec.is_empty() { "no codec" } else { figures.codec },
        figures.packets_sent,
        figures.packets_received,
        figures.packets_lost,
        share(figures.packets_lost),
        figures.packets_late,
        milliseconds(figures.jitter),
    );
    if let Some(round_trip) = figures.round_trip {
        text.push_str(&format!(", round trip {}", milliseconds(round_trip)));
    }
    if let Some(mos) = figures.mos {
        text.push_str(&format!(", MOS {mos:.1}"));
    }
    text
}

/// Milliseconds with one decimal.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_call_without_packets_are_no_numbers_out_of_nothing() {
        let text = statistics(&CallStatistics::default());
        assert_eq!(text, "no codec, sent 0 packets, received 0, lost 0 (0.0 %), late 0, jitter 0.0 ms");
    }

    #[test]
    fn a_party_is_shown_by_name_and_address_or_by_what_hides_it() {
        assert_eq!(party(&Party::known("sip:1@h", "Desk")), "\"Desk\" sip:1@h");
        assert_eq!(party(&Party::known("sip:1@h", "")), "sip:1@h");
        assert_eq!(party(&Party::withheld(Presentation::Blocked)), "withheld");
    }
}
