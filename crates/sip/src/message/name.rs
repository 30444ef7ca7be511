//! Header field names: which exist, their compact forms, whether they may repeat and split at commas.

use std::fmt;

/// How often a header field may stand in a message, and what a comma in it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// At most once (RFC 3261 7.3.1, 20); a second one is an error.
    One,
    /// A comma-separated list that may also be spread over several fields.
    List,
    /// A comma is part of the value. May stand several times (challenges, credentials), or is only informative, so
    /// that a second one is no reason to refuse a message: the first counts.
    Many,
}

use Shape::{List, Many, One};

macro_rules! names {
    ($($variant:ident = $text:literal, $compact:literal, $shape:ident, $source:literal;)*) => {
        /// The name of a header field. Names compare without case, compact forms equal the long ones (RFC 3261
        /// 7.3.3).
        #[derive(Clone, Copy, Debug)]
        pub enum Name<'a> {
            $(#[doc = concat!("`", $text, "` (", $source, ").")] $variant,)*
            /// A name without a variant of its own. [`Name::new`] never returns this for the ones above.
            Other(&'a str),
        }

        /// Every known name: long form, compact form (or empty), shape.
        const TABLE: &[(&str, &str, Shape)] = &[$(($text, $compact, $shape),)*];
        const KNOWN: &[Name<'static>] = &[$(Name::$variant,)*];
        enum Index { $($variant,)* }

        impl<'a> Name<'a> {
            /// The number of a known name; `UNKNOWN` for others.
            pub(crate) const fn id(self) -> u8 {
                match self {
                    $(Self::$variant => Index::$variant as u8,)*
                    Self::Other(_) => UNKNOWN,
                }
            }
        }
    };
}

/// The number of names without a variant.
pub(crate) const UNKNOWN: u8 = 255;

names! {
    Accept = "Accept", "", List, "RFC 3261 20.1";
    AcceptContact = "Accept-Contact", "a", List, "RFC 3841";
    AcceptEncoding = "Accept-Encoding", "", List, "RFC 3261 20.2";
    AcceptLanguage = "Accept-Language", "", List, "RFC 3261 20.3";
    AlertInfo = "Alert-Info", "", List, "RFC 3261 20.4";
    Allow = "Allow", "", List, "RFC 3261 20.5";
    AllowEvents = "Allow-Events", "u", List, "RFC 6665";
    AuthenticationInfo = "Authentication-Info", "", One, "RFC 3261 20.6";
    Authorization = "Authorization", "", Many, "RFC 3261 20.7";
    CallId = "Call-ID", "i", One, "RFC 3261 20.8";
    CallInfo = "Call-Info", "", List, "RFC 3261 20.9";
    Contact = "Contact", "m", List, "RFC 3261 20.10";
    ContentDisposition = "Content-Disposition", "", One, "RFC 3261 20.11";
    ContentEncoding = "Content-Encoding", "e", List, "RFC 3261 20.12";
    ContentLanguage = "Content-Language", "", List, "RFC 3261 20.13";
    ContentLength = "Content-Length", "l", One, "RFC 3261 20.14";
    ContentType = "Content-Type", "c", One, "RFC 3261 20.15";
    CSeq = "CSeq", "", One, "RFC 3261 20.16";
    Date = "Date", "", Many, "RFC 3261 20.17";
    Diversion = "Diversion", "", List, "RFC 5806";
    ErrorInfo = "Error-Info", "", List, "RFC 3261 20.18";
    Event = "Event", "o", One, "RFC 6665";
    Expires = "Expires", "", One, "RFC 3261 20.19";
    FlowTimer = "Flow-Timer", "", Many, "RFC 5626";
    From = "From", "f", One, "RFC 3261 20.20";
    HistoryInfo = "History-Info", "", List, "RFC 7044";
    Identity = "Identity", "y", Many, "RFC 8224";
    InReplyTo = "In-Reply-To", "", List, "RFC 3261 20.21";
    InfoPackage = "Info-Package", "", One, "RFC 6086";
    Join = "Join", "", One, "RFC 3911";
    MaxForwards = "Max-Forwards", "", One, "RFC 3261 20.22";
    MimeVersion = "MIME-Version", "", Many, "RFC 3261 20.24";
    MinExpires = "Min-Expires", "", One, "RFC 3261 20.23";
    MinSe = "Min-SE", "", One, "RFC 4028";
    Organization = "Organization", "", Many, "RFC 3261 20.25";
    PAccessNetworkInfo = "P-Access-Network-Info", "", List, "RFC 7315";
    PAssertedIdentity = "P-Asserted-Identity", "", List, "RFC 3325";
    PAssociatedUri = "P-Associated-URI", "", List, "RFC 7315";
    PCalledPartyId = "P-Called-Party-ID", "", Many, "RFC 7315";
    PChargingVector = "P-Charging-Vector", "", Many, "RFC 7315";
    PPreferredIdentity = "P-Preferred-Identity", "", List, "RFC 3325";
    Path = "Path", "", List, "RFC 3327";
    Priority = "Priority", "", Many, "RFC 3261 20.26";
    Privacy = "Privacy", "", Many, "RFC 3323";
    ProxyAuthenticate = "Proxy-Authenticate", "", Many, "RFC 3261 20.27";
    ProxyAuthorization = "Proxy-Authorization", "", Many, "RFC 3261 20.28";
    ProxyRequire = "Proxy-Require", "", List, "RFC 3261 20.29";
    RAck = "RAck", "", One, "RFC 3262";
    RSeq = "RSeq", "", One, "RFC 3262";
    Reason = "Reason", "", List, "RFC 3326";
    RecordRoute = "Record-Route", "", List, "RFC 3261 20.30";
    RecvInfo = "Recv-Info", "", List, "RFC 6086";
    ReferSub = "Refer-Sub", "", One, "RFC 4488";
    ReferTo = "Refer-To", "r", One, "RFC 3515";
    ReferredBy = "Referred-By", "b", One, "RFC 3892";
    RejectContact = "Reject-Contact", "j", List, "RFC 3841";
    RemotePartyId = "Remote-Party-ID", "", List, "draft-ietf-sip-privacy-04";
    Replaces = "Replaces", "", One, "RFC 3891";
    ReplyTo = "Reply-To", "", One, "RFC 3261 20.31";
    RequestDisposition = "Request-Disposition", "d", List, "RFC 3841";
    Require = "Require", "", List, "RFC 3261 20.32";
    RetryAfter = "Retry-After", "", One, "RFC 3261 20.33";
    Route = "Route", "", List, "RFC 3261 20.34";
    SecurityClient = "Security-Client", "", List, "RFC 3329";
    SecurityServer = "Security-Server", "", List, "RFC 3329";
    SecurityVerify = "Security-Verify", "", List, "RFC 3329";
    Server = "Server", "", Many, "RFC 3261 20.35";
    ServiceRoute = "Service-Route", "", List, "RFC 3608";
    SessionExpires = "Session-Expires", "x", One, "RFC 4028";
    SessionId = "Session-ID", "", Many, "RFC 7989";
    SipEtag = "SIP-ETag", "", One, "RFC 3903";
    SipIfMatch = "SIP-If-Match", "", One, "RFC 3903";
    Subject = "Subject", "s", Many, "RFC 3261 20.36";
    SubscriptionState = "Subscription-State", "", One, "RFC 6665";
    Supported = "Supported", "k", List, "RFC 3261 20.37";
    TargetDialog = "Target-Dialog", "", One, "RFC 4538";
    Timestamp = "Timestamp", "", Many, "RFC 3261 20.38";
    To = "To", "t", One, "RFC 3261 20.39";
    Unsupported = "Unsupported", "", List, "RFC 3261 20.40";
    UserAgent = "User-Agent", "", Many, "RFC 3261 20.41";
    UserToUser = "User-to-User", "", List, "RFC 7433";
    Via = "Via", "v", List, "RFC 3261 20.42";
    Warning = "Warning", "", List, "RFC 3261 20.43";
    WwwAuthenticate = "WWW-Authenticate", "", Many, "RFC 3261 20.44";
}

const SLOTS: usize = 512;
const LONGEST: usize = 32;

/// Octets of a token with letters in lower case. Other octets of tokens stay apart from one another.
const fn folded(c: u8) -> u8 {
    c | 0x20
}

const fn hash(name: &[u8]) -> usize {
    match name {
        [first, .., last] => {
            let middle = name[name.len() / 2];
            (folded(*first) as usize * 31
                + folded(middle) as usize * 7
                + folded(*last) as usize * 131
                + name.len() * 17)
                % SLOTS
        }
        [one] => folded(*one) as usize,
        [] => 0,
    }
}

/// A name as it is compared, and its number.
#[derive(Clone, Copy)]
struct Slot {
    id: u8,
    len: u8,
    name: [u8; LONGEST],
}

/// Open addressing over both forms; an empty slot has the number `UNKNOWN`.
static SLOT: [Slot; SLOTS] = slots();

const fn slots() -> [Slot; SLOTS] {
    let mut table = [Slot { id: UNKNOWN, len: 0, name: [0; LONGEST] }; SLOTS];
    let mut id = 0;
    while id < TABLE.len() {
        insert(&mut table, TABLE[id].0.as_bytes(), id as u8);
        if !TABLE[id].1.is_empty() {
            insert(&mut table, TABLE[id].1.as_bytes(), id as u8);
        }
        id += 1;
    }
    table
}

const fn insert(table: &mut [Slot; SLOTS], name: &[u8], id: u8) {
    let mut at = hash(name);
    while table[at].id != UNKNOWN {
        at = (at + 1) % SLOTS;
    }
    let mut slot = Slot { id, len: name.len() as u8, name: [0; LONGEST] };
    let mut i = 0;
    while i < name.len() {
        slot.name[i] = folded(name[i]);
        i += 1;
    }
    table[at] = slot;
}

/// The number of a name, long or compact. What is no token may be taken for a name.
pub(crate) fn id_of(name: &[u8]) -> u8 {
    let mut at = hash(name);
    loop {
        let slot = &SLOT[at % SLOTS];
        if slot.id == UNKNOWN {
            return UNKNOWN;
        }
        if usize::from(slot.len) == name.len() {
            let differences = name.iter().zip(&slot.name).fold(0, |found, (a, b)| found | (folded(*a) ^ *b));
            if differences == 0 {
                return slot.id;
            }
        }
        at += 1;
    }
}

/// The known name with this number.
pub(crate) fn by_id(id: u8) -> Option<Name<'static>> {
    KNOWN.get(usize::from(id)).copied()
}

impl<'a> Name<'a> {
    /// The name in a long or compact form.
    pub fn new(name: &'a str) -> Self {
        by_id(id_of(name.as_bytes())).unwrap_or(Name::Other(name))
    }

    /// The long form, as the RFC writes it; other names as they came.
    pub fn as_str(self) -> &'a str {
        match self {
            Name::Other(name) => name,
            known => TABLE.get(usize::from(known.id())).map_or("", |(long, ..)| long),
        }
    }

    /// The compact form, if there is one.
    pub fn compact(self) -> Option<&'static str> {
        TABLE.get(usize::from(self.id())).map(|(_, compact, _)| *compact).filter(|c| !c.is_empty())
    }

    /// The same name with `Other` only where there is no variant.
    pub(crate) fn normalized(self) -> Self {
        match self {
            Name::Other(name) => Name::new(name),
            known => known,
        }
    }

    pub(crate) fn shape(self) -> Shape {
        TABLE.get(usize::from(self.id())).map_or(Many, |(_, _, shape)| *shape)
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.normalized(), other.normalized()) {
            (Name::Other(a), Name::Other(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a.id() == b.id(),
        }
    }
}

impl Eq for Name<'_> {}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_both_forms_and_any_case() {
        for (id, (long, compact, _)) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(id_of(long.to_uppercase().as_bytes())), id, "{long}");
            assert!(compact.is_empty() || usize::from(id_of(compact.to_uppercase().as_bytes())) == id);
        }
        assert_eq!(id_of(b"X-Nothing"), UNKNOWN);
        assert_eq!(id_of(b""), UNKNOWN);
    }

    #[test]
    fn compact_names_equal_long_names() {
        assert_eq!(Name::new("v"), Name::Via);
        assert_eq!(Name::Other("call-id"), Name::CallId);
        assert_ne!(Name::Other("X-A"), Name::Other("X-B"));
        assert_eq!(Name::Other("X-A"), Name::new("x-a"));
    }
}
