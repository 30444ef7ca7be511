//! What is configured for one line: an account with a softswitch or carrier.

use crate::Profile;
use hookswitch_sip::auth::Secret;
use hookswitch_sip::message::Host;
use hookswitch_spi::{ForwardingRules, MediaTypes, OperationError};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// One account. The configuration is read once; a provider keeps it unchanged while it is initialised.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// What applications open the line by.
    pub name: String,
    /// The line's number for good, where the configuration is kept in a store; else 0 (TAPI: dwPermanentLineID).
    pub permanent: u32,
    /// The kind of switch it is registered with.
    pub profile: Arc<Profile>,
    /// The registrar: where REGISTER and outgoing calls go.
    pub registrar: Server,
    /// The domain of the address of record; the registrar's host unless configured.
    pub domain: String,
    /// The user part of the address of record.
    pub user: String,
    /// The name for authentication; `user` unless configured.
    pub auth_user: String,
    /// The password.
    pub password: Secret,
    /// Answer only challenges of this realm; any realm of the registrar if absent.
    pub realm: Option<String>,
    /// The name shown to called parties.
    pub display_name: String,
    /// Register; a trunk does not.
    pub register: bool,
    /// Further user parts that calls to this line may name; the first address is `user`.
    pub numbers: Vec<String>,
    /// Peers that may call in besides the registrar.
    pub accept_from: Vec<AddressRange>,
    /// The largest number of calls at a time, 1 to 100,000.
    pub max_calls: u32,
    /// Media types that calls may carry.
    pub media: MediaTypes,
    /// Forwarding rules in force from the start.
    pub forward: ForwardingRules,
}

impl Account {
    /// Whether an address with this host and port is one of the line's own switch: its domain, or its registrar. A port is of
    /// a server, not of a domain: another server on the same host is a stranger.
    pub(crate) fn is_own_domain(&self, host: &Host<'_>, port: Option<u16>) -> bool {
        let has_port = |own: Option<u16>| port.unwrap_or(5_060) == own.unwrap_or(5_060);
        let domain = Server::parts(&self.domain).ok().filter(|(_, own)| has_port(*own));
        let registrar = (port.is_none() || has_port(self.registrar.port)).then_some(&*self.registrar.host);
        // Every call asks this: the host is written out only where its port is one of ours.
        if registrar.is_none() && domain.is_none() {
            return false;
        }
        let host = match host {
            Host::Name(name) => Cow::Borrowed(*name),
            Host::V4(_) | Host::V6(_) => Cow::Owned(host.to_string()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut own = registrar.into_iter().chain(domain.map(|(host, _)| host));
        own.any(|own| host.eq_ignore_ascii_case(own))
    }

    /// Forwarding rules as they are in force on a line of this domain: addresses completed, times clamped.
    ///
    /// # Errors
    /// The rule that cannot be, with the reason.
    pub fn checked_rules(rules: ForwardingRules, domain: &str) -> Result<ForwardingRules, OperationError> {
        crate::forwarding::checked(rules, MOST_FORWARD_RULES, domain)
    }
}

/// Rules in one forwarding list.
pub(crate) const MOST_FORWARD_RULES: u16 = 16;

/// What a shard knows of a line that lives in another: who calls there.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    registrar: Server,
    accept_from: Vec<AddressRange>,
}

impl Elsewhere {
    pub(crate) fn of(account: &Account) -> Self {
        Self { registrar: account.registrar.clone(), accept_from: account.accept_from.clone() }
    }

    /// Other peers may call in.
    pub(crate) fn set_access(&mut self, account: &Account) {
        self.accept_from.clone_from(&account.accept_from);
    }

    /// Whether a call from `peer`, which may call the line of `account`, could as well be meant for this one.
    pub(crate) fn may_be_meant(&self, peer: IpAddr, account: &Account) -> bool {
        self.registrar.host.eq_ignore_ascii_case(&account.registrar.host)
            || self
                .registrar
                .host
                .parse()
                .is_ok_and(|host: IpAddr| host.to_canonical() == peer.to_canonical())
            || self.accept_from.iter().any(|range| range.contains(peer))
    }
}

/// A SIP server as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A host name or a numeric address without brackets.
    pub host: String,
    /// The port, if given: then no SRV look-up (RFC 3263 4.2).
    pub port: Option<u16>,
}

