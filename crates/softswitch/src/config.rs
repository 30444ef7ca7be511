//! What is configured for the embedded softswitch.

use hookswitch_machine::Transport;
use hookswitch_sip::auth::Secret;
use std::net::SocketAddr;

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
