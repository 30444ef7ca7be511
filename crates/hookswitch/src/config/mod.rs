//! `hookswitch.toml`: one file for lines, transports, media and the embedded softswitch.
//!
//! [`Config::parse`] checks everything before anything runs; an error names the file, the line, the key, what was expected
//! and what came.

mod error;
mod features;
mod file;
mod resolve;

pub use error::ConfigError;
pub use hookswitch_machine::Transport;
pub use hookswitch_provider::Account;
pub use hookswitch_sip::auth::Secret;
pub use hookswitch_softswitch::{
    Account as SoftswitchAccount, Config as SoftswitchConfig, Features as SoftswitchFeatures,
    Rule as SoftswitchRule,
};

use hookswitch_telephony::Unowned;
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
    /// The lines, in the order of the file.
    pub lines: Vec<Account>,
    /// The embedded softswitch, if the file has one.
    pub softswitch: Option<SoftswitchConfig>,
}

/// Transports of the lines.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
        let origin = error::Origin { path, text };
        let file: file::File = toml::from_str(text).map_err(|error| ConfigError::syntax(&origin, &error))?;
        let directory = path.parent().map(PathBuf::from).unwrap_or_default();
        resolve::config(file, &origin, &directory)
    }

    /// The line of this name.
    pub fn line(&self, name: &str) -> Option<&Account> {
        self.lines.iter().find(|line| line.name == name)
    }
}
