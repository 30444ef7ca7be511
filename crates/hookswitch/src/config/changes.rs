//! What became different between two readings of a store, as a running session has to know it.

use super::{Account, Config, LineNumber};
use hookswitch_telephony::Priorities;
use std::collections::BTreeMap;
use std::fmt;

/// The difference between two configurations of one installation. Lines that appear and disappear, who may log in and call in,
/// and the orders of applications take effect in a running session; everything else at the next start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// New lines.
    pub added: Vec<(LineNumber, Account)>,
    /// Lines that are gone.
    pub removed: Vec<LineNumber>,
    /// Lines with another password, name for authentication, realm, or list of peers that may call in.
    pub access: Vec<(LineNumber, Account)>,
    /// Other orders of applications.
    pub priorities: Option<Priorities>,
    /// What else changed: sections and lines by name. Takes effect at the next start.
    pub pending: Vec<String>,
}

impl Changes {
    /// What became different from `old` to `new`. Without numbers (a configuration file) every difference waits for the next
    /// start; so it does if `new` is another installation.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut changes = Self::default();
        let mut pending = |name: &str, same: bool| {
            if !same {
                changes.pending.push(name.to_owned());
            }
        };
        pending("[sip]", sip_without_shards(old) == sip_without_shards(new));
        pending("[media]", old.media == new.media);
        pending("[applications]", old.unowned == new.unowned && old.default_line == new.default_line);
        let numbers = |config: &Config| config.installed.as_ref().map(|known| known.lines.clone());
        let same_installation = match (&old.installed, &new.installed) {
            (Some(old), Some(new)) => old.provider == new.provider,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        pending("the installation", same_installation);
        let (Some(was), Some(is), true) = (numbers(old), numbers(new), same_installation) else {
            pending("the lines", old.lines == new.lines);
            return changes;
        };
        changes.priorities = (old.priorities != new.priorities).then(|| new.priorities.clone());
        let before: BTreeMap<_, _> = was.into_iter().zip(&old.lines).collect();
        let after: BTreeMap<_, _> = is.into_iter().zip(&new.lines).collect();
        changes.removed = before.keys().copied().filter(|number| !after.contains_key(number)).collect();
        for (number, account) in after {
            let Some(old) = before.get(&number) else {
                changes.added.push((number, account.clone()));
                continue;
            };
            let with_old_access = Account {
                auth_user: old.auth_user.clone(),
                password: old.password.clone(),
                realm: old.realm.clone(),
                accept_from: old.accept_from.clone(),
                ..account.clone()
            };
            if with_old_access != *account {
                changes.access.push((number, account.clone()));
            }
            if with_old_access != **old {
                changes.pending.push(format!("line {:?}", old.name));
            }
        }
        changes
    }

    /// Whether nothing became different.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The number of shards follows that of the lines unless it is configured, and shards are threads, nothing to be seen.
fn sip_without_shards(config: &Config) -> super::SipConfig {
    super::SipConfig { shards: 0, ..config.sip.clone() }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (_, account) in &self.added {
            parts.push(format!("line {:?} appears", account.name));
        }
        for number in &self.removed {
            parts.push(format!("line number {number} disappears"));
        }
        for (_, account) in &self.access {
            parts.push(format!("line {:?} has other credentials or peers", account.name));
        }
        if self.priorities.is_some() {
            parts.push("applications have another order".to_owned());
        }
        for name in &self.pending {
            parts.push(format!("{name} changes at the next start"));
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "format = 1\nprovider = '0000000000000001'\nserial = 1\nnext-line = 9\n";

    fn config(rest: &str) -> Config {
        let text = format!("{HEAD}{rest}");
        Config::parse_stored(&text, "provider.toml".as_ref(), true).unwrap_or_else(|error| panic!("{error}"))
    }

    fn line(id: u32, name: &str, rest: &str) -> String {
        format!("[[line]]\nid = {id}\nname = '{name}'\nregistrar = 'h'\nuser = 'u'\n{rest}\n")
    }

    #[test]
    fn each_difference_is_of_its_kind() {
        let old = [line(1, "a", "password = 'x'"), line(2, "b", "")].concat();
        type Row = (&'static str, String, [usize; 4]);
        let rows: [Row; 10] = [
            ("the same", old.clone(), [0; 4]),
            ("another order", [line(2, "b", ""), line(1, "a", "password = 'x'")].concat(), [0; 4]),
            ("a line more", [old.clone(), line(3, "c", "")].concat(), [1, 0, 0, 0]),
            ("a line less", line(1, "a", "password = 'x'"), [0, 1, 0, 0]),
            (
                "another line of that name",
                [line(1, "a", "password = 'x'"), line(3, "b", "")].concat(),
                [1, 1, 0, 0],
            ),
            ("a new password", [line(1, "a", "password = 'y'"), line(2, "b", "")].concat(), [0, 0, 1, 0]),
            (
                "another peer",
                [line(1, "a", "password = 'x'\naccept-from = ['192.0.2.1']"), line(2, "b", "")].concat(),
                [0, 0, 1, 0],
            ),
            ("renamed", [line(1, "z", "password = 'x'"), line(2, "b", "")].concat(), [0, 0, 0, 1]),
            (
                "another codec list",
                [line(1, "a", "password = 'x'"), line(2, "b", "profile = 'asterisk'")].concat(),
                [0, 0, 0, 1],
            ),
            (
                "options",
                format!("[media]\nthreads = 2\n[applications]\nunowned = 'reject'\n{old}"),
                [0, 0, 0, 2],
            ),
        ];
        let before = config(&old);
        for (what, text, expected) in rows {
            let found = Changes::between(&before, &config(&text));
            let counts = [found.added.len(), found.removed.len(), found.access.len(), found.pending.len()];
            assert_eq!(counts, expected, "{what}: {found}");
            assert_eq!(found.is_empty(), expected == [0; 4], "{what}");
        }
    }

    #[test]
    fn orders_of_applications_take_effect_at_once() {
        let before = config("[priorities]\nvoice = ['a']\nfax = ['f']\n");
        let found = Changes::between(&before, &config("[priorities]\nvoice = ['b', 'a']\nfax = ['f']\n"));
        let order = found.priorities.map(|orders| orders.order(hookswitch_spi::MediaType::Voice).to_vec());
        assert_eq!(order, Some(vec!["b".into(), "a".into()]));
        assert_eq!(found.pending, [""; 0]);
    }

    #[test]
    fn another_installation_waits_for_the_next_start() {
        let before = config(&line(1, "a", ""));
        let text = format!("{HEAD}{}", line(2, "b", "")).replace("0000000000000001", "0000000000000002");
        let other = Config::parse_stored(&text, "provider.toml".as_ref(), true)
            .unwrap_or_else(|error| panic!("{error}"));
        let found = Changes::between(&before, &other);
        assert_eq!((found.added.len(), found.removed.len(), found.pending.len()), (0, 0, 2), "{found}");
    }
}
