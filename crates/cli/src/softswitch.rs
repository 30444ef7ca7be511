//! `hookswitch softswitch`: the embedded softswitch, with its registrations, calls and phones as they come.

use crate::args::Softswitch as Options;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::{FAREWELL, Source};
use crate::show::Stopwatch;
use crate::softswitch_phones::{PhoneLine, Phones};
use crate::terminal::Terminal;
use hookswitch::config::{
    MediaSettings, Secret, SoftswitchAccount, SoftswitchConfig, SoftswitchFeatures, Transport,
};
use hookswitch::{Softswitch, SoftswitchEvent, Unregistered};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

/// The port where no configuration names one: 5060 is for the lines, or for another switch.
const PORT: u16 = 5070;

pub(crate) async fn run(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Options,
    source: &Source,
) -> Result<(), Failure> {
    let (mut config, media) = configured(source)?;
    if !options.listen.is_empty() {
        config.listen = options.listen.iter().map(|socket| (socket.transport, socket.address)).collect();
    }
    if !options.accounts.is_empty() {
        config.accounts = options.accounts.iter().map(|(user, password)| account(user, password)).collect();
    }
    if config.accounts.is_empty() {
        return Err(Failure::Usage(
            "the softswitch has no accounts, so nobody could register: add [[softswitch.account]] or --account USER:PASSWORD"
                .into(),
        ));
    }
    let users: Vec<String> = config.accounts.iter().map(|account| account.user.clone()).collect();
    let extensions = format!("echo {}, tone {}, music {}", config.echo, config.tone, config.music);
    let features = &config.features;
    let (first, last) = (features.orbits.start(), features.orbits.end());
    let codes = format!("park {}, orbits {first} to {last}, pickup {}", features.park, features.pickup);
    let domain = config.domain.clone();
    let mut switch = Softswitch::start_with(config, &media)?;
    let mut phones = Phones::of(&switch)?;
    for endpoint in switch.endpoints() {
        let transport = endpoint.transport.via_name().to_ascii_lowercase();
        terminal.say(format!("listening   {transport}:{}", endpoint.advertised));
    }
    terminal.say(format!("domain      {domain}"));
    terminal.say(format!("accounts    {}", users.join(", ")));
    terminal.say(format!("extensions  {extensions}"));
    terminal.say(format!("codes       {codes}"));
    terminal.say(terminal.quiet("Ctrl-C ends"));
    let mut calls = Calls { terminal, clock: Stopwatch::start(), known: HashMap::new(), next: 1 };
    loop {
        tokio::select! {
            biased;
            () = interrupt.wanted() => break,
            event = switch.next() => match event {
                Some(event) => calls.show(event),
                None => return Err(hookswitch::Error::Stopped.into()),
            },
            // Without a softswitch there is no news, and its end is told above.
            Some(news) = phones.next() => {
                for line in phones.lines(news).await {
                    calls.show_phone(&line);
                }
            }
        }
    }
    terminal.wait_for("ending");
    switch.shutdown(FAREWELL).await;
    terminal.settle();
    Ok(())
}

/// What the configuration says; a default one where there is none.
fn configured(source: &Source) -> Result<(SoftswitchConfig, MediaSettings), Failure> {
    let (switch, media) = source
        .configuration()?
        .map_or((None, MediaSettings::default()), |file| (file.softswitch, file.media));
    Ok((switch.unwrap_or_else(default_switch), media))
}

/// Only this computer can reach it, because its passwords are known to everybody.
fn default_switch() -> SoftswitchConfig {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    SoftswitchConfig {
        listen: vec![(Transport::Udp, address), (Transport::Tcp, address)],
        domain: "hookswitch.local".into(),
        echo: "600".into(),
        tone: "601".into(),
        music: "602".into(),
        features: SoftswitchFeatures::default(),
        accounts: vec![account("1001", "hookswitch-1001"), account("1002", "hookswitch-1002")],
    }
}

fn account(user: &str, password: &str) -> SoftswitchAccount {
    SoftswitchAccount { user: user.to_owned(), password: Secret::from(password), groups: Vec::new() }
}

/// Calls by a number that people can follow.
struct Calls<'a> {
    terminal: &'a Terminal,
    clock: Stopwatch,
    known: HashMap<String, u32>,
    next: u32,
}

impl Calls<'_> {
    fn show_phone(&self, line: &PhoneLine) {
        let user = self.terminal.strong(&line.user);
        self.terminal.say(format!("{}  phone {user}  {}", self.clock, line.text));
    }

    fn show(&mut self, event: SoftswitchEvent) {
        let text = match event {
            SoftswitchEvent::Registered { new: false, .. }
            | SoftswitchEvent::Snapshot(_)
            | SoftswitchEvent::PhoneCall { .. }
            | SoftswitchEvent::PhoneMessages { .. } => return,
            SoftswitchEvent::Registered { user, contact, expires, flow, .. } => {
                let user = self.terminal.good(user);
                let contact = printable(&contact);
                format!("{user} registered from {}, {contact}, for {} s", flow.peer, expires.as_secs())
            }
            SoftswitchEvent::Unregistered { user, why, .. } => {
                let why = match why {
                    Unregistered::Removed => "by itself",
                    Unregistered::Expired => "its registration ran out",
                    Unregistered::FlowClosed => "its connection closed",
                    Unregistered::Replaced => "replaced by a newer registration",
                };
                format!("{user} unregistered: {why}")
            }
            SoftswitchEvent::CallStarted { call_id, from, to } => {
                let (from, to) = (printable(&from), printable(&to));
                match self.known.get(&call_id) {
                    Some(number) => format!("call {number}  goes on to {to}"),
                    None => {
                        let number = self.next;
                        self.next += 1;
                        self.known.insert(call_id, number);
                        self.terminal.strong(format!("call {number}  {from} calls {to}"))
                    }
                }
            }
            SoftswitchEvent::CallAnswered { call_id } => match self.known.get(&call_id) {
                Some(number) => format!("call {number}  answered"),
                None => return,
            },
            SoftswitchEvent::CallEnded { call_id, status } => {
                let Some(number) = self.known.remove(&call_id) else { return };
                match status {
                    Some(status) => format!("call {number}  not answered: {status}"),
                    None => format!("call {number}  ended"),
                }
            }
            SoftswitchEvent::Refused { method, from, status, flow } => {
                let text = format!("{method} of {} from {} refused: {status}", printable(&from), flow.peer);
                self.terminal.bad(text)
            }
        };
        self.terminal.say(format!("{}  {text}", self.clock));
    }
}

/// What strangers send must not reach the terminal as it is.
fn printable(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_softswitch_is_reached_from_this_computer_only() {
        assert!(default_switch().listen.iter().all(|(_, address)| address.ip().is_loopback()));
    }

    #[test]
    fn names_that_strangers_send_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n"), "a?[2Jb??");
    }
}
