//! What takes part: the softswitch, the two lines, and the applications.

use super::folder::Folder;
use super::stage::{Difference, Done, Stage, expect};
use crate::failure::Failure;
use hookswitch::config::{Config, Transport};
use hookswitch::{
    Application, Call, CallState, Event, Interest, Line, MediaTypes, Privilege, Service, Softswitch,
    SoftswitchEvent,
};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The domain of the demonstration's softswitch.
const DOMAIN: &str = "demo.hookswitch.local";
/// How many calls there are from beginning to end.
const CALLS: usize = 4;
/// How long lines may take to register.
const REGISTERING: Duration = Duration::from_secs(5);
/// How long everything may take to end.
const ENDING: Duration = Duration::from_secs(2);

/// An application with the line that it has open.
pub(crate) struct Desk {
    pub(crate) app: Application,
    pub(crate) line: Line,
}

impl Desk {
    async fn open(service: &Service, name: &str, line: &str, interest: Interest) -> Result<Self, Difference> {
        let app = service.attach(name).await?;
        let line = app.open(line, interest).await?;
        Ok(Self { app, line })
    }

    /// The call that is offered to it next.
    pub(crate) async fn offered(&mut self) -> Result<Call, Difference> {
        loop {
            match self.app.next().await {
                Some(Event::Offered(call)) => return Ok(call),
                Some(_) => {}
                None => return Err(self.nothing("an offered call")),
            }
        }
    }

    /// The call that is handed to it next. An offer is not what it waits for.
    pub(crate) async fn handed(&mut self) -> Result<(Call, CallState), Difference> {
        loop {
            match self.app.next().await {
                Some(Event::Appeared { call, state, privilege: Privilege::Owner }) => {
                    return Ok((call, state));
                }
                Some(Event::Offered(_)) => {
                    let came = "a call offered to it, which another application owns";
                    return Err(Difference::new(format!("no offer to {}", self.app.name()), came));
                }
                Some(_) => {}
                None => return Err(self.nothing("a call that is handed to it")),
            }
        }
    }

