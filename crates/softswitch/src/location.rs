//! The location service: users, their contacts, and the paths to these.

use crate::config::{Account, Rule};
use hookswitch_machine::{Entropy, Flow, Map, Time, TimerKey};
use hookswitch_sip::auth::Secret;
use hookswitch_sip::message::Uri;
use std::collections::BTreeSet;

/// A user of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserId(pub(crate) u32);

/// Names a binding, never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BindingId(u64);

/// A contact at which a user can be reached for a while (RFC 3261 10).
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) id: BindingId,
    /// The URI, without parameters of the header field.
    pub(crate) contact: Box<str>,
    /// The path that the REGISTER came on: what goes to the contact goes there.
    pub(crate) flow: Flow,
    pub(crate) call_id: Box<str>,
    pub(crate) cseq: u32,
    /// Preference in thousandths, if one was given.
    pub(crate) q: Option<u16>,
    pub(crate) expires: Time,
    /// When this contact was registered first.
    pub(crate) since: Time,
    /// What the phone calls itself.
    pub(crate) product: Box<str>,
    pub(crate) timer: TimerKey,
}

impl Binding {
    /// Whether this is the contact that `uri` names (RFC 3261 19.1.4).
    pub(crate) fn is_at(&self, uri: &Uri<'_>) -> bool {
        Uri::parse(&self.contact).is_ok_and(|contact| contact.equivalent(uri))
    }
}

#[derive(Debug)]
struct User {
    name: Box<str>,
    password: Secret,
    groups: Box<[Box<str>]>,
    bindings: Vec<Binding>,
    /// Its account was taken away.
    removed: bool,
}

/// All users and their bindings.
#[derive(Debug)]
pub(crate) struct Locations {
    users: Vec<User>,
    by_name: Map<Box<str>, UserId>,
    /// Whose bindings hang on a stream connection.
    by_flow: Map<Flow, Vec<(UserId, BindingId)>>,
    live: usize,
    next: u64,
    /// Whose contacts came or went.
    changed: BTreeSet<UserId>,
}

impl Locations {
    pub(crate) fn new(accounts: &[Account], entropy: &mut Entropy) -> Self {
        let mut by_name = Map::with_hasher(entropy.hash_keys());
        let mut users = Vec::with_capacity(accounts.len());
        for account in accounts {
            by_name.insert(account.user.as_str().into(), UserId(users.len() as u32));
            users.push(User {
                name: account.user.as_str().into(),
                password: account.password.clone(),
                groups: account.groups.iter().map(|group| group.as_str().into()).collect(),
                bindings: Vec::new(),
                removed: false,
            });
        }
        Self {
            users,
            by_name,
            by_flow: Map::with_hasher(entropy.hash_keys()),
            live: 0,
            next: 0,
            changed: BTreeSet::new(),
        }
    }

    /// The user of this name.
    pub(crate) fn find(&self, name: &str) -> Option<UserId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, user: UserId) -> &str {
        self.users.get(user.0 as usize).map_or("", |user| &user.name)
    }

    pub(crate) fn password(&self, name: &str) -> Option<&Secret> {
        self.users.get(self.find(name)?.0 as usize).map(|user| &user.password)
    }

    /// All users.
    pub(crate) fn users(&self) -> impl Iterator<Item = UserId> {
        let users = (0..).map(UserId).zip(&self.users);
        users.filter(|(_, user)| !user.removed).map(|(id, _)| id)
    }

    /// Takes a user away. Its number is not given to another one, and its contacts have to be taken out already.
    pub(crate) fn remove_user(&mut self, user: UserId) {
        let Some(entry) = self.users.get_mut(user.0 as usize) else { return };
        entry.removed = true;
        self.by_name.remove(&entry.name);
    }

    /// Somebody whose contacts came or went since; call until `None`.
    pub(crate) fn changed(&mut self) -> Option<UserId> {
        self.changed.pop_first()
    }

    /// Whether one user may do something with the calls of another. It may with its own.
    pub(crate) fn permits(&self, rule: Rule, one: UserId, other: UserId) -> bool {
        match rule {
            Rule::Everyone => true,
            Rule::SameGroup => one == other || self.in_one_group(one, other),
        }
    }

    /// Whether two users have a group in common; users without groups are one group.
    pub(crate) fn in_one_group(&self, one: UserId, other: UserId) -> bool {
        let groups = |user: UserId| self.users.get(user.0 as usize).map(|user| &user.groups);
        let (Some(ones), Some(others)) = (groups(one), groups(other)) else { return false };
        ones.is_empty() && others.is_empty() || ones.iter().any(|group| others.contains(group))
    }

    /// The contacts of a user, in the order they came.
    pub(crate) fn bindings(&self, user: UserId) -> &[Binding] {
        self.users.get(user.0 as usize).map_or(&[], |user| &user.bindings)
    }

    /// All contacts, by user.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.users.iter().flat_map(|user| user.bindings.iter().map(|binding| (&*user.name, binding)))
    }

    /// How many contacts there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// A name for the next binding.
    pub(crate) fn next_id(&mut self) -> BindingId {
        self.next += 1;
        BindingId(self.next)
    }

    /// Adds a binding.
    pub(crate) fn insert(&mut self, user: UserId, binding: Binding) {
        let Some(entry) = self.users.get_mut(user.0 as usize) else { return };
        if binding.flow.connection != 0 {
            self.by_flow.entry(binding.flow).or_default().push((user, binding.id));
        }
        entry.bindings.push(binding);
        self.changed.insert(user);
        self.live += 1;
    }

    /// Takes a binding out.
    pub(crate) fn remove(&mut self, user: UserId, id: BindingId) -> Option<Binding> {
        let bindings = &mut self.users.get_mut(user.0 as usize)?.bindings;
        let at = bindings.iter().position(|binding| binding.id == id)?;
        let binding = bindings.remove(at);
        self.changed.insert(user);
        self.live -= 1;
        if let Some(on_flow) = self.by_flow.get_mut(&binding.flow) {
            on_flow.retain(|(_, other)| *other != id);
            if on_flow.is_empty() {
                self.by_flow.remove(&binding.flow);
            }
        }
        Some(binding)
    }

    /// The bindings that hang on a stream connection.
    pub(crate) fn on_flow(&self, flow: Flow) -> Vec<(UserId, BindingId)> {
        self.by_flow.get(&flow).cloned().unwrap_or_default()
    }

    /// Whether a stream connection carries a registration.
    pub(crate) fn is_registered_on(&self, flow: Flow) -> bool {
        self.by_flow.contains_key(&flow)
    }

    /// The path to the contact of a user that is at this host and port.
    pub(crate) fn flow_to(&self, user: UserId, uri: &Uri<'_>) -> Option<Flow> {
        let host = uri.host()?;
        let same = |text: &str| {
            Uri::parse(text).is_ok_and(|contact| contact.host() == Some(host) && contact.port() == uri.port())
        };
        self.bindings(user).iter().find(|binding| same(&binding.contact)).map(|binding| binding.flow)
    }

    /// Whether a user has registered a contact on this path.
    pub(crate) fn is_path_of(&self, user: UserId, flow: Flow) -> bool {
        self.bindings(user).iter().any(|binding| binding.flow == flow)
    }
}
