//! A registrar: digest, bindings with expiry, 423, and trouble on demand.

use hookswitch_machine::{Entropy, Time};
use hookswitch_sip::auth::{Account, Place, Secret, Server, ServerConfig, Verdict};
use hookswitch_sip::message::{Contact, Message, Name};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What a registrar does with REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Its work.
    Serving,
    /// Refuses everything with this status.
    Refusing(u16),
    /// Is silent, like a switch that is down; that holds for everything else that its phone would answer too.
    Down,
}

/// A registrar of one realm.
#[derive(Debug)]
pub struct Registrar {
    realm: String,
    auth: Server,
    entropy: Entropy,
    users: BTreeMap<String, Secret>,
    bindings: BTreeMap<String, Binding>,
    /// The shortest and longest lifetimes granted, in seconds.
    pub lifetimes: (u32, u32),
    /// What it does at present.
    pub mode: Mode,
    /// REGISTERs that it granted.
    pub granted: u64,
}

#[derive(Clone, Debug)]
struct Binding {
    contact: String,
    until: Time,
    cseq: u32,
    call_id: String,
}

impl Registrar {
    /// A registrar that knows these users and their passwords.
    pub fn new(realm: &str, users: &[(&str, &str)], mut entropy: Entropy) -> Self {
        let auth = Server::new(ServerConfig::new(realm, Place::Server), &mut entropy);
        let users = users.iter().map(|(user, password)| ((*user).into(), Secret::new(*password))).collect();
        Self {
            realm: realm.into(),
            auth,
            entropy,
            users,
            bindings: BTreeMap::new(),
            lifetimes: (60, 3_600),
            mode: Mode::Serving,
            granted: 0,
        }
    }

    /// Starts anew: bindings and nonces are forgotten.
    pub fn restart(&mut self) {
        self.bindings.clear();
        self.auth = Server::new(ServerConfig::new(&*self.realm, Place::Server), &mut self.entropy);
    }

    /// Where a user can be reached.
    pub fn contact(&self, now: Time, user: &str) -> Option<&str> {
        self.bindings.get(user).filter(|binding| binding.until > now).map(|binding| &*binding.contact)
    }

    /// Users with a binding.
    pub fn bound(&self, now: Time) -> usize {
        self.bindings.values().filter(|binding| binding.until > now).count()
    }

    /// The status and header fields that answer a REGISTER.
    pub fn answer(&mut self, now: Time, message: &Message) -> (u16, String) {
        match self.mode {
            Mode::Serving => {}
            Mode::Refusing(status) => return (status, String::new()),
            Mode::Down => return (503, String::new()),
        }
        let users = &self.users;
        let verdict = self.auth.check(
            now,
            "REGISTER",
            message.headers(Name::Authorization),
            message.body(),
            |user, _| users.get(user).map(Account::Password),
        );
        let user = match verdict {
            Verdict::Ok { user } => user.into_owned(),
            Verdict::Challenge { stale } => return (401, self.challenge(now, stale)),
            Verdict::BadCredentials { .. } => return (403, String::new()),
            Verdict::Malformed(_) => return (400, String::new()),
        };
        let mut until = None;
        let mut contact = String::new();
        if let Some(Ok(first)) = message.contacts().next() {
            let (asked, uri) = match first {
                Contact::Address(address) => {
                    (address.expires().or(message.expires()), address.uri().as_str().to_owned())
                }
                Contact::All => (message.expires(), String::new()),
            };
            let asked = asked.unwrap_or(self.lifetimes.1);
            if asked != 0 && asked < self.lifetimes.0 {
                return (423, format!("Min-Expires: {}\r\n", self.lifetimes.0));
            }
            let late = self.bindings.get(&user).is_some_and(|binding| {
                binding.call_id == message.call_id() && binding.cseq > message.cseq().number
            });
            if late {
                return (500, String::new());
            }
            until = Some(now + Duration::from_secs(asked.min(self.lifetimes.1).into()));
            contact = uri;
        }
        if let Some(until) = until {
            let (cseq, call_id) = (message.cseq().number, message.call_id().to_owned());
            self.bindings.insert(user.clone(), Binding { contact, until, cseq, call_id });
        }
        self.granted += 1;
        let mut fields = String::new();
        if let Some(binding) = self.bindings.get(&user).filter(|binding| binding.until > now) {
            let left = binding.until.since(now).as_secs();
            // Writing to a String cannot fail.
            let _ = write!(fields, "Contact: <{}>;expires={left}\r\n", binding.contact);
        }
        (200, fields)
    }

    fn challenge(&mut self, now: Time, stale: bool) -> String {
        let name = Place::Server.challenge_header();
        self.auth.challenges(now, stale).fold(String::new(), |mut fields, value| {
            let _ = write!(fields, "{name}: {value}\r\n");
            fields
        })
    }
}
