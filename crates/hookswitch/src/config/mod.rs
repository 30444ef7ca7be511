//! `hookswitch.toml`: one file for lines, transports, media and the embedded softswitch; and the same as an installed provider.
//!
//! [`Config::parse`] checks everything before anything runs; an error names the file, the line, the key, what was expected
//! and what came. An [`Installation`] keeps a configuration in a folder of its own, all or nothing, and gives its lines
//! numbers for good; [`Changes`] says what became different between two readings of it.

mod changes;
mod error;
mod features;
mod file;
mod folder;
mod installation;
mod resolve;

pub use changes::Changes;
pub use error::ConfigError;
pub use hookswitch_machine::Transport;
pub use hookswitch_provider::Account;
pub use hookswitch_sip::auth::Secret;
pub use hookswitch_softswitch::{
    Account as SoftswitchAccount, Config as SoftswitchConfig, Features as SoftswitchFeatures,
    Rule as SoftswitchRule,
};
pub use hookswitch_store::{Document, EditError, LineNumber, ProviderId, StoreError, Value};
pub use installation::{Installation, InstallationError};

use hookswitch_telephony::{Priorities, Unowned};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Everything that the file says, checked and with defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where SIP is spoken.
    pub sip: SipConfig,
    /// Where audio flows.
    pub media: MediaSettings,
    /// What becomes of offered calls that no application owns.
    pub unowned: Unowned,
    /// The line that calls are made from where none is named; the first one unless configured.
    pub default_line: Option<String>,
    /// Which applications come first for which media type, and for requests for calls.
    pub priorities: Priorities,
    /// The lines, in the order of the file.
    pub lines: Vec<Account>,
    /// What a store knows beside; `None` for a configuration file.
    pub installed: Option<Installed>,
    /// The embedded softswitch, if the file has one.
    pub softswitch: Option<SoftswitchConfig>,
}

/// The key of the order of those that are given requests for calls, among those of media types.
pub(crate) const REQUESTS: &str = "requests";

/// What the store of an installed provider knows beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The installation, for good (TAPI: permanent provider id).
    pub provider: ProviderId,
    /// Grows with every change made by command.
    pub serial: u64,
    /// The permanent numbers of [`Config::lines`], in their order (TAPI: dwPermanentLineID).
    pub lines: Vec<LineNumber>,
    /// The number of the next new line.
    pub next_line: LineNumber,
}

/// Transports of the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipConfig {
    /// Sockets to open. Port 0: any free port.
    pub listen: Vec<Listen>,
    /// The address told to peers, where it differs from the bound one (a NAT in between).
    pub advertise: Option<IpAddr>,
    /// The User-Agent and Server header field.
    pub user_agent: String,
    /// Shards, 1 to 64: threads that share the lines among them. As many as processors unless configured, at most one for
    /// each line.
    pub shards: usize,
    /// How long a session may live without a refresh (RFC 4028), asked of every peer that supports it: peers that have vanished are
    /// noticed then, even on hold. None: not asked. In seconds, `session-expires`.
    pub session_expires: Option<u32>,
}

/// One socket. Written as `udp:0.0.0.0:5060` or `tcp:[::]:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// UDP or TCP.
    pub transport: Transport,
    /// Address and port to bind.
    pub address: SocketAddr,
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(transport, address)| {
            Some(Self { transport: transport.parse().ok()?, address: address.parse().ok()? })
        });
        parts.ok_or_else(|| {
            format!(
                "expected a transport, an address and a port, such as \"udp:0.0.0.0:5060\" or \"tcp:[::]:5060\", not {text:?}"
            )
        })
    }
}

/// Audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// The address to bind and to put into SDP.
    pub address: IpAddr,
    /// The address put into SDP where it differs from the bound one.
    pub advertise: Option<IpAddr>,
    /// Ports to take RTP and RTCP pairs from.
    pub ports: RangeInclusive<u16>,
    /// Media threads, 1 to 64.
    pub threads: usize,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            advertise: None,
            ports: 16_384..=32_766,
            threads: 1,
        }
    }
}

impl Config {
    /// Reads and checks a file. Profiles named by a path are looked up beside it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        Self::parse(&text, path)
    }

    /// Checks a text that came from `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::read(error::Origin { path, text, is_store: false, with_passwords: true })
    }

    /// Checks the text of an installed provider.
    fn parse_stored(text: &str, path: &Path, with_passwords: bool) -> Result<Self, ConfigError> {
        Self::read(error::Origin { path, text, is_store: true, with_passwords })
    }

    fn read(origin: error::Origin<'_>) -> Result<Self, ConfigError> {
        let file: file::File =
            toml::from_str(origin.text).map_err(|error| ConfigError::syntax(&origin, &error))?;
        let directory = origin.path.parent().map(PathBuf::from).unwrap_or_default();
        resolve::config(file, &origin, &directory)
    }

    /// The name of the line that calls are made from where none is named.
    pub fn default_line(&self) -> Option<&str> {
        self.default_line.as_deref().or_else(|| self.lines.first().map(|line| line.name.as_str()))
    }

    /// The line of this name.
    pub fn line(&self, name: &str) -> Option<&Account> {
        self.lines.iter().find(|line| line.name == name)
    }
}
