//! The device configuration: how the audio of a line's calls is sent (lineGetDevConfig, lineSetDevConfig).
//!
//! To TAPI it is a block of octets that only the device understands. Here it is what a line can change while it runs.

use crate::set::{Set, member};
use serde::{Deserialize, Serialize};

/// How audio is sent. A call has that of its line from its beginning, unless it was made with one of its own; it keeps it whatever
/// becomes of the line's, until [`SetCallParameters`](crate::Operation::SetCallParameters).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceConfig {
    /// Codecs in order of preference, by the names in [`DeviceChoices::codecs`]. Our offers are in this order; whoever answers one
    /// chooses, and an offer of theirs is answered with the first of their list that is in ours (RFC 3264 6.1).
    pub codecs: Vec<String>,
    /// Milliseconds of audio in a packet, unless the other side asks for another number.
    pub packet_time: u16,
    /// How digits go.
    pub digits: DigitTransport,
}

/// How digits go and come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigitTransport {
    /// As events (RFC 4733); in the audio with a party that knows none.
    #[default]
    EventsOrAudio,
    /// As events; by INFO with a party that knows none.
    EventsOrInfo,
    /// In the audio only.
    Audio,
    /// By INFO only.
    Info,
}

member!(DigitTransport: EventsOrAudio, EventsOrInfo, Audio, Info);

/// What the parts of a device configuration can be. All empty: it cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub struct DeviceChoices {
    /// Names of codecs.
    pub codecs: &'static [&'static str],
    /// Milliseconds of audio in a packet.
    pub packet_times: &'static [u16],
    /// How digits can go.
    pub digits: Set<DigitTransport>,
}

impl DeviceChoices {
    /// What is wrong with a configuration, in a sentence; all of it is taken or nothing.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self, config: &DeviceConfig) -> Result<(), String> {
        let DeviceConfig { codecs, packet_time, digits } = config;
        let (known, times) = (self.codecs.join(", "), self.packet_times);
        if codecs.is_empty() {
            return Err(format!("expected at least one codec of {known}; got none"));
        }
        if let Some(wrong) = codecs.iter().find(|name| !self.codecs.contains(&name.as_str())) {
            return Err(format!("'{wrong}' is no codec of this line: expected some of {known}"));
        }
        if let Some(twice) =
            codecs.iter().enumerate().find(|(n, name)| codecs.iter().take(*n).any(|c| c == *name))
        {
            return Err(format!("'{}' is named twice", twice.1));
        }
        if !times.contains(packet_time) {
            return Err(format!("expected one of {times:?} milliseconds in a packet; got {packet_time}"));
        }
        if !self.digits.contains(*digits) {
            return Err(format!("digits cannot go as {digits:?} on this line"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_taken_whole_or_refused() {
        let choices = DeviceChoices {
            codecs: &["PCMU", "PCMA"],
            packet_times: &[20, 40],
            digits: Set::of(&[DigitTransport::EventsOrAudio]),
        };
        let config = |codecs: &[&str], packet_time, digits| DeviceConfig {
            codecs: codecs.iter().map(|name| (*name).to_owned()).collect(),
            packet_time,
            digits,
        };
        let events = DigitTransport::EventsOrAudio;
        for (config, says) in [
            (config(&["PCMA", "PCMU"], 40, events), ""),
            (config(&[], 20, events), "at least one"),
            (config(&["PCMA", "G729"], 20, events), "'G729'"),
            (config(&["PCMA", "PCMA"], 20, events), "twice"),
            (config(&["PCMA"], 25, events), "[20, 40]"),
            (config(&["PCMA"], 20, DigitTransport::Info), "Info"),
        ] {
            match choices.check(&config) {
                Ok(()) => assert_eq!(says, "", "{config:?}"),
                Err(error) => assert!(!says.is_empty() && error.contains(says), "{error}"),
            }
        }
        assert!(DeviceChoices::default().check(&config(&["PCMA"], 20, events)).is_err());
    }
}
