//! The instance of Asterisk that plays the parties, started where it does not run.

use crate::root;
use std::net::SocketAddr;
use std::process::Command;

/// Where it is.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Where it speaks SIP.
    pub sip: SocketAddr,
    /// Its manager interface.
    pub manager: SocketAddr,
}

impl Instance {
    /// Starts it, if it does not run: `WIRE_ASTERISK_PORT` names its SIP port (15260), the manager interface is beside it.
    ///
    /// # Errors
    /// What is against it.
    pub fn start() -> Result<Self, String> {
        let port =
            std::env::var("WIRE_ASTERISK_PORT").ok().and_then(|text| text.parse().ok()).unwrap_or(15_260);
        let manager: u16 = port + 1;
        let said = Command::new(root().join("tests/peers/asterisk-up"))
            .env("ASTERISK_PORT", port.to_string())
            .env("ASTERISK_AMI", manager.to_string())
            .env("ASTERISK_RTP", "27000-27999")
            .env("ASTERISK_CONFIG", root().join("docker/asterisk/wire"))
            .env_remove("ASTERISK_NAME")
            .env_remove("ASTERISK_RECORDINGS")
            .output()
            .map_err(|error| format!("tests/peers/asterisk-up: {error}"))?;
        if !said.status.success() {
            return Err(String::from_utf8_lossy(&said.stderr).into_owned());
        }
        Ok(Self { sip: ([127, 0, 0, 1], port).into(), manager: ([127, 0, 0, 1], manager).into() })
    }
}
