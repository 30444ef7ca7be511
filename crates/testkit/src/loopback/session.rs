//! Sessions and devices: what a configuration brings, when it takes effect, and lines that come and go meanwhile.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::Other;
use super::line::{Line, LoopbackLine};
use hookswitch_machine::Time;
use hookswitch_spi::{
    Disconnect, DisconnectMode, EndedBy, Feature, InterfaceVersion, LineId, LineState, MediaTypes,
    OperationError, ProviderEvent, StateKind, StatusKind,
};
use std::time::Duration;

impl Loopback {
    /// An exchange without lines, with a session begun; requests take 10 ms.
    pub fn new() -> Self {
        Self { session: Some(InterfaceVersion::V1), ..Self::stopped() }
    }

    /// An exchange without lines that waits for [`initialise`](hookswitch_spi::Provider::initialise).
    pub fn stopped() -> Self {
        Self {
            latency: Duration::from_millis(10),
            busy_tone: Duration::from_millis(500),
            recall_after: Duration::from_secs(120),
            ..Self::default()
        }
    }

    /// Adds a line that was there from the beginning.
    pub fn add_line(&mut self, line: LoopbackLine) -> LineId {
        let reused = self.broken(Fault::ReusesLineNumbers).then(|| {
            let free = |id: &u32| !self.lines.contains_key(&LineId(*id));
            (0..self.minted_lines).find(free)
        });
        let id = reused.flatten().unwrap_or_else(|| {
            self.minted_lines += 1;
            self.minted_lines - 1
        });
        let mut line = Line::new(line);
        self.apply_faults(&mut line);
        self.lines.insert(LineId(id), line);
        LineId(id)
    }

    /// Adds a line while applications run; they hear that it appeared.
    pub fn plug_in(&mut self, line: LoopbackLine) -> LineId {
        let line = self.add_line(line);
        if self.session.is_some() && !self.broken(Fault::HidesNewLines) {
            self.events.push_back(ProviderEvent::LineCreated { line });
        }
        line
    }

    /// Removes a line for good; its calls end, and what is outstanding on it completes first.
    pub fn remove_line(&mut self, line: LineId) {
        self.complete_line(line);
        for call in self.calls_of(line) {
            let end = Disconnect::new(DisconnectMode::OutOfOrder, EndedBy::Network, "the line was removed");
            let other = self.unlink(Other::Leg(call));
            self.end(call, end.clone());
            self.end_other(other, end, None);
        }
        self.waiting.retain(|_, waiting| waiting.line != line);
        if self.lines.remove(&line).is_some() && self.session.is_some() {
            self.events.push_back(ProviderEvent::LineRemoved { line });
        }
    }

    /// Completes everything that is outstanding on a line.
    pub(crate) fn complete_line(&mut self, line: LineId) {
        let about = self.asked.iter().filter(|(_, asked)| asked.line == line);
        let about: Vec<_> = about.map(|(request, _)| *request).collect();
        for request in about {
            self.complete(request, Err(OperationError::Closed));
        }
    }

    /// Stores the configuration of the next session: its lines, found again by their names. A running session is told once that
    /// it waits, and goes on as it is.
    pub fn configure(&mut self, lines: Vec<LoopbackLine>) {
        if self.broken(Fault::ConfiguresAtOnce) {
            for new in &lines {
                if let Some(line) = self.lines.values_mut().find(|line| line.name == new.name) {
                    line.capabilities = new.capabilities.clone();
                }
            }
        }
        if self.broken(Fault::RemovalEndsCalls) {
            let kept = |name: &str| lines.iter().any(|line| line.name == name);
            let gone = self.lines.iter().filter(|(_, line)| !kept(&line.name)).map(|(id, _)| *id);
            for line in gone.collect::<Vec<_>>() {
                self.remove_line(line);
            }
        }
        let told = self.pending.replace(lines).is_some();
        if self.session.is_some() && !told && !self.broken(Fault::ForgetsToAnnounce) {
            let why = "the lines were configured anew".into();
            self.events.push_back(ProviderEvent::Reinitialise { why });
        }
    }

