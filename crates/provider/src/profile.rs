//! Profiles: the quirks and defaults of one kind of softswitch or carrier, read from `sip-profiles/*.toml`.

use hookswitch_spi::AnswerMode;
use serde::Deserialize;
use std::time::Duration;

/// Octets of user information: hexadecimal they still leave room in a datagram.
const MOST_USER_INFO: u16 = 1_024;
/// Members of one conference: fewer than a mix takes, as we are in it as well.
const MOST_MEMBERS: u16 = 32;

/// What is true of every line on one kind of softswitch. Every key has a default; an unknown key is an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Profile {
    /// The profile's name, which lines refer to.
    pub name: String,
    /// `udp` or `tcp`.
    pub transport: TransportChoice,
    /// The registration's wanted life time in seconds, 60 to 86,400.
    pub register_expires: u32,
    /// The first pause after a failed registration in seconds; doubles up to half an hour.
    pub register_retry: u32,
    /// Seconds between keep-alives to the switch over UDP, so that a NAT on the way keeps its binding (RFC 5626 4.4.1); 0 for
    /// none, else 10 to 600. Streams are kept alive by the driver.
    pub keep_alive: u16,
    /// Believe P-Asserted-Identity, Remote-Party-ID, Diversion and History-Info from this switch (RFC 3325 2.3).
    pub trust_identity: bool,
    /// When the caller is told that the call alerts.
    pub alerting: Alerting,
    /// The status that refuses an offered call when the application gave no reason: 486, 480 or 603.
    pub reject_status: u16,
    /// The status of do-not-disturb: 480, 486 or 603.
    pub dnd_status: u16,
    /// Redirect by 302 is understood by the switch.
    pub redirect: bool,
    /// Transfer by REFER is understood by the switch.
    pub refer: bool,
    /// What becomes of a REFER that would send our side of a call elsewhere.
    pub accept_referrals: AcceptReferrals,
    /// End a call whose other side was heard and then is not any more, neither audio nor RTCP, for the media threads' limit (a
    /// minute); calls on hold are left alone.
    pub end_silent_calls: bool,
    /// What answering a call does to the one that is active on the line: `none`, `drop` or `hold` (LINEANSWERMODE). Applications
    /// with many calls at a time want `none`, a softphone `hold`.
    pub answer_mode: AnswerMode,
    /// A call that is held for a transfer comes back when its consultation call ends (AUTORECONNECT); else it waits to be
    /// retrieved.
    pub reconnect: bool,
    /// Seconds from one ring of an offered call to the next, 1 to 60.
    pub ring_cycle: u8,
    /// The header field in which the switch names a physical call on all its legs; Session-ID (RFC 7989) if absent.
    pub linked_id: Option<String>,
    /// Follow a 3xx of the switch instead of reporting *forwarded*.
    pub follow_redirects: bool,
    /// How the line learns whether messages wait: it subscribes, it is told without asking, or not at all (RFC 3842).
    pub message_waiting: MessageWaiting,
    /// Octets of user information that the switch passes on with each message (RFC 7433), 0 to 1,024. Whatever it lets through
    /// to us is read in any case.
    pub user_info: u16,
    /// Users may be watched (RFC 4235), and what is told names their dialogs: makes call completion possible, and pickup where
    /// there is no code for it.
    pub dialog_events: bool,
    /// A call is parked by sending its other party to an orbit (REFER). Needs `refer`.
    pub park: bool,
    /// What is put before the number of an orbit for that, usually nothing.
    pub park_code: String,
    /// Who redirects (302) to a free orbit, so that a call can be parked anywhere; empty if nobody does.
    pub park_finder: String,
    /// What is dialled before the number of an orbit to fetch what is parked there, usually nothing.
    pub unpark_prefix: String,
    /// What is dialled before a user to pick up what alerts there; empty if there is no such code.
    pub pickup_prefix: String,
    /// What is dialled to pick up what alerts in our own group; empty if there is no such code.
    pub group_pickup_code: String,
    /// The direction offered to hold: `sendonly` (music may be sent) or `inactive`.
    pub hold: HoldDirection,
    /// A held party hears music of ours, unless an application chooses something else for it.
    pub hold_music: bool,
    /// What an application chooses for an offered call is heard by its caller before the answer (183), at the caller's cost or
    /// not. Without it only held parties hear what is chosen.
    pub early_treatment: bool,
    /// Digits to a party that takes none as events (RFC 4733) go by INFO, and its own are expected so; without it they go in the
    /// audio, where they are also looked for.
    pub info_digits: bool,
    /// Members of one conference, 0 (no conferences) to 32.
    pub max_conference: u16,
    /// Codecs in order of preference: `PCMU`, `PCMA`, `L16/8000`, `L16/16000`.
    pub codecs: Vec<String>,
    /// Milliseconds of audio in a packet: 10, 20, 30, 40 or 60.
    pub packet_time: u16,
    /// Offer RTP and RTCP on one port (RFC 5761).
    pub rtcp_mux: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "generic".into(),
            transport: TransportChoice::Udp,
            register_expires: 3_600,
            register_retry: 5,
            keep_alive: 25,
            trust_identity: true,
            alerting: Alerting::AtOnce,
            reject_status: 486,
            dnd_status: 480,
            redirect: true,
            refer: true,
            accept_referrals: AcceptReferrals::OwnDomain,
            end_silent_calls: true,
            answer_mode: AnswerMode::None,
            reconnect: true,
            ring_cycle: 6,
            linked_id: None,
            follow_redirects: true,
            message_waiting: MessageWaiting::Subscribe,
            user_info: 128,
            dialog_events: false,
            park: false,
            park_code: String::new(),
            park_finder: String::new(),
            unpark_prefix: String::new(),
            pickup_prefix: String::new(),
            group_pickup_code: String::new(),
            hold: HoldDirection::SendOnly,
            hold_music: true,
            early_treatment: false,
            info_digits: false,
            max_conference: 16,
            codecs: vec!["PCMU".into(), "PCMA".into()],
            packet_time: 20,
            rtcp_mux: false,
        }
    }
}

