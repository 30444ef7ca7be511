//! The lines of a SIP provider under test: what was configured, what is there, what the next session begins with.

use super::leg::DOMAIN;
use crate::conformance::subject::LineSetup;
use hookswitch_machine::{Endpoint, Entropy, Time};
use hookswitch_provider::{Account, Alerting, Profile, ProviderConfig, Server, SipProvider};
use hookswitch_sip::auth::Secret;
use hookswitch_spi::{LineId, RejectReason};
use std::sync::Arc;

/// The lines, and where they register.
#[derive(Debug)]
pub struct Lineup {
    registrar: Server,
    /// What the profile of a line is like at this switch.
    fitted: fn(&LineSetup, &mut Profile),
    lines: Vec<LineSetup>,
    /// Lines that were removed in this session.
    gone: Vec<LineId>,
    stored: Option<Vec<LineSetup>>,
}

impl Lineup {
    /// These lines, at this registrar.
    pub fn new(registrar: Server, lines: &[LineSetup]) -> Self {
        Self { registrar, fitted: |_, _| {}, lines: lines.to_vec(), gone: Vec::new(), stored: None }
    }

    /// With profiles that are fitted to the switch.
    #[must_use]
    pub fn fitted(mut self, fitted: fn(&LineSetup, &mut Profile)) -> Self {
        self.fitted = fitted;
        self
    }

    fn account(&self, line: &LineSetup) -> Account {
        account(line, &self.registrar, self.fitted)
    }

    /// A provider with them.
    pub fn provider(&self, endpoint: Endpoint, entropy: Entropy) -> SipProvider {
        let accounts = self.lines.iter().map(|line| self.account(line)).collect();
        SipProvider::new(ProviderConfig::new(vec![endpoint], accounts), entropy)
    }

    /// A line's name, and the name that one of its addresses is called by.
    pub fn called(&self, (line, address): (LineId, u16)) -> (String, String) {
        let setup = self.lines.get(line.0 as usize);
        let name = setup.map(|line| line.name.clone()).unwrap_or_default();
        let called = match address {
            0 => name.clone(),
            n => setup.and_then(|line| line.numbers.get(usize::from(n) - 1).cloned()).unwrap_or_default(),
        };
        (name, called)
    }

    /// The lines that are there.
    fn present(&self) -> Vec<LineSetup> {
        let lines = self.lines.iter().zip((0..).map(LineId));
        lines.filter(|(_, number)| !self.gone.contains(number)).map(|(line, _)| line.clone()).collect()
    }

    /// A line more.
    pub fn add(&mut self, now: Time, provider: &mut SipProvider, line: LineSetup) -> LineId {
        let number = LineId(self.lines.len() as u32);
        provider.add_line(now, number, self.account(&line));
        self.lines.push(line);
        number
    }

    /// A line less.
    pub fn remove(&mut self, now: Time, provider: &mut SipProvider, line: LineId) {
        provider.remove_line(now, line);
        self.gone.push(line);
    }

    /// What the next session begins with, and what of it shows at once.
    pub fn configure(&mut self, now: Time, provider: &mut SipProvider, lines: Vec<LineSetup>) {
        let old: Vec<LineSetup> = self.stored.clone().unwrap_or_else(|| self.present());
        for (n, known) in self.lines.clone().iter().enumerate() {
            let number = LineId(n as u32);
            if !self.gone.contains(&number) && !lines.iter().any(|line| line.name == known.name) {
                self.remove(now, provider, number);
            }
        }
        for line in &lines {
            match old.iter().find(|known| known.name == line.name) {
                None => drop(self.add(now, provider, line.clone())),
                Some(known) if known == line => {}
                Some(_) => provider.reinitialise(format!("line {} changed", line.name)),
            }
        }
        self.stored = Some(lines);
    }

    /// The next session begins.
    pub fn restart(&mut self) {
        self.lines = self.stored.take().unwrap_or_else(|| self.present());
        self.gone.clear();
    }
}

/// The account of a line.
fn account(line: &LineSetup, registrar: &Server, fitted: fn(&LineSetup, &mut Profile)) -> Account {
    let mut profile = Profile {
        name: "conformance".into(),
        alerting: if line.accept_alerts { Alerting::OnAccept } else { Alerting::AtOnce },
        reject_status: match line.reject {
            RejectReason::NoAnswer => 480,
            RejectReason::Decline => 603,
            RejectReason::Default | RejectReason::Busy => 486,
        },
        redirect: line.redirect,
        refer: line.refer,
        answer_mode: line.answer_mode,
        reconnect: line.reconnects,
        park: line.switch_features,
        park_finder: if line.switch_features { "park".into() } else { String::new() },
        dialog_events: line.switch_features,
        keep_alive: 0,
        ..Profile::default()
    };
    fitted(line, &mut profile);
    Account {
        name: line.name.clone(),
        permanent: 0,
        profile: Arc::new(profile),
        registrar: registrar.clone(),
        domain: DOMAIN.into(),
        user: line.name.clone(),
        auth_user: line.name.clone(),
        password: Secret::new("secret".to_owned()),
        realm: None,
        display_name: String::new(),
        register: line.registers,
        numbers: line.numbers.clone(),
        accept_from: Vec::new(),
        max_calls: line.max_calls,
        media: line.media,
        forward: hookswitch_spi::ForwardingRules::default(),
    }
}
