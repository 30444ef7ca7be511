//! One dialog of the scripted peer: a call as a party outside sees it, and how its messages are written.

use crate::conformance::subject::Saw;
use hookswitch_sip::message::{Message, Name};
use hookswitch_spi::MediaTypes;
use std::fmt::Write;
use std::net::SocketAddr;

/// The domain of the lines.
pub const DOMAIN: &str = "pbx.test";

/// Where a peer is, and what it may use there.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where the peer is: what its Via, its Contacts and its session descriptions name.
    pub peer: SocketAddr,
    /// Where the provider is.
    pub provider: SocketAddr,
    /// The audio port of the first party, and how far that of the next is.
    pub audio: (u16, u16),
    /// Tells the Call-IDs of this peer's calls from those of others.
    pub run: String,
}

impl Default for Place {
    /// In virtual time, where nobody else is.
    fn default() -> Self {
        Self {
            peer: ([10, 0, 0, 2], 5_060).into(),
            provider: ([10, 0, 0, 1], 5_060).into(),
            audio: (30_000, 20),
            run: String::new(),
        }
    }
}

/// A call as a party sees it.
#[derive(Debug)]
pub struct Leg {
    /// Where the peer is.
    pub(super) place: SocketAddr,
    /// Who the party is: a user part.
    pub user: String,
    /// Its Call-ID.
    pub call_id: String,
    /// `From` of what the party sends within the dialog, tag included.
    pub own: String,
    /// `To` of what it sends; with the provider's tag once that is known.
    pub(super) theirs: String,
    /// Where its requests go.
    pub(super) target: String,
    /// The last number it used.
    pub(super) cseq: u32,
    /// The party called the provider.
    pub calls: bool,
    pub(super) state: LegState,
    /// The provider's INVITE that waits for an answer.
    pub(super) pending: Option<Message>,
    /// The branch of the party's INVITE that waits for one.
    pub(super) branch: String,
    /// What the party's own INVITE offered.
    pub(super) media: MediaTypes,
    /// The party's offers and answers so far.
    pub(super) version: u32,
    /// How the party wants the audio: `sendrecv`, `sendonly`.
    pub(super) direction: &'static str,
    /// What it was last offered: the provider holds it.
    pub(super) held: bool,
    /// Where it hears.
    pub port: u16,
    /// The codec that it talks in: PCMU or PCMA.
    pub(super) payload: u8,
    /// What it noticed, oldest first.
    pub saw: Vec<Saw>,
    pub(super) refuse_within: u16,
    /// It does not answer anything any more.
    pub silent: bool,
    pub(super) when_transferred: u16,
    /// Whom it talks to after a transfer.
    pub joined: Option<u32>,
}

/// How far a call has come, at the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    /// No final response yet.
    Early,
    /// It answered, or was answered.
    Up,
    /// Over.
    Over,
}

impl Leg {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state == LegState::Over
    }

    /// The party's session description.
    pub(super) fn sdp(&mut self) -> String {
        self.version += 1;
        let mut sdp = format!(
            "v=0\r\no=- {port} {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n",
            ip = self.place.ip(),
            port = self.port,
            version = self.version,
        );
        for media in self.media.iter() {
            use hookswitch_spi::MediaType as M;
            let _ = match media {
                M::Voice => write!(
                    sdp,
                    "m=audio {} RTP/AVP {} 101\r\na=rtpmap:101 telephone-event/8000\r\na={}\r\n",
                    self.port, self.payload, self.direction
                ),
                M::Video => write!(sdp, "m=video {} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", self.port + 2),
                M::Fax => write!(sdp, "m=image {} udptl t38\r\n", self.port + 4),
                M::Text => write!(sdp, "m=text {} RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n", self.port + 6),
                M::Data => write!(sdp, "m=message {} TCP/MSRP *\r\n", self.port + 8),
                M::Unknown => Ok(()),
            };
        }
        sdp
    }

    /// Chooses a codec of an offer; false if the party knows none of it.
    pub(super) fn agree(&mut self, offer: &str) -> bool {
        let Some(audio) = offer.lines().find_map(|line| line.strip_prefix("m=audio ")) else { return true };
        let payloads = audio.split_whitespace().skip(2).filter_map(|payload| payload.parse().ok());
        let known = payloads.into_iter().find(|payload: &u8| matches!(payload, 0 | 8));
        self.payload = known.unwrap_or(self.payload);
        known.is_some()
    }

    /// A request within the dialog, or the one that opens it.
    pub(super) fn request(&mut self, method: &str, branch: &str, fields: &str, body: Body<'_>) -> String {
        if method != "ACK" && method != "CANCEL" {
            self.cseq += 1;
        }
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {own}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n",
            peer = self.place,
            target = self.target,
            own = self.own,
            theirs = self.theirs,
            call_id = self.call_id,
            cseq = self.cseq,
        );
        if method != "CANCEL" {
            let _ = write!(text, "Contact: <sip:{}@{}>\r\n", self.user, self.place);
        }
        text.push_str(fields);
        body.end(&mut text);
        text
    }

    /// A response to a request of the provider's.
    pub(super) fn response(&self, request: &Message, status: u16, fields: &str, body: Body<'_>) -> String {
        let own_tag = self.own.rsplit_once(";tag=").map_or("", |(_, tag)| tag);
        let fields = format!("Contact: <sip:{}@{}>\r\n{fields}", self.user, self.place);
        respond(request, status, own_tag, &fields, body)
    }

    /// Something is noticed.
    pub fn note(&mut self, saw: Saw) {
        self.saw.push(saw);
    }
}

/// A body and its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    None,
    Sdp(&'a str),
    Other(&'a str, &'a str),
}

impl Body<'_> {
    fn end(self, text: &mut String) {
        let _ = match self {
            Self::None => write!(text, "Content-Length: 0\r\n\r\n"),
            Self::Sdp(sdp) => {
                write!(text, "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
            }
            Self::Other(kind, body) => {
                write!(text, "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
        };
    }
}

/// A response; `tag` is added to a To that has none, unless it is a 100.
pub(super) fn respond(request: &Message, status: u16, tag: &str, fields: &str, body: Body<'_>) -> String {
    let mut text = format!("SIP/2.0 {status} {}\r\n", hookswitch_sip::message::reason_phrase(status));
    for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
        for value in request.headers(name) {
            let _ = write!(text, "{}: {value}\r\n", name.as_str());
        }
    }
    let to = request.header(Name::To).unwrap_or_default();
    let tagged = to.contains(";tag=") || status == 100;
    let _ = if tagged { write!(text, "To: {to}\r\n") } else { write!(text, "To: {to};tag={tag}\r\n") };
    text.push_str(fields);
    body.end(&mut text);
    text
}

/// User information as a header line (RFC 7433), or nothing.
pub(super) fn user_info_line(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("User-to-User: {hex};encoding=hex\r\n")
}

/// The user information in a message.
pub(super) fn user_info(message: &Message) -> Vec<u8> {
    let Some(value) = message.header(Name::new("User-to-User")) else { return Vec::new() };
    let hex = value.split(';').next().unwrap_or_default().trim().trim_matches('"');
    let pairs = hex.as_bytes().chunks(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
