//! Passages: what a Record-Route of ours remembers of a dialog, so that we need not.
//!
//! The user part of our Record-Route holds who both sides are, the flows to them, and a proof that we wrote it for this dialog (in
//! the manner of RFC 5626 5.2). A request that shows it needs no credentials and no look-up: it goes to the other side's flow,
//! through whatever NAT is there. The proof covers Call-ID and the caller's tag, and the tag says which way to go.

use crate::location::UserId;
use hookswitch_machine::{EndpointId, Entropy, Flow, HashKeys};
use hookswitch_sip::message::{Message, Uri};
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The way to one side of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// The path its messages came on, or went on.
    pub(crate) flow: Flow,
    /// Stands for host and port of its Contact. While requests name the same place, `flow` is the way there.
    pub(crate) place: u16,
    /// Who it is: the caller as its credentials said, the callee as the one whose phone it is.
    pub(crate) user: Option<UserId>,
}

/// Both sides of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) caller: Side,
    pub(crate) callee: Side,
}

/// Which way a request within a dialog goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) from: Side,
    pub(crate) to: Side,
}

/// The secret that makes passages ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passages {
    proof: HashKeys,
    place: HashKeys,
}

/// Digits to the base of 32, of one case.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Tells passages from users.
const MARK: char = 'p';
const CALLER_V6: u8 = 1;
const CALLEE_V6: u8 = 2;
const PROOF: usize = 8;
/// Stands for somebody who is no user.
const NOBODY: u32 = u32::MAX;

impl Passages {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self { proof: entropy.hash_keys(), place: entropy.hash_keys() }
    }

    /// What stands for host and port of a URI.
    pub(crate) fn place(&self, uri: Option<&Uri<'_>>) -> u16 {
        let mut hasher = self.place.build_hasher();
        if let Some((uri, host)) = uri.and_then(|uri| Some((uri, uri.host()?))) {
            hasher.write(host.to_string().to_ascii_lowercase().as_bytes());
            hasher.write_u16(uri.port().unwrap_or(5060));
        }
        (hasher.finish() & 0xffff) as u16
    }

    /// The user part of a Record-Route for the dialog that `request` makes.
    pub(crate) fn seal(&self, passage: &Passage, request: &Message) -> String {
        let Passage { caller, callee } = passage;
        let mut bytes = vec![0];
        let mut flags = 0;
        for (side, v6) in [(caller, CALLER_V6), (callee, CALLEE_V6)] {
            bytes.extend_from_slice(&side.flow.endpoint.0.to_be_bytes());
            bytes.extend_from_slice(&side.flow.connection.to_be_bytes());
            match side.flow.peer.ip() {
                IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => {
                    flags |= v6;
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&side.flow.peer.port().to_be_bytes());
            bytes.extend_from_slice(&side.place.to_be_bytes());
            bytes.extend_from_slice(&side.user.map_or(NOBODY, |user| user.0).to_be_bytes());
        }
        if let Some(first) = bytes.first_mut() {
            *first = flags;
        }
        let proof = self.proof(&bytes, request.call_id(), request.from_tag().unwrap_or_default());
        bytes.extend_from_slice(&proof.to_be_bytes());
        encode(&bytes)
    }

    /// Which way a request within a dialog goes, if it shows a passage of ours for this dialog.
    pub(crate) fn open(&self, user: &str, request: &Message) -> Option<Way> {
        let bytes = decode(user)?;
        let (content, proof) = bytes.split_at_checked(bytes.len().checked_sub(PROOF)?)?;
        let proof = u64::from_be_bytes(proof.try_into().ok()?);
        let Passage { caller, callee } = Passage::read(content)?;
        let (from, to) = (request.from_tag()?, request.to_tag()?);
        if self.proof(content, request.call_id(), from) == proof {
            Some(Way { from: caller, to: callee })
        } else if self.proof(content, request.call_id(), to) == proof {
            Some(Way { from: callee, to: caller })
        } else {
            None
        }
    }

    fn proof(&self, content: &[u8], call_id: &str, caller_tag: &str) -> u64 {
        let mut hasher = self.proof.build_hasher();
        hasher.write_usize(content.len());
        hasher.write(content);
        hasher.write(call_id.as_bytes());
        // No text holds this octet, so pieces cannot run together.
        hasher.write_u8(0xff);
        hasher.write(caller_tag.as_bytes());
        hasher.finish()
    }
}