impl Profile {
    /// The profiles that are compiled in: name and text.
    pub const BUILT_IN: [(&'static str, &'static str); 5] = [
        ("generic", include_str!("../../../sip-profiles/generic.toml")),
        ("asterisk", include_str!("../../../sip-profiles/asterisk.toml")),
        ("freeswitch", include_str!("../../../sip-profiles/freeswitch.toml")),
        ("kamailio", include_str!("../../../sip-profiles/kamailio.toml")),
        ("hookswitch", include_str!("../../../sip-profiles/hookswitch.toml")),
    ];

    /// The compiled-in profile of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = Self::BUILT_IN.iter().find(|(known, _)| *known == name)?;
        toml::from_str(text).ok()
    }

    /// The first pause after a failed registration.
    pub fn first_retry(&self) -> Duration {
        Duration::from_secs(self.register_retry.clamp(1, 1_800).into())
    }

    /// What is wrong with the values, as key and expectation; `None` if nothing is.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        if !(60..=86_400).contains(&self.register_expires) {
            return Some(("register-expires", format!("60 to 86400 seconds, not {}", self.register_expires)));
        }
        if self.keep_alive != 0 && !(10..=600).contains(&self.keep_alive) {
            return Some(("keep-alive", format!("0 or 10 to 600 seconds, not {}", self.keep_alive)));
        }
        if ![486, 480, 603].contains(&self.reject_status) {
            return Some(("reject-status", format!("486, 480 or 603, not {}", self.reject_status)));
        }
        if ![486, 480, 603].contains(&self.dnd_status) {
            return Some(("dnd-status", format!("486, 480 or 603, not {}", self.dnd_status)));
        }
        if self.max_conference > MOST_MEMBERS {
            return Some(("max-conference", format!("0 to {MOST_MEMBERS}, not {}", self.max_conference)));
        }
        if ![10, 20, 30, 40, 60].contains(&self.packet_time) {
            return Some((
                "packet-time",
                format!("10, 20, 30, 40 or 60 milliseconds, not {}", self.packet_time),
            ));
        }
        if !(1..=60).contains(&self.ring_cycle) {
            return Some(("ring-cycle", format!("1 to 60 seconds, not {}", self.ring_cycle)));
        }
        if let Some(name) = &self.linked_id
            && (name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        {
            return Some(("linked-id", format!("the name of a header field, not {name:?}")));
        }
        if self.user_info > MOST_USER_INFO {
            return Some(("user-info", format!("0 to {MOST_USER_INFO} octets, not {}", self.user_info)));
        }
        let codes = [
            ("park-code", &self.park_code),
            ("park-finder", &self.park_finder),
            ("unpark-prefix", &self.unpark_prefix),
            ("pickup-prefix", &self.pickup_prefix),
            ("group-pickup-code", &self.group_pickup_code),
        ];
        let fits = |c: u8| c.is_ascii_alphanumeric() || b"*#+-_.".contains(&c);
        if let Some((key, code)) =
            codes.into_iter().find(|(_, code)| code.len() > 32 || !code.bytes().all(fits))
        {
            return Some((key, format!("at most 32 letters, digits or *#+-_. , not {code:?}")));
        }
        if self.codecs.is_empty() {
            return Some(("codecs", "at least one of PCMU, PCMA, L16/8000, L16/16000".into()));
        }
        self.codecs
            .iter()
            .find(|name| codec(name).is_none())
            .map(|name| ("codecs", format!("PCMU, PCMA, L16/8000 or L16/16000, not '{name}'")))
    }

    /// The codecs in order of preference.
    pub fn codec_list(&self) -> Vec<hookswitch_media::codec::Codec> {
        self.codecs.iter().filter_map(|name| codec(name)).collect()
    }
}

