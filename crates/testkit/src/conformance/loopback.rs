//! The exchange in memory as a subject, and the faults that show that items bite.

use super::desk::DeskFault;
use super::items::{Installed, StoreFault};
use super::subject::{Act, Behaviour, Can, Incoming, LineSetup, Party, Saw, Setup, Subject};
use super::{Factory, ITEMS, Outcome, Suite};
use crate::loopback::{
    self, Fault, Heard, Loopback, LoopbackLine, Noticed, Outside, PartyId, Playing, Refusal,
};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallTreatment, Feature, LineId, LineState, OutOfService, PhysicalCallId, Presentation,
    Provider, Reason, UserInfo,
};
use std::process::ExitCode;
use std::time::Duration;

/// The domain of lines and of parties outside that belong to it.
const DOMAIN: &str = "loop";
/// Another one.
const ELSEWHERE: &str = "elsewhere";

/// Makes loopback subjects.
#[derive(Clone, Copy, Debug)]
pub struct Exchange;

impl Factory for Exchange {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
        Box::new(LoopbackSubject::new(setup, None))
    }

    fn installation(&self) -> Box<dyn Installed> {
        super::items::stored("loopback")
    }
}

/// Makes loopback subjects that break one rule.
#[derive(Clone, Copy, Debug)]
struct Broken(Fault);

impl Factory for Broken {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
        Box::new(LoopbackSubject::new(setup, Some(self.0)))
    }

    fn installation(&self) -> Box<dyn Installed> {
        super::items::stored("loopback")
    }
}