impl Passage {
    fn read(content: &[u8]) -> Option<Self> {
        let (flags, rest) = content.split_first()?;
        let (caller, rest) = read_side(rest, flags & CALLER_V6 != 0)?;
        let (callee, rest) = read_side(rest, flags & CALLEE_V6 != 0)?;
        rest.is_empty().then_some(Self { caller, callee })
    }
}

fn read_side(bytes: &[u8], v6: bool) -> Option<(Side, &[u8])> {
    let (endpoint, bytes) = bytes.split_first_chunk()?;
    let (connection, bytes) = bytes.split_first_chunk()?;
    let (ip, bytes) = if v6 {
        let (octets, bytes) = bytes.split_first_chunk::<16>()?;
        (IpAddr::V6(Ipv6Addr::from(*octets)), bytes)
    } else {
        let (octets, bytes) = bytes.split_first_chunk::<4>()?;
        (IpAddr::V4(Ipv4Addr::from(*octets)), bytes)
    };
    let (port, bytes) = bytes.split_first_chunk()?;
    let (place, bytes) = bytes.split_first_chunk()?;
    let (user, bytes) = bytes.split_first_chunk()?;
    let flow = Flow {
        endpoint: EndpointId(u16::from_be_bytes(*endpoint)),
        connection: u32::from_be_bytes(*connection),
        peer: SocketAddr::new(ip, u16::from_be_bytes(*port)),
    };
    let user = Some(u32::from_be_bytes(*user)).filter(|user| *user != NOBODY).map(UserId);
    Some((Side { flow, place: u16::from_be_bytes(*place), user }, bytes))
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 2);
    text.push(MARK);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(DIGITS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(DIGITS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(MARK).filter(|digits| digits.len() <= 128)?;
    let mut bytes = Vec::with_capacity(digits.len() * 5 / 8);
    let (mut held, mut bits) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit.to_ascii_lowercase() {
            c @ b'0'..=b'9' => c - b'0',
            c @ b'a'..=b'v' => c - b'a' + 10,
            _ => return None,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 255) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_sip::message::{Limits, Method, Name};

    fn request(from: &str, to: &str) -> Message {
        let request = hookswitch_sip::message::Request::new(Method::Bye, "sip:a@192.0.2.1")
            .via("UDP", "192.0.2.1:5060", "z9hG4bK1")
            .header(Name::From, format_args!("<sip:a@x>;tag={from}"))
            .header(Name::To, format_args!("<sip:b@x>;tag={to}"))
            .call_id("c1")
            .cseq(1, Method::Bye);
        Message::parse(request.finish(), &Limits::default()).unwrap()
    }

    fn passages() -> (Passages, Passage) {
        let passages = Passages::new(&mut Entropy::from_number(1));
        let caller = Side {
            flow: Flow::to(EndpointId(1), ([192, 0, 2, 1], 5060).into()),
            place: 7,
            user: Some(UserId(5)),
        };
        let peer = "[2001:db8::9]:40000".parse().unwrap();
        let callee =
            Side { flow: Flow { endpoint: EndpointId(2), connection: 77, peer }, place: 0xffff, user: None };
        (passages, Passage { caller, callee })
    }

    #[test]
    fn a_passage_leads_to_the_other_side() {
        let (passages, passage) = passages();
        let user = passages.seal(&passage, &request("ann", "bob"));
        assert!(user.bytes().all(|c| c.is_ascii_alphanumeric()) && user.len() < 110, "{user}");
        let Passage { caller, callee } = passage;
        assert_eq!(passages.open(&user, &request("ann", "bob")), Some(Way { from: caller, to: callee }));
        assert_eq!(
            passages.open(&user.to_uppercase().replacen('P', "p", 1), &request("bob", "ann")),
            Some(Way { from: callee, to: caller })
        );
    }

    #[test]
    fn a_passage_serves_its_own_dialog_only() {
        let (passages, passage) = passages();
        let user = passages.seal(&passage, &request("ann", "bob"));
        assert_eq!(passages.open(&user, &request("eve", "bob")), None);
        for at in 1..user.len() {
            let mut forged = user.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            // The last digit holds bits that stand for nothing.
            assert!(at + 1 == user.len() || passages.open(&forged, &request("ann", "bob")).is_none(), "{at}");
        }
        for garbage in ["", "p", "p0", "alice", "p!!!", &"p0".repeat(300)] {
            assert_eq!(passages.open(garbage, &request("ann", "bob")), None);
        }
    }
}
