//! Where a host takes SIP: RFC 3263 over the system's DNS and hosts file.
//!
//! `order.rs` is the arithmetic of RFC 2782 and RFC 3263 without I/O; `resolver.rs` asks the questions. Answers are cached for
//! their time to live.

mod order;
mod resolver;

pub(crate) use resolver::{Reachable, Resolver};

use hookswitch_machine::{Question, Target, Transport};
use std::net::{IpAddr, SocketAddr};

/// The port of SIP over UDP and TCP (RFC 3261 19.1.2).
pub(crate) const SIP_PORT: u16 = 5060;

/// How hosts are looked up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DnsOptions {
    /// The name servers to ask instead of the system's.
    pub servers: Option<Vec<SocketAddr>>,
    /// Whether to ask for NAPTR records (RFC 3263 4.1) when the URI names no transport.
    pub naptr: bool,
    /// How many questions may be asked at a time; more wait.
    pub concurrent: usize,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self { servers: None, naptr: true, concurrent: 256 }
    }
}

/// The answer to a question that needs no DNS: a numeric host (RFC 3263 4.1, 4.2). UDP unless the URI says otherwise.
pub fn numeric(question: &Question) -> Option<Target> {
    let host = question.host.as_str();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let ip: IpAddr = bare.parse().ok()?;
    Some(Target {
        transport: question.transport.unwrap_or(Transport::Udp),
        address: SocketAddr::new(ip, question.port.unwrap_or(SIP_PORT)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_hosts_need_no_dns() {
        let ask = |host: &str, port, transport| numeric(&Question { host: host.to_owned(), port, transport });
        let target = |transport, address: &str| Some(Target { transport, address: address.parse().unwrap() });
        assert_eq!(ask("192.0.2.1", None, None), target(Transport::Udp, "192.0.2.1:5060"));
        assert_eq!(
            ask("[2001:db8::1]", Some(5070), Some(Transport::Tcp)),
            target(Transport::Tcp, "[2001:db8::1]:5070")
        );
        assert_eq!(ask("2001:db8::1", None, None), target(Transport::Udp, "[2001:db8::1]:5060"));
        assert_eq!(ask("example.com", None, None), None);
    }
}
