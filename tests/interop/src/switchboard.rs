//! Our own softswitch on free ports, with the accounts that softphones and lines register with.

use crate::{TestLine, free_port, soon, until};
use hookswitch::config::{Config, Transport};
use hookswitch::{Softswitch, SoftswitchEvent, SoftswitchSnapshot};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Ports for the audio of its extensions: apart from those of lines and of phones.
const AUDIO: (u16, u16) = (12_000, 14_998);

/// A running softswitch with the users 1001 to 1004, whose passwords are `hookswitch-USER`.
pub struct Switchboard {
    /// The softswitch.
    pub switch: Softswitch,
    port: u16,
}

impl Switchboard {
    /// Starts it, over UDP and TCP on one port.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// As [`start`](Self::start), with these keys of its table.
    pub fn start_with(keys: &str) -> Self {
        let (port, (low, high)) = (free_port(), AUDIO);
        let mut text = format!(
            "[media]\naddress = '127.0.0.1'\nports = [{low}, {high}]\n\
             [softswitch]\nlisten = ['udp:127.0.0.1:{port}', 'tcp:127.0.0.1:{port}']\ndomain = 'switch.test'\n{keys}\n"
        );
        for user in 1_001..=1_004 {
            let account =
                format!("[[softswitch.account]]\nuser = '{user}'\npassword = 'hookswitch-{user}'\n");
            text.push_str(&account);
        }
        let config = Config::parse(&text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"));
        let softswitch = config.softswitch.expect("a softswitch is configured");
        let switch = Softswitch::start_with(softswitch, &config.media)
            .unwrap_or_else(|error| panic!("the softswitch does not start: {error}"));
        Self { switch, port }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let udp = self.switch.endpoints().iter().find(|endpoint| endpoint.transport == Transport::Udp);
        udp.expect("a UDP endpoint").advertised
    }

    /// The address of a user or extension.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@127.0.0.1:{}", self.port)
    }

    /// A line that registers with it.
    pub fn line(&self, user: &str, keys: &str) -> TestLine {
        // Nobody but the softswitch may call it.
        let keys = format!("accept-from = []\n{keys}");
        TestLine { user: user.into(), registrar: format!("127.0.0.1:{}", self.port), keys }
    }

    /// Who is registered, and what is alive.
    pub async fn snapshot(&self) -> SoftswitchSnapshot {
        soon("a snapshot", self.switch.snapshot()).await.expect("the softswitch runs")
    }

    /// Waits until so many contacts are registered.
    pub async fn registrations(&self, wanted: usize) -> SoftswitchSnapshot {
        until(crate::DEADLINE, &format!("{wanted} contacts registered"), async || {
            Some(self.snapshot().await).filter(|snapshot| snapshot.registrations.len() == wanted)
        })
        .await
    }

    /// The next event that `wanted` picks; those before it are dropped.
    pub async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(SoftswitchEvent) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let event = self.switch.next().await.expect("the softswitch runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        })
        .await
    }

    /// Ends it: no call of the extensions is left, and no contact.
    pub async fn end(self) {
        let left = self.registrations(0).await.counts;
        assert_eq!((left.bindings, left.service_calls), (0, 0), "{left:?}");
        self.switch.shutdown(Duration::from_secs(4)).await;
    }
}
