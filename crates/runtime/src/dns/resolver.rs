//! Asks the questions of RFC 3263.

use super::order::{self, Pointer, Service};
use super::{DnsOptions, SIP_PORT, numeric};
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use hookswitch_machine::{Endpoint, Entropy, Question, ResolveError, Target, Transport};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many SRV records are followed, and how many targets an answer has.
const SERVICES: usize = 16;
const TARGETS: usize = 32;

/// From which of our endpoints targets can be reached: others are not worth trying.
#[derive(Clone, Debug)]
pub(crate) struct Reachable(Vec<(Transport, bool)>);

impl Reachable {
    pub(crate) fn from(endpoints: &[Endpoint]) -> Self {
        Self(endpoints.iter().map(|endpoint| (endpoint.transport, endpoint.advertised.is_ipv6())).collect())
    }

    fn speaks(&self, transport: Transport) -> bool {
        self.0.iter().any(|&(ours, _)| ours == transport)
    }

    fn reaches(&self, target: &Target) -> bool {
        self.0.contains(&(target.transport, target.address.is_ipv6()))
    }
}

/// Looks hosts up. Lives on the thread for streams and names.
pub(crate) struct Resolver {
    dns: TokioResolver,
    naptr: bool,
    reachable: Reachable,
    concurrent: Semaphore,
    chance: Mutex<Entropy>,
}

impl Resolver {
    /// A resolver with the system's name servers and hosts file, unless `options` name others.
    pub(crate) fn new(options: &DnsOptions, reachable: Reachable, chance: Entropy) -> Result<Self, NetError> {
        let mut builder = match &options.servers {
            Some(servers) => with_servers(servers),
            None => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                tracing::warn!(target: "hookswitch::dns", %error, "no system configuration: only the hosts file is used");
                with_servers(&[])
            }),
        };
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(Self {
            dns: builder.build()?,
            naptr: options.naptr,
            reachable,
            concurrent: Semaphore::new(options.concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            chance: Mutex::new(chance),
        })
    }

    /// The targets to try, in order; at `deadline` at the latest.
    pub(crate) async fn resolve(
        &self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Vec<Target>, ResolveError> {
        let answer = async {
            // Never closed, so it always comes.
            let _permit = self.concurrent.acquire().await;
            self.targets(question).await
        };
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(ResolveError::TimedOut),
        }
    }

    async fn targets(&self, question: &Question) -> Result<Vec<Target>, ResolveError> {
        if let Some(target) = numeric(question) {
            return Ok(vec![target]);
        }
        let mut targets = Vec::new();
        // RFC 3263 4.2: a port in the URI forbids SRV. A name without a dot has no domain to hold SRV records.
        if question.port.is_none() && question.host.trim_end_matches('.').contains('.') {
            targets = self.by_service(question).await;
        }
        if targets.is_empty() {
            let transport = question.transport.unwrap_or(Transport::Udp);
            let port = question.port.unwrap_or(SIP_PORT);
            let addresses = self.addresses(&question.host).await?;
            targets.extend(
                addresses.into_iter().map(|ip| Target { transport, address: SocketAddr::new(ip, port) }),
            );
        }
        let found = targets.len();
        targets.retain(|target| self.reachable.reaches(target));
        targets.truncate(TARGETS);
        if targets.is_empty() && found > 0 {
            return Err(ResolveError::Failed(format!(
                "{} has {found} addresses, all of a transport or address family that is not listened on here",
                question.host
            )));
        }
        if targets.is_empty() { Err(ResolveError::NotFound) } else { Ok(targets) }
    }

    /// Targets by NAPTR and SRV; empty if there are no such records or their hosts have no address.
    async fn by_service(&self, question: &Question) -> Vec<Target> {
        let domain = question.host.trim_end_matches('.');
        let names: Vec<(Transport, String)> = match question.transport {
            Some(transport) => vec![(transport, service_name(transport, domain))],
            None => {
                let pointers = if self.naptr { self.pointers(domain).await } else { Vec::new() };
                if pointers.is_empty() {
                    [Transport::Udp, Transport::Tcp]
                        .into_iter()
                        .filter(|&transport| self.reachable.speaks(transport))
                        .map(|transport| (transport, service_name(transport, domain)))
                        .collect()
                } else {
                    pointers.into_iter().map(|pointer| (pointer.transport, pointer.replacement)).collect()
                }
            }
        };
        let mut hosts = Vec::new();
        for (transport, name) in names {
            let services = self.services(&name).await;
            hosts.extend(services.into_iter().map(|service| (transport, service)));
        }
        hosts.truncate(SERVICES);
        self.follow(hosts).await
    }

    async fn pointers(&self, domain: &str) -> Vec<Pointer> {
        let Ok(lookup) = self.dns.lookup(absolute(domain), RecordType::NAPTR).await else {
            return Vec::new();
        };
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::NAPTR(naptr) if naptr.flags.eq_ignore_ascii_case(b"s") => {
                let transport = order::transport_of(&naptr.services)?;
                self.reachable.speaks(transport).then(|| Pointer {
                    order: naptr.order,
                    preference: naptr.preference,
                    transport,
                    replacement: naptr.replacement.to_ascii(),
                })
            }
            _ => None,
        });
        order::pointers(records.collect())
    }

    async fn services(&self, name: &str) -> Vec<Service> {
        let Ok(lookup) = self.dns.lookup(absolute(name), RecordType::SRV).await else {
            return Vec::new();
        };
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                host: srv.target.to_ascii(),
            }),
            _ => None,
        });
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        order::services(records.collect(), &mut chance)
    }

    /// The addresses of all `hosts` at once, in their order.
    async fn follow(&self, hosts: Vec<(Transport, Service)>) -> Vec<Target> {
        let mut lookups = JoinSet::new();
        for (number, (transport, service)) in hosts.into_iter().enumerate() {
            let dns = self.dns.clone();
            lookups.spawn(async move {
                let found = dns.lookup_ip(absolute(&service.host)).await;
                let addresses: Vec<IpAddr> = found.map(|found| found.iter().collect()).unwrap_or_default();
                (number, transport, service.port, addresses)
            });
        }
        let mut found = lookups.join_all().await;
        found.sort_by_key(|&(number, ..)| number);
        let targets = found.into_iter().flat_map(|(_, transport, port, addresses)| {
            addresses.into_iter().map(move |ip| Target { transport, address: SocketAddr::new(ip, port) })
        });
        targets.collect()
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        match self.dns.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Err(ResolveError::NotFound),
            Err(NetError::Timeout) => Err(ResolveError::TimedOut),
            Err(error) => Err(ResolveError::Failed(error.to_string())),
        }
    }
}

fn with_servers(servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let servers = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

/// RFC 3263 4.2.
fn service_name(transport: Transport, domain: &str) -> String {
    format!("_sip._{}.{domain}.", transport.param())
}

/// The name itself, not one of the search domains' names.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}
