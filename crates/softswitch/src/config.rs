//! What is configured for the embedded softswitch.

use hookswitch_machine::Transport;
use hookswitch_sip::auth::Secret;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The softswitch's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Sockets to open. Port 0: any free port.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// The domain of its addresses of record; requests to its own addresses are meant for it as well.
    pub domain: String,
    /// The extension that sends back what it hears.
    pub echo: String,
    /// The extension that sends a steady tone.
    pub tone: String,
    /// The extension that plays music.
    pub music: String,
    /// Parking, picking up, watching.
    pub features: Features,
    /// Who may register and call.
    pub accounts: Vec<Account>,
}

/// What a user may do with the calls of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// Every user may.
    #[default]
    Everyone,
    /// Those who have a group in common; users without groups are one group.
    SameGroup,
}

/// Parking, picking up and watching: names and lengths of time. A user of the same name goes before any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Calling this is answered by a redirection to an orbit that is free and stays reserved for a while.
    pub park: String,
    /// Where calls are parked, and retrieved by calling the number. A thousand at most.
    pub orbits: RangeInclusive<u32>,
    /// How long an orbit stays reserved.
    pub reserved: Duration,
    /// After this the parked call rings its parker back, again and again.
    pub recall_after: Duration,
    /// For how long it rings there.
    pub recall_rings: Duration,
    /// After this a parked call is hung up.
    pub longest_park: Duration,
    /// In front of a user: picks up what rings there. Alone: what rings longest in a group of the caller.
    pub pickup: String,
    /// Whose calls may be picked up while they ring. Who may because of a group may also take over what the callee has answered, by
    /// an INVITE with Replaces (RFC 3891).
    pub who_may_pick_up: Rule,
    /// Whose calls may be watched (RFC 4235). The own ones always.
    pub who_may_watch: Rule,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            park: "park".into(),
            orbits: 701..=720,
            reserved: Duration::from_secs(30),
            recall_after: Duration::from_secs(120),
            recall_rings: Duration::from_secs(30),
            longest_park: Duration::from_secs(900),
            pickup: "*8".into(),
            who_may_pick_up: Rule::Everyone,
            who_may_watch: Rule::Everyone,
        }
    }
}

/// One user of the softswitch.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user part of the address of record, and the name for authentication.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The groups it belongs to, for picking up and watching.
    pub groups: Vec<String>,
}

/// Bounds and lengths of time; the defaults suit a machine that does other things too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Contacts of one address of record; one more takes the place of the one that would expire first.
    pub contacts_per_user: usize,
    /// The shortest registration; less is answered with 423 (RFC 3261 10.3).
    pub min_expires: Duration,
    /// The longest registration; more is cut to this. Also what a contact without `expires` gets.
    pub max_expires: Duration,
    /// Requests being passed on at a time, lingering ones included; beyond it new ones get 503.
    pub forwarded: usize,
    /// Server and client transactions at a time, each.
    pub transactions: usize,
    /// Calls to the echo, tone and music extensions at a time; beyond it they are busy (486).
    pub service_calls: usize,
    /// How long such a call may last.
    pub service_call: Duration,
    /// How long a callee may ring (RFC 3261 16.6, 11: timer C, more than three minutes).
    pub ringing: Duration,
    /// Calls passed on that are remembered until they end; those beyond it can be neither watched nor picked up.
    pub calls: usize,
    /// Those that one user may have.
    pub calls_per_user: usize,
    /// How long a call is remembered whose end nobody tells.
    pub longest_call: Duration,
    /// How often both sides of a call that was parked or picked up are asked whether they are still there.
    pub probe: Duration,
    /// Subscriptions at a time.
    pub subscriptions: usize,
    /// Subscriptions of one watcher at a time.
    pub subscriptions_per_user: usize,
    /// Branches of one request, redirections included.
    pub branches: usize,
    /// Answers to octets that are no valid request, a second.
    pub rejections_per_second: u32,
    /// Used nonces remembered against replay.
    pub nonces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            contacts_per_user: 10,
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3_600),
            forwarded: 200_000,
            transactions: 400_000,
            service_calls: 1_000,
            service_call: Duration::from_secs(3_600),
            ringing: Duration::from_secs(181),
            calls: 100_000,
            calls_per_user: 2_000,
            longest_call: Duration::from_secs(12 * 3_600),
            probe: Duration::from_secs(900),
            subscriptions: 10_000,
            subscriptions_per_user: 200,
            branches: 20,
            rejections_per_second: 100,
            nonces: 65_536,
        }
    }
}