/// The codec of this name.
pub(crate) fn codec(name: &str) -> Option<hookswitch_media::codec::Codec> {
    use hookswitch_media::codec::Codec;
    match name.to_ascii_uppercase().as_str() {
        "PCMU" => Some(Codec::Pcmu),
        "PCMA" => Some(Codec::Pcma),
        "L16/8000" => Some(Codec::L16 { rate: 8_000 }),
        "L16/16000" => Some(Codec::L16 { rate: 16_000 }),
        _ => None,
    }
}

/// Which transport a line uses first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportChoice {
    /// Datagrams; a request near the path's limit goes by TCP (RFC 3261 18.1.1).
    Udp,
    /// A stream.
    Tcp,
}

/// When an offered call's caller hears ringing (spec 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alerting {
    /// 180 as soon as the call is offered.
    AtOnce,
    /// 180 when an application accepts.
    OnAccept,
}

/// Whether the other side of a call may transfer us (REFER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptReferrals {
    /// To targets of the line's own domain.
    OwnDomain,
    /// To any target.
    Any,
    /// Never (603).
    Never,
}

/// How a line learns whether messages wait (RFC 3842).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageWaiting {
    /// It subscribes while it is registered; what the switch tells without being asked counts as well.
    Subscribe,
    /// The switch tells without being asked.
    Unsolicited,
    /// Not at all.
    No,
}

/// How a held party is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldDirection {
    /// It still hears us.
    SendOnly,
    /// Nothing flows.
    Inactive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = toml::from_str::<Profile>("name = 'x'\nregister-expire = 60").unwrap_err().to_string();
        assert!(error.contains("register-expire"), "{error}");
    }

    #[test]
    fn every_built_in_profile_reads_and_is_sound() {
        for (name, text) in Profile::BUILT_IN {
            let profile: Profile = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((profile.name.as_str(), profile.fault()), (name, None));
        }
        assert_eq!(Profile::built_in("generic"), Some(Profile::default()));
    }

    #[test]
    fn values_out_of_range_name_the_key() {
        let profile = Profile { packet_time: 25, ..Profile::default() };
        assert_eq!(profile.fault().map(|f| f.0), Some("packet-time"));
        let profile = Profile { codecs: vec!["G729".into()], ..Profile::default() };
        assert_eq!(profile.fault().map(|f| f.0), Some("codecs"));
        let profile = Profile { pickup_prefix: "<*8".into(), ..Profile::default() };
        assert_eq!(profile.fault().map(|f| f.0), Some("pickup-prefix"));
        assert_eq!(Profile::default().fault(), None);
    }
}