/// Runs every fault against its item, and says which do not bite.
pub fn mutants(only: &[u8], mut tell: impl FnMut(String)) -> ExitCode {
    let (mut bit, mut missed) = (0, 0);
    for fault in Fault::ALL.iter().filter(|fault| only.is_empty() || only.contains(&fault.breaks())) {
        let found = bites(*fault);
        let (number, name) = (fault.breaks(), fault.name());
        match found {
            Ok(finding) => {
                bit += 1;
                tell(format!("{number:>3}  bites   {name}: {finding}"));
            }
            Err(why) => {
                missed += 1;
                tell(format!("{number:>3}  MISSED  {name}: {why}"));
            }
        }
    }
    for fault in StoreFault::ALL.iter().filter(|fault| only.is_empty() || only.contains(&fault.breaks())) {
        let number = fault.breaks();
        match finds(&Suite::new(&BrokenStore(*fault)), number) {
            Ok(finding) => {
                bit += 1;
                tell(format!("{number:>3}  bites   {fault:?}: {finding}"));
            }
            Err(why) => {
                missed += 1;
                tell(format!("{number:>3}  MISSED  {fault:?}: {why}"));
            }
        }
    }
    for (fault, number) in DeskFault::ALL.iter().filter(|(_, n)| only.is_empty() || only.contains(n)) {
        let suite = Suite { desk_fault: Some(*fault), ..Suite::new(&Exchange) };
        match finds(&suite, *number) {
            Ok(finding) => {
                bit += 1;
                tell(format!("{number:>3}  bites   {fault:?}: {finding}"));
            }
            Err(why) => {
                missed += 1;
                tell(format!("{number:>3}  MISSED  {fault:?}: {why}"));
            }
        }
    }
    tell(format!("mutants: {bit} found, {missed} missed"));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes loopback subjects whose store is broken.
#[derive(Clone, Copy, Debug)]
struct BrokenStore(StoreFault);

impl Factory for BrokenStore {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn subject(&self, setup: &Setup) -> Box<dyn Subject> {
        Exchange.subject(setup)
    }

    fn installation(&self) -> Box<dyn Installed> {
        super::items::stored_with(Some(self.0))
    }
}

/// What an item finds; the error says that it finds nothing.
fn finds(suite: &Suite<'_>, number: u8) -> Result<String, String> {
    let item = ITEMS.iter().flat_map(|part| part.iter()).find(|item| item.number == number);
    let item = item.ok_or_else(|| format!("there is no item {number}"))?;
    match suite.run(item) {
        Outcome::Failed(text) => Ok(text),
        Outcome::Passed => Err("its item passes all the same".into()),
        Outcome::NotApplicable(why) => Err(format!("its item does not apply: {why}")),
    }
}

/// What the item of a fault finds under it; the error says that it finds nothing.
fn bites(fault: Fault) -> Result<String, String> {
    let factory = Broken(fault);
    let suite = Suite::new(&factory);
    let number = fault.breaks();
    let all = || ITEMS.iter().flat_map(|part| part.iter());
    let item = all().find(|item| item.number == number);
    let item = item.ok_or_else(|| format!("there is no item {number}"))?;
    if fault == Fault::HidesWhatItDoes {
        // What is seen beyond what is advertised shows only when something was seen.
        all().filter(|other| other.number == 39).for_each(|other| drop(suite.run(other)));
    }
    match suite.run(item) {
        Outcome::Failed(text)
            if fault != Fault::HidesWhatItDoes || text.contains("seen but not advertised") =>
        {
            Ok(text)
        }
        Outcome::Failed(_) | Outcome::Passed => Err("its item passes all the same".into()),
        Outcome::NotApplicable(why) => Err(format!("its item does not apply: {why}")),
    }
}

/// The subject.
struct LoopbackSubject {
    exchange: Loopback,
    now: Time,
    /// When something from outside has arrived.
    arrives: Option<Time>,
    /// When the lines are back in service.
    served: Option<Time>,
}

/// One way from here to there.
const LATENCY: Duration = Duration::from_millis(5);

impl LoopbackSubject {
    fn new(setup: &Setup, fault: Option<Fault>) -> Self {
        let mut exchange = Loopback::stopped();
        if let Some(fault) = fault {
            exchange.inject(fault);
        }
        for line in &setup.lines {
            exchange.add_line(loopback_line(line));
        }
        let mut subject = Self { exchange, now: Time::from_millis(1_000), arrives: None, served: None };
        if !setup.reachable {
            subject.reachable(false);
        }
        subject
    }

    /// The switch serves all lines so.
    fn serve(&mut self, state: LineState) {
        for line in self.exchange.line_numbers() {
            self.exchange.set_line_state(line, state.clone());
        }
    }
}

fn uri(user: &str) -> String {
    format!("sip:{user}@{DOMAIN}")
}

fn loopback_line(setup: &LineSetup) -> LoopbackLine {
    let mut line = LoopbackLine::new(setup.name.clone(), uri(&setup.name));
    line.addresses.extend(setup.numbers.iter().map(|number| uri(number)));
    line.reject = setup.reject;
    let able = &mut line.capabilities;
    able.answer_mode = setup.answer_mode;
    able.flags.accept_alerts = setup.accept_alerts;
    able.flags.reconnects = setup.reconnects;
    able.max_calls = setup.max_calls;
    able.media = setup.media;
    let mut without = Vec::new();
    if !setup.refer {
        without.push(Feature::BlindTransfer);
    }
    if !setup.redirect {
        without.push(Feature::Redirect);
    }
    if !setup.switch_features {
        without.extend([
            Feature::Park,
            Feature::Unpark,
            Feature::Pickup,
            Feature::CompleteCall,
            Feature::UncompleteCall,
        ]);
    }
    able.features = without.into_iter().fold(able.features, hookswitch_spi::Set::without);
    line
}

/// A refusal with the causes that header lines give.
fn refusal(status: u16, fields: &str) -> Refusal {
    let cause = |protocol: &str| -> Option<u16> {
        let reasons = fields.lines().filter_map(|line| line.strip_prefix("Reason:"));
        let mut of = reasons.map(str::trim).filter_map(|reason| reason.strip_prefix(protocol));
        let parameters = of.next()?;
        let cause = parameters.split(';').find_map(|one| one.trim().strip_prefix("cause="))?;
        cause.parse().ok()
    };
    Refusal {
        q850: cause("Q.850").and_then(|cause| u8::try_from(cause).ok()),
        sip_cause: cause("SIP"),
        ..Refusal::with(status)
    }
}

fn id(party: Party) -> PartyId {
    PartyId(u64::from(party.0))
}

fn party(id: PartyId) -> Party {
    Party(u32::try_from(id.0).unwrap_or(u32::MAX))
}

fn saw(noticed: &Noticed) -> Option<Saw> {
    Some(match noticed.clone() {
        Noticed::Called(info) => Saw::Called(info),
        Noticed::Alerted(info) => Saw::Alerted(info),
        Noticed::Answered(info) => Saw::Answered(info),
        Noticed::Refused(status) => Saw::Refused(status),
        Noticed::SentTo(to) => Saw::Redirected(to.into()),
        Noticed::Confirmed => Saw::Confirmed,
        Noticed::Cancelled => Saw::Cancelled,
        Noticed::HungUp(info) => Saw::HungUp(info),
        Noticed::Held => Saw::Held,
        Noticed::Resumed => Saw::Resumed,
        Noticed::Transferred(to, in_place_of) => Saw::Transferred(to.into(), in_place_of.map(party)),
        Noticed::Digit(digit) => Saw::Digit(digit),
        Noticed::UserInfo(info) => Saw::UserInfo(info),
        Noticed::Joined | Noticed::Request(_) => return None,
    })
}

impl Subject for LoopbackSubject {
    fn can(&self, what: Can) -> bool {
        match what {
            Can::OldVersion | Can::WantClosed => true,
        }
    }

    fn now(&self) -> Time {
        self.now
    }

    fn provider(&mut self) -> &mut dyn Provider {
        &mut self.exchange
    }

    fn settle(&mut self) {}

    fn step(&mut self, limit: Time) -> bool {
        let due = [self.exchange.next_timeout(), self.arrives, self.served];
        let next = due.into_iter().flatten().min().filter(|at| *at <= limit);
        self.now = self.now.max(next.unwrap_or(limit));
        self.arrives = self.arrives.filter(|at| *at > self.now);
        self.exchange.timeout(self.now);
        if self.served.is_some_and(|at| at <= self.now) {
            self.served = None;
            self.serve(LineState::InService);
        }
        next.is_some()
    }

    fn arrange(&mut self, address: &str, behaviour: Behaviour) {
        let behaviour = match behaviour {
            Behaviour::Answers(after) => Outside::Answers(after),
            Behaviour::Rings => Outside::Rings,
            Behaviour::Proceeds => Outside::Proceeds,
            Behaviour::Silent => Outside::Silent,
            Behaviour::Refuses(status, fields) => Outside::RefusesAtOnce(refusal(status, &fields)),
            Behaviour::RingsThenRefuses(after, status, fields) => {
                Outside::RingsThenRefuses(refusal(status, &fields), after)
            }
            Behaviour::Redirects(to) => Outside::MovedTo(uri(&to).into()),
        };
        self.exchange.outside(uri(address), behaviour);
    }

    fn call_in(&mut self, call: Incoming) -> Party {
        let (line, address) = call.to;
        let domain = if call.external { ELSEWHERE } else { DOMAIN };
        let from = format!("sip:{}@{domain}", call.from);
        let caller = if call.private {
            hookswitch_spi::Party::withheld(Presentation::Blocked)
        } else {
            hookswitch_spi::Party::known(from.clone(), call.name)
        };
        let (redirecting, mut reason) = match &call.diverted {
            None => (hookswitch_spi::Party::default(), Reason::Direct),
            Some((by, why)) => {
                use super::subject::Diverted as D;
                let reason = match why {
                    D::Unconditionally => Reason::ForwardedUnconditional,
                    D::Busy => Reason::ForwardedBusy,
                    D::NoAnswer => Reason::ForwardedNoAnswer,
                    D::Once => Reason::Redirected,
                };
                (hookswitch_spi::Party::known(uri(by), ""), reason)
            }
        };
        if call.transferred {
            reason = Reason::Transferred;
        }
        let physical = u64::try_from(call.physical).ok().filter(|number| *number != 0).map(PhysicalCallId);
        let incoming = loopback::Incoming {
            address: AddressId(address),
            from: caller,
            media: call.media,
            reason,
            redirecting,
            user_info: Some(UserInfo(call.user_info)).filter(|info| !info.0.is_empty()),
            display: call.display.into(),
            physical,
            replaces: call.replaces.map(id),
            joins: call.joins.map(id),
            ..loopback::Incoming::new(line, &from)
        };
        self.exchange.timeout(self.now);
        self.arrives = Some(self.now + LATENCY);
        party(self.exchange.comes_in(incoming))
    }

    fn party_at(&self, address: &str) -> Option<Party> {
        self.exchange.called_at(address).map(party)
    }

    fn act(&mut self, party: Party, act: Act) {
        self.exchange.timeout(self.now);
        self.arrives = Some(self.now + LATENCY);
        let exchange = &mut self.exchange;
        let party = id(party);
        match act {
            Act::Proceed => return exchange.proceeds(party),
            Act::Ring => return exchange.rings(party),
            Act::Answer => return exchange.answers(party),
            Act::Refuse(status, fields) => return exchange.refuses(party, refusal(status, &fields)),
            _ => {}
        }
        let Some(call) = exchange.call_of(party) else { return };
        match act {
            Act::HangUp(fields) => exchange.hang_up_because(call, refusal(0, &fields)),
            Act::Hold => exchange.holds_us(call, true),
            Act::Resume => exchange.holds_us(call, false),
            Act::Press(digit, duration) => exchange.presses(call, digit, duration),
            Act::Tone(frequencies, duration) => exchange.sound(call, frequencies, duration),
            Act::UserInfo(data) => exchange.tells(call, data),
            Act::Becomes(user) => exchange.becomes(call, &uri(&user)),
            Act::Media(media) => exchange.offers_media(call, media),
            Act::RefuseWithin(status) => exchange.refuses_within(call, Some(status).filter(|s| *s != 0)),
            Act::FallSilent => exchange.never_confirms(call),
            Act::WhenTransferred(status) => exchange.when_transferred(call, status),
            Act::Refresh | Act::Proceed | Act::Ring | Act::Answer | Act::Refuse(..) => {}
        }
    }

    fn saw(&self, party: Party) -> Vec<Saw> {
        self.exchange.noticed(id(party)).iter().filter_map(saw).collect()
    }

    fn hears(&self, a: Party, b: Party) -> bool {
        self.exchange.party_hears_party(id(b), id(a))
    }

    fn treatment(&self, party: Party) -> Option<CallTreatment> {
        match self.exchange.party_hears(self.exchange.call_of(id(party))?) {
            Heard::Treatment(treatment) => Some(treatment),
            Heard::Nothing | Heard::Talk | Heard::Source(_) => None,
        }
    }

    fn playing(&self, party: Party) -> Option<Playing> {
        self.exchange.playing(self.exchange.call_of(id(party))?)
    }

    fn reachable(&mut self, reachable: bool) {
        if reachable {
            self.served = Some(self.now + LATENCY);
        } else {
            let why = OutOfService { status: None, reason: "the switch is silent".into() };
            self.serve(LineState::OutOfService(why));
        }
    }

    fn messages(&mut self, line: LineId, new: u32, old: u32) {
        self.exchange.messages_wait(line, new, old);
    }

    fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party {
        party(self.exchange.alerts_elsewhere(&uri(at), &uri(from)))
    }

    fn add_line(&mut self, line: LineSetup) -> LineId {
        self.exchange.plug_in(loopback_line(&line))
    }

    fn remove_line(&mut self, line: LineId) {
        self.exchange.timeout(self.now);
        self.exchange.remove_line(line);
    }

    fn configure(&mut self, lines: Vec<LineSetup>) {
        self.exchange.configure(lines.iter().map(loopback_line).collect());
    }

    fn uninstalled(&mut self) {
        self.exchange.configure(Vec::new());
    }

    fn want_closed(&mut self, line: LineId) {
        self.exchange.timeout(self.now);
        self.exchange.request_close(line, "the suite wants it");
    }

    fn restart(&mut self) {
        // The next session takes up what is stored by itself.
        self.exchange.timeout(self.now);
    }

    fn leaks(&mut self) -> String {
        self.exchange.alive()
    }
}
