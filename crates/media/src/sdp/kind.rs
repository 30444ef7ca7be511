//! What an m-line carries and over what.

/// What an m-line carries (RFC 8866 5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// `audio`: a voice call.
    Audio,
    /// `video`.
    Video,
    /// `image`: fax over T.38 (RFC 3362).
    Image,
    /// `text`: real-time text (RFC 4103).
    Text,
    /// `message`: sessions of messages (RFC 4975).
    Message,
    /// `application`: anything else between applications.
    Application,
    /// A name that is not registered.
    Other,
}

impl MediaKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Audio, Self::Video, Self::Image, Self::Text, Self::Message, Self::Application, Self::Other];

    /// The name in the m-line; `other` for what has none.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Image => "image",
            Self::Text => "text",
            Self::Message => "message",
            Self::Application => "application",
            Self::Other => "other",
        }
    }

    /// The kind that an m-line names.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).unwrap_or(Self::Other)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MediaKinds(u8);

impl MediaKinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn insert(&mut self, kind: MediaKind) {
        self.0 |= kind.bit();
    }

    /// Whether it is among them.
    pub const fn contains(self, kind: MediaKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in the order of [`MediaKind`].
    pub fn iter(self) -> impl Iterator<Item = MediaKind> {
        MediaKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<MediaKind> for MediaKinds {
    fn from_iter<T: IntoIterator<Item = MediaKind>>(kinds: T) -> Self {
        let mut set = Self::NONE;
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

/// The transport of an m-line (RFC 8866 5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol<'a> {
    /// `RTP/AVP`: plain RTP.
    RtpAvp,
    /// `RTP/AVPF`: plain RTP with early feedback (RFC 4585).
    RtpAvpf,
    /// `RTP/SAVP` or `RTP/SAVPF`: SRTP keyed in the SDP.
    RtpSavp(&'a str),
    /// `UDP/TLS/RTP/SAVP` or `UDP/TLS/RTP/SAVPF`: SRTP keyed by DTLS (RFC 5764).
    DtlsRtp(&'a str),
    /// `udptl`: fax (T.38).
    Udptl(&'a str),
    /// Any other.
    Other(&'a str),
}

impl<'a> Protocol<'a> {
    /// Reads the m-line's third field; names compare without case.
    pub fn from_text(text: &'a str) -> Self {
        let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        if is(&["RTP/AVP"]) {
            Self::RtpAvp
        } else if is(&["RTP/AVPF"]) {
            Self::RtpAvpf
        } else if is(&["RTP/SAVP", "RTP/SAVPF"]) {
            Self::RtpSavp(text)
        } else if is(&["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"]) {
            Self::DtlsRtp(text)
        } else if is(&["udptl"]) {
            Self::Udptl(text)
        } else {
            Self::Other(text)
        }
    }

    /// As it is written.
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::RtpAvp => "RTP/AVP",
            Self::RtpAvpf => "RTP/AVPF",
            Self::RtpSavp(text) | Self::DtlsRtp(text) | Self::Udptl(text) | Self::Other(text) => text,
        }
    }

    /// Whether the formats are RTP payload types.
    pub const fn is_rtp(self) -> bool {
        match self {
            Self::RtpAvp | Self::RtpAvpf | Self::RtpSavp(_) | Self::DtlsRtp(_) => true,
            Self::Udptl(_) | Self::Other(_) => false,
        }
    }

    /// Whether it is RTP without encryption, which this crate speaks.
    pub const fn is_plain_rtp(self) -> bool {
        matches!(self, Self::RtpAvp | Self::RtpAvpf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let kinds: MediaKinds = [MediaKind::Video, MediaKind::Audio, MediaKind::Video].into_iter().collect();
        assert_eq!(kinds.iter().collect::<Vec<_>>(), [MediaKind::Audio, MediaKind::Video]);
        assert!(!kinds.contains(MediaKind::Image) && !kinds.is_empty() && MediaKinds::NONE.is_empty());
    }

    #[test]
    fn names_are_read_without_case() {
        assert_eq!(MediaKind::from_name("AUDIO"), MediaKind::Audio);
        assert_eq!(MediaKind::from_name("hologram"), MediaKind::Other);
        assert_eq!(Protocol::from_text("rtp/avp"), Protocol::RtpAvp);
        assert!(!Protocol::from_text("RTP/SAVP").is_plain_rtp());
        assert!(!Protocol::from_text("TCP/MSRP").is_rtp());
    }
}
