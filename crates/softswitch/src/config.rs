//! What is configured for the embedded softswitch.

use hookswitch_machine::Transport;
use hookswitch_sip::auth::Secret;
use std::net::SocketAddr;
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
    /// Who may register and call.
    pub accounts: Vec<Account>,
}

/// One user of the softswitch.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user part of the address of record, and the name for authentication.
    pub user: String,
    /// The password.
    pub password: Secret,
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
            branches: 20,
            rejections_per_second: 100,
            nonces: 65_536,
        }
    }
}