    /// Whether a call was offered to it that it has not looked at.
    pub(crate) async fn was_offered(&mut self) -> bool {
        let waiting = async {
            loop {
                match self.app.next().await {
                    Some(Event::Offered(_)) => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        };
        tokio::time::timeout(Duration::ZERO, waiting).await.unwrap_or(false)
    }

    fn nothing(&self, expected: &str) -> Difference {
        Difference::new(format!("{expected} for {}", self.app.name()), "the service has stopped")
    }
}

/// Everything that takes part.
pub(crate) struct Scene {
    switch: Softswitch,
    service: Service,
    /// Calls from line 1001.
    pub(crate) caller: Desk,
    /// Is offered the calls of line 1002.
    pub(crate) reception: Desk,
    /// Shares line 1002 and comes second.
    pub(crate) support: Desk,
    folder: Folder,
}

impl Scene {
    pub(crate) async fn start(stage: &Stage<'_>) -> Result<Self, Failure> {
        let folder = Folder::create()
            .map_err(|error| Failure::Outcome(format!("no temporary folder could be made: {error}")))?;
        let (switch, address) = stage.step("softswitch", async { start_switch() }).await?;
        stage.step("lines", Self::open(switch, address, folder)).await
    }

    async fn open(switch: Softswitch, address: SocketAddr, folder: Folder) -> Done<Self> {
        let service = Service::start(lines(address)?)?;
        let caller = Desk::open(&service, "caller", "1001", Interest::NONE).await?;
        let owner = Interest::owner(MediaTypes::VOICE);
        let reception = Desk::open(&service, "reception", "1002", owner).await?;
        let support = Desk::open(&service, "support", "1002", owner).await?;
        caller.line.in_service(REGISTERING).await?;
        reception.line.in_service(REGISTERING).await?;
        let registered = switch.snapshot().await?.registrations;
        let users: Vec<&str> = registered.iter().map(|contact| contact.user.as_str()).collect();
        expect(users == ["1001", "1002"], "1001 and 1002 registered", users.join(", "))?;
        let words = format!(
            "1001 and 1002 in service, registered at the softswitch for {} s",
            registered.iter().map(|contact| contact.expires.as_secs()).min().unwrap_or(0)
        );
        Ok((Self { switch, service, caller, reception, support, folder }, words))
    }

    /// Where a recording of this name goes.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Un-registers and ends; the softswitch has to have noticed.
    pub(crate) async fn end(self, stage: &Stage<'_>) -> Result<(), Failure> {
        stage.step("end", self.leave()).await
    }

    async fn leave(self) -> Done<()> {
        let Self { mut switch, service, caller, reception, support, folder } = self;
        drop((caller.line, reception.line, support.line));
        for app in [caller.app, reception.app, support.app] {
            app.close().await?;
        }
        service.shutdown(ENDING).await;
        let counts = switch.snapshot().await?.counts;
        let (mut calls, mut gone) = (HashSet::new(), 0);
        while gone < 2 {
            match switch.next().await {
                // A redirected call starts again, under the same Call-ID.
                Some(SoftswitchEvent::CallStarted { call_id, .. }) => drop(calls.insert(call_id)),
                Some(SoftswitchEvent::Unregistered { .. }) => gone += 1,
                Some(_) => {}
                None => {
                    return Err(Difference::new("both lines to un-register", "the softswitch has stopped"));
                }
            }
        }
        expect(calls.len() == CALLS, format!("{CALLS} calls"), calls.len().to_string())?;
        expect(counts.bindings == 0, "no registration left", format!("{} left", counts.bindings))?;
        expect(counts.service_calls == 0, "no call left", format!("{} left", counts.service_calls))?;
        switch.shutdown(ENDING).await;
        drop(folder);
        Ok(((), format!("both lines un-registered; the softswitch saw {CALLS} calls and holds none")))
    }

    /// Ends without looking whether all is well.
    pub(crate) async fn abandon(self) {
        let Self { switch, service, caller, reception, support, .. } = self;
        drop((caller, reception, support));
        service.shutdown(ENDING).await;
        switch.shutdown(ENDING).await;
    }
}

fn start_switch() -> Done<(Softswitch, SocketAddr)> {
    let text = format!(
        "[media]\naddress = '127.0.0.1'\n[softswitch]\nlisten = ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0']\ndomain = '{DOMAIN}'\n\
         [[softswitch.account]]\nuser = '1001'\npassword = 'demo-1001'\n\
         [[softswitch.account]]\nuser = '1002'\npassword = 'demo-1002'\n"
    );
    let config = Config::parse(&text, "demo".as_ref())?;
    let Some(softswitch) = config.softswitch else {
        return Err(Difference::new("a softswitch in the configuration", "none"));
    };
    let extensions =
        format!("echo {}, tone {}, music {}", softswitch.echo, softswitch.tone, softswitch.music);
    let switch = Softswitch::start_with(softswitch, &config.media)?;
    let udp = switch.endpoints().iter().find(|endpoint| endpoint.transport == Transport::Udp);
    let Some(address) = udp.map(|endpoint| endpoint.advertised) else {
        return Err(Difference::new("a UDP socket of the softswitch", "none"));
    };
    Ok(((switch, address), format!("on udp {address}; accounts 1001 and 1002; {extensions}")))
}

fn lines(registrar: SocketAddr) -> Result<Config, Difference> {
    let mut text = String::from(
        "[sip]\nlisten = ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0']\n[media]\naddress = '127.0.0.1'\n",
    );
    for user in ["1001", "1002"] {
        text.push_str(&format!(
            "[[line]]\nname = '{user}'\nregistrar = '{registrar}'\ndomain = '{DOMAIN}'\nuser = '{user}'\npassword = 'demo-{user}'\n"
        ));
    }
    Ok(Config::parse(&text, "demo".as_ref())?)
}