    /// The stored configuration takes effect.
    pub(crate) fn load(&mut self) {
        let Some(lines) = self.pending.take() else { return };
        let mut before = std::mem::take(&mut self.lines);
        for line in lines {
            let same = before.iter().find(|(_, known)| known.name == line.name).map(|(id, _)| *id);
            match same {
                Some(id) => {
                    before.remove(&id);
                    let mut line = Line::new(line);
                    self.apply_faults(&mut line);
                    self.lines.insert(id, line);
                }
                None => {
                    self.add_line(line);
                }
            }
        }
    }

    /// Begins with nothing of the last session.
    pub(crate) fn clear_session(&mut self) {
        self.legs.clear();
        for party in self.strangers.values_mut().filter(|party| !party.gone) {
            party.note(super::stranger::Noticed::HungUp(Vec::new()));
            party.gone = true;
        }
        self.orbits.clear();
        self.waiting.clear();
        self.agenda.clear();
        let remembers = self.broken(Fault::RemembersSessions);
        for line in self.lines.values_mut() {
            if remembers {
                line.open = None;
            } else {
                line.forget();
            }
        }
        self.events.retain(|event| matches!(event, ProviderEvent::Completed { .. }));
    }

    /// The exchange wants a line closed; what is outstanding on it completes first.
    pub fn request_close(&mut self, line: LineId, why: &str) {
        let event = ProviderEvent::CloseRequested { line, why: why.into() };
        if self.broken(Fault::CloseRequestedFirst) {
            self.events.push_back(event.clone());
            return self.complete_line(line);
        }
        self.complete_line(line);
        self.events.push_back(event);
    }

    /// Puts a line in or out of service.
    pub fn set_line_state(&mut self, line: LineId, state: LineState) {
        if let Some(entry) = self.lines.get_mut(&line) {
            entry.state = state.clone();
            self.tell(line, StatusKind::Service, ProviderEvent::LineState { line, state });
        }
        self.look_for_free_soon();
    }

    /// How long a request takes to be carried out.
    pub fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// How long a call is *busy* before it is disconnected.
    pub fn set_busy_tone(&mut self, busy_tone: Duration) {
        self.busy_tone = busy_tone;
    }

    /// How long a call is parked before it comes back.
    pub fn set_recall(&mut self, after: Duration) {
        self.recall_after = after;
    }

    /// The next such request is refused at once.
    pub fn refuse_next(&mut self, feature: Feature, error: OperationError) {
        self.script.refuse_next(feature, error);
    }

    /// The next such request is accepted and then fails, changing nothing.
    pub fn fail_next(&mut self, feature: Feature, error: OperationError) {
        self.script.fail_next(feature, error);
    }

    /// From now on the exchange breaks this one rule.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.insert(fault);
        let mut lines = std::mem::take(&mut self.lines);
        lines.values_mut().for_each(|line| self.apply_faults(line));
        self.lines = lines;
    }

    fn apply_faults(&self, line: &mut Line) {
        if self.broken(Fault::HidesWhatItDoes) {
            line.capabilities.states = line.capabilities.states.without(StateKind::Ringback);
        }
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.agenda.next()
    }

    /// The media types that a line was told to detect.
    pub fn detected(&self, line: LineId) -> MediaTypes {
        let open = self.lines.get(&line).and_then(|line| line.open);
        open.map_or(MediaTypes::NONE, |open| open.detected)
    }

    /// The lines that exist, with a session or without.
    pub fn line_numbers(&self) -> Vec<LineId> {
        self.lines.keys().copied().collect()
    }

    /// Whether a line is open.
    pub fn is_open(&self, line: LineId) -> bool {
        self.lines.get(&line).is_some_and(|line| line.open.is_some())
    }

    /// Calls that have not been closed.
    pub fn calls(&self) -> usize {
        self.legs.len()
    }

    /// Requests that have not completed.
    pub fn outstanding(&self) -> usize {
        self.asked.len()
    }

    /// What is still alive; empty if nothing is.
    pub fn alive(&self) -> String {
        let parties = self.strangers.values().filter(|party| !party.gone).count();
        let all = [
            (self.legs.len(), "calls"),
            (self.asked.len(), "requests"),
            (parties, "parties outside"),
            (self.orbits.len(), "parked calls"),
            (self.waiting.len(), "call completions"),
        ];
        let alive = all.into_iter().filter(|(number, _)| *number > 0);
        alive.map(|(number, what)| format!("{number} {what}")).collect::<Vec<_>>().join(", ")
    }
}
