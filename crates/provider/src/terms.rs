//! The terms of a call's audio: what may be negotiated for it, and how its digits go. Those of its line, unless it has its own.

use crate::Profile;
use crate::profile::codec;
use hookswitch_media::negotiate::Capabilities;
use hookswitch_spi::{DeviceChoices, DeviceConfig, DigitTransport, Set};
use std::sync::Arc;
use std::time::Duration;

/// What a device configuration can be made of.
pub(crate) const CHOICES: DeviceChoices = DeviceChoices {
    codecs: &["PCMU", "PCMA", "L16/8000", "L16/16000"],
    packet_times: &[10, 20, 30, 40, 60],
    digits: Set::ALL,
};

/// Shared by all calls that have the same.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) media: Arc<Capabilities>,
    /// Digits to a party that takes none as events go by INFO, else in the audio.
    pub(crate) info_digits: bool,
}

/// Terms that not every call has.
#[derive(Debug, Default)]
pub(crate) struct OwnTerms {
    /// Those of the call, instead of its line's.
    pub(crate) own: Option<Terms>,
    /// Those that are being offered, and will be its own once they are agreed on.
    pub(crate) asked: Option<Terms>,
}

impl Terms {
    /// Those of a profile.
    pub(crate) fn of_profile(profile: &Profile) -> Self {
        let media = Capabilities {
            codecs: profile.codec_list(),
            packet_time: Duration::from_millis(profile.packet_time.into()),
            rtcp_mux: profile.rtcp_mux,
            ..Capabilities::default()
        };
        Self { media: Arc::new(media), info_digits: profile.info_digits }
    }

    /// Those that a configuration says, which was checked; of the rest, those that there were.
    pub(crate) fn with(&self, config: &DeviceConfig) -> Self {
        use DigitTransport as D;
        let media = Capabilities {
            codecs: config.codecs.iter().filter_map(|name| codec(name)).collect(),
            packet_time: Duration::from_millis(config.packet_time.into()),
            digits: matches!(config.digits, D::EventsOrAudio | D::EventsOrInfo),
            ..Capabilities::clone(&self.media)
        };
        Self { media: Arc::new(media), info_digits: matches!(config.digits, D::EventsOrInfo | D::Info) }
    }

    /// The configuration that says them.
    pub(crate) fn config(&self) -> DeviceConfig {
        let known = CHOICES.codecs.iter().filter_map(|name| Some((*name, codec(name)?)));
        let known: Vec<_> = known.collect();
        let name =
            |wanted| known.iter().find(|(_, codec)| codec == wanted).map(|(name, _)| (*name).to_owned());
        DeviceConfig {
            codecs: self.media.codecs.iter().filter_map(name).collect(),
            packet_time: self.media.packet_time.as_millis().try_into().unwrap_or(u16::MAX),
            digits: match (self.media.digits, self.info_digits) {
                (true, false) => DigitTransport::EventsOrAudio,
                (true, true) => DigitTransport::EventsOrInfo,
                (false, false) => DigitTransport::Audio,
                (false, true) => DigitTransport::Info,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_spi::Member;

    #[test]
    fn every_choice_can_be_said_and_is_read_again() {
        let terms = Terms::of_profile(&Profile::default());
        assert_eq!(CHOICES.check(&terms.config()), Ok(()));
        for packet_time in CHOICES.packet_times {
            for digits in DigitTransport::ALL {
                let codecs = CHOICES.codecs.iter().rev().map(|name| (*name).to_owned()).collect();
                let config = DeviceConfig { codecs, packet_time: *packet_time, digits: *digits };
                assert_eq!(CHOICES.check(&config), Ok(()));
                assert_eq!(terms.with(&config).config(), config);
            }
        }
    }
}
