//! Who may: digest authentication of users, as registrar (401) and as proxy (407).

use crate::failures::Failures;
use crate::location::{Locations, UserId};
use crate::own::Own;
use hookswitch_machine::{Entropy, Time};
use hookswitch_sip::auth::{Account, Authorization, Place, Server, ServerConfig, Verdict};
use hookswitch_sip::message::{Message, Name};
use std::net::IpAddr;

/// The outcome of a check.
#[derive(Debug)]
pub(crate) enum Pass {
    /// The request comes from this user.
    User(UserId),
    /// Ask for credentials: status, header field name, values.
    Challenge(u16, &'static str, Vec<String>),
    /// No such user, a wrong password, or somebody else's name.
    Forbidden,
    /// Credentials that cannot be read.
    Malformed,
}

/// Both kinds of challenges.
#[derive(Debug)]
pub(crate) struct Gate {
    registrar: Server,
    proxy: Server,
    /// Knows no nonce, so that it says of credentials whether they fit and nothing is used up.
    reader: Server,
    failures: Failures,
}

impl Gate {
    /// A gate that offers SHA-256 and MD5 (RFC 8760).
    pub(crate) fn new(realm: &str, nonces: usize, entropy: &mut Entropy) -> Self {
        let mut server = |place| {
            let config = ServerConfig { remembered: nonces, ..ServerConfig::new(realm, place) };
            Server::new(config, entropy)
        };
        let (registrar, proxy, reader) = (server(Place::Server), server(Place::Proxy), server(Place::Proxy));
        Self { registrar, proxy, reader, failures: Failures::new(entropy) }
    }

    /// Checks the credentials of a request. The address `claimed` must be the user's own.
    pub(crate) fn check(
        &mut self,
        now: Time,
        place: Place,
        from: IpAddr,
        request: &Message,
        own: &Own,
        locations: &Locations,
    ) -> Pass {
        if self.is_blocked(now, place, from, request) {
            return Pass::Forbidden;
        }
        let server = match place {
            Place::Server => &mut self.registrar,
            Place::Proxy => &mut self.proxy,
        };
        let values = request.headers(Name::new(place.credentials_header()));
        let account = |name: &str, _| locations.password(name).map(Account::Password);
        match server.check(now, request.method().as_str(), values, request.body(), account) {
            Verdict::Ok { user } => {
                let claimed = match place {
                    // RFC 3261 10.3, 4: who registers, and for whom.
                    Place::Server => request.to(),
                    Place::Proxy => request.from(),
                };
                let uri = claimed.uri();
                let is_own = own.is_home(&uri) && uri.user_unescaped().is_some_and(|name| name == user);
                match locations.find(&user).filter(|_| is_own) {
                    Some(id) => Pass::User(id),
                    None => Pass::Forbidden,
                }
            }
            Verdict::Challenge { stale } => {
                let (status, name, values) = challenge(server, now, place, request, stale);
                Pass::Challenge(status, name, values)
            }
            Verdict::BadCredentials { user } => {
                self.failures.wrong(now, &user, from);
                Pass::Forbidden
            }
            Verdict::Malformed(_) => Pass::Malformed,
        }
    }

    /// Whether a request has credentials that fit, fresh or not. Nothing is used up, and whoever has guessed too often learns nothing.
    pub(crate) fn is_proven(
        &mut self,
        now: Time,
        place: Place,
        from: IpAddr,
        request: &Message,
        locations: &Locations,
    ) -> bool {
        request.header(Name::new(place.credentials_header())).is_some()
            && !self.is_blocked(now, place, from, request)
            && matches!(self.read(place, request, locations), Verdict::Challenge { stale: true })
    }

    fn is_blocked(&mut self, now: Time, place: Place, from: IpAddr, request: &Message) -> bool {
        let mut values = request.headers(Name::new(place.credentials_header()));
        let named = values.find_map(|value| Some(Authorization::parse(value).ok()?.username()));
        named.is_some_and(|user| self.failures.is_blocked(now, &user, from))
    }

    /// What a request is answered whose credentials are missing or do not fit.
    pub(crate) fn stranger(
        &mut self,
        now: Time,
        place: Place,
        from: IpAddr,
        request: &Message,
        locations: &Locations,
    ) -> Pass {
        if self.is_blocked(now, place, from, request) {
            return Pass::Forbidden;
        }
        match self.read(place, request, locations) {
            Verdict::Challenge { .. } => {
                let server = match place {
                    Place::Server => &mut self.registrar,
                    Place::Proxy => &mut self.proxy,
                };
                let (status, name, values) = challenge(server, now, place, request, false);
                Pass::Challenge(status, name, values)
            }
            Verdict::BadCredentials { user } => {
                self.failures.wrong(now, &user, from);
                Pass::Forbidden
            }
            Verdict::Ok { .. } => Pass::Forbidden,
            Verdict::Malformed(_) => Pass::Malformed,
        }
    }

    fn read<'m>(&mut self, place: Place, request: &'m Message, locations: &Locations) -> Verdict<'m> {
        let values = request.headers(Name::new(place.credentials_header()));
        let account = |name: &str, _| locations.password(name).map(Account::Password);
        self.reader.check(Time::ZERO, request.method().as_str(), values, request.body(), account)
    }

    /// The values of Proxy-Authorization that are for others (RFC 3261 22.3); `None` if all are.
    pub(crate) fn foreign_credentials<'m>(&self, request: &'m Message) -> Option<Vec<&'m str>> {
        let realm = &self.proxy.config().realm;
        let is_ours = |value: &&str| Authorization::parse(value).is_ok_and(|given| given.realm == realm);
        let mut values = request.headers(Name::ProxyAuthorization);
        values
            .any(|value| is_ours(&value))
            .then(|| request.headers(Name::ProxyAuthorization).filter(|value| !is_ours(value)).collect())
    }
}

fn challenge(
    server: &mut Server,
    now: Time,
    place: Place,
    request: &Message,
    stale: bool,
) -> (u16, &'static str, Vec<String>) {
    let offer_all = !chokes_on_sha_256(request);
    let values = server.challenges(now, stale);
    let values = values.filter(|value| offer_all || value.contains("algorithm=MD5")).collect();
    (place.status(), place.challenge_header(), values)
}

/// Phones that give up when any of several challenges names another algorithm than MD5, against RFC 3261 22.3. They lose nothing:
/// MD5 is offered to everybody.
fn chokes_on_sha_256(request: &Message) -> bool {
    let product = request.header(Name::UserAgent).unwrap_or_default();
    ["baresip v0.", "baresip v1."].iter().any(|old| product.starts_with(old))
}