impl Server {
    /// The server as it stands in a URI: IPv6 in brackets, the port only if given.
    pub fn hostport(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

impl std::str::FromStr for Server {
    type Err = String;

    /// `host`, `host:port`, `[v6]:port`, optionally after `sip:`.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parts(text).map(|(host, port)| Self { host: host.to_owned(), port })
    }
}

impl Server {
    /// Host and port of what can be read as a server.
    fn parts(text: &str) -> Result<(&str, Option<u16>), String> {
        let rest = text.trim().strip_prefix("sip:").unwrap_or(text.trim());
        let fail = || {
            format!("a host or host:port, such as \"pbx.example.org\" or \"192.0.2.10:5060\", not {text:?}")
        };
        let (host, port) = if let Some(v6) = rest.strip_prefix('[') {
            let (host, tail) = v6.split_once(']').ok_or_else(fail)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| fail())?;
            (host, tail.strip_prefix(':').or(if tail.is_empty() { None } else { Some("x") }))
        } else {
            match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let host_fits = !host.is_empty()
            && host.len() <= 255
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        if !host_fits {
            return Err(fail());
        }
        let port = port.map(|p| p.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(fail)).transpose()?;
        Ok((host, port))
    }
}

/// An address or a range of them: `192.0.2.10`, `192.0.2.0/24`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    base: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn same(a: u128, b: u128, width: u32, bits: u8) -> bool {
            let drop = width - u32::from(bits);
            drop >= 128 || a >> drop == b >> drop
        }
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32, self.bits),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128, self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl std::str::FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail =
            || format!("an address or range, such as \"192.0.2.10\" or \"192.0.2.0/24\", not {text:?}");
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().map_err(|_| fail())?)),
            None => (text, None),
        };
        let base: IpAddr = base.trim().parse().map_err(|_| fail())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width {
            return Err(fail());
        }
        Ok(Self { base, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_on_the_switchs_host_is_a_stranger() {
        let account = |registrar: &str, domain: &str| Account {
            name: "desk".into(),
            permanent: 0,
            profile: Arc::new(Profile::default()),
            registrar: registrar.parse().unwrap(),
            domain: domain.into(),
            user: "1001".into(),
            auth_user: "1001".into(),
            password: Secret::from(""),
            realm: None,
            display_name: String::new(),
            register: false,
            numbers: Vec::new(),
            accept_from: Vec::new(),
            max_calls: 1,
            media: MediaTypes::VOICE,
            forward: ForwardingRules::default(),
        };
        let switch = account("192.0.2.1:5070", "example.org");
        for (host, port, own) in [
            ("192.0.2.1", Some(5_070), true),
            ("192.0.2.1", None, true),
            ("192.0.2.1", Some(5_080), false),
            ("Example.org", None, true),
            ("example.org", Some(5_090), false),
            ("192.0.2.2", Some(5_070), false),
        ] {
            let uri = format!("sip:{host}");
            let read = hookswitch_sip::message::Uri::parse(&uri).unwrap().host();
            assert_eq!(switch.is_own_domain(&read.unwrap(), port), own, "{host} {port:?}");
        }
    }

    #[test]
    fn servers_are_read_in_every_form() {
        let read = |text: &str| text.parse::<Server>().map(|s| (s.hostport(), s.port));
        assert_eq!(read("pbx.example.org"), Ok(("pbx.example.org".into(), None)));
        assert_eq!(read("sip:192.0.2.1:5070"), Ok(("192.0.2.1:5070".into(), Some(5070))));
        assert_eq!(read("[2001:db8::1]:5070"), Ok(("[2001:db8::1]:5070".into(), Some(5070))));
        assert_eq!(read("[2001:db8::1]"), Ok(("[2001:db8::1]".into(), None)));
        for bad in ["", "a b", "host:0", "host:99999", "[::1", "[zz]:1", "[::1]x", "ho/st"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_contain_what_they_should() {
        let contains = |range: &str, address: &str| {
            range.parse::<AddressRange>().map(|r| address.parse().is_ok_and(|a| r.contains(a)))
        };
        assert_eq!(contains("192.0.2.0/24", "192.0.2.77"), Ok(true));
        assert_eq!(contains("192.0.2.0/24", "192.0.3.77"), Ok(false));
        assert_eq!(contains("0.0.0.0/0", "8.8.8.8"), Ok(true));
        assert_eq!(contains("2001:db8::/32", "2001:db8:1::1"), Ok(true));
        assert_eq!(contains("::1", "::1"), Ok(true));
        assert_eq!(contains("10.0.0.1", "::ffff:10.0.0.1"), Ok(true));
        assert!(contains("10.0.0.0/33", "10.0.0.1").is_err());
    }
}
