//! The provider as the interface sees it, and as a driver does.

use crate::account::Account;
use crate::core::{Action, Core, Counters};
use crate::terms::Terms;
use bytes::Bytes;
use hookswitch_machine::{CloseReason, Endpoint, Entropy, Flow, QueryId, ResolveError, Target, Time};
use hookswitch_media::control::Event as MediaEvent;
use hookswitch_sip::message::Method;
use hookswitch_sip::session_timer::Interval;
use hookswitch_sip::transaction::{self, Layer};
use hookswitch_sip::ua::{self, UserAgent};
use hookswitch_spi::{
    AddressDescription, AddressId, AddressStatus, CallId, CallInfo, CallOptions, CallState, CallStatus,
    Capabilities, DeviceConfig, Devices, ExtensionVersion, ForwardingRules, InterfaceVersion,
    LineDescription, LineError, LineId, LineStatus, MediaTypes, Operation, OperationError, PhysicalCallId,
    Provider, ProviderEvent, RequestId, Set, StatusKind, VersionRange,
};

/// What a [`SipProvider`] is made of.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The shard that this provider serves; part of every identifier.
    pub shard: u16,
    /// How many shards there are: line `n` lives in shard `n` modulo this number.
    pub shards: u16,
    /// Local addresses.
    pub endpoints: Vec<Endpoint>,
    /// User-Agent and Server.
    pub product: String,
    /// All lines in order, those of other shards as well.
    pub accounts: Vec<Account>,
    /// Transactions: timers and limits.
    pub transactions: transaction::Config,
    /// The most calls at a time over all lines.
    pub max_calls: usize,
    /// How long sessions live without a refresh, asked of every peer that supports it (RFC 4028); none: not asked.
    pub session_timer: Option<Interval>,
}

impl ProviderConfig {
    /// A configuration with default timers and limits.
    pub fn new(endpoints: Vec<Endpoint>, accounts: Vec<Account>) -> Self {
        Self {
            shard: 0,
            shards: 1,
            endpoints,
            product: concat!("Hookswitch/", env!("CARGO_PKG_VERSION")).to_owned(),
            accounts,
            transactions: transaction::Config::default(),
            max_calls: 100_000,
            session_timer: None,
        }
    }
}

/// What is alive: for metrics and leak checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    /// Calls not closed.
    pub calls: usize,
    /// INVITE sessions.
    pub sessions: usize,
    /// Transactions, lingering ones included.
    pub transactions: usize,
    /// Timers of lines, calls and sessions.
    pub timers: usize,
    /// Audio ports in stock.
    pub stock: usize,
    /// Look-ups without an answer.
    pub queries: usize,
    /// What is subscribed to.
    pub subscriptions: usize,
}

/// The SIP service provider of one shard.
pub struct SipProvider {
    pub(crate) core: Core,
    pub(crate) shard: u16,
    pub(crate) shards: u16,
}

impl std::fmt::Debug for SipProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SipProvider").field("alive", &self.alive()).finish_non_exhaustive()
    }
}

impl SipProvider {
    /// A provider with its lines closed.
    pub fn new(config: ProviderConfig, mut entropy: Entropy) -> Self {
        let ProviderConfig {
            shard,
            shards,
            endpoints,
            product,
            accounts,
            transactions,
            max_calls,
            session_timer,
        } = config;
        let layer = Layer::new(transaction::Config { shard, ..transactions }, entropy.fork());
        let settings = ua::Config {
            shard,
            endpoints,
            product: product.clone(),
            max_legs: max_calls,
            // What waits for a user is told by some switches without being asked.
            methods: vec![Method::Notify],
            session_timer,
            ..ua::Config::default()
        };
        let ua = UserAgent::new(settings, entropy.fork());
        let core = Core::new(layer, ua, shard, product, entropy);
        let mut provider = Self { core, shard, shards: shards.max(1) };
        for account in accounts {
            provider.push_line(account);
        }
        provider
    }

    /// A message, or a keep-alive, came.
    pub fn received(&mut self, now: Time, flow: Flow, bytes: Bytes) {
        self.core.now = now;
        self.core.received(now, flow, bytes);
    }

    /// A flow ended, or could not be opened.
    pub fn flow_closed(&mut self, now: Time, flow: Flow, reason: CloseReason) {
        self.core.now = now;
        self.core.flow_closed(now, flow, reason);
    }

    /// A look-up ended.
    pub fn resolved(&mut self, now: Time, query: QueryId, answer: Result<Vec<Target>, ResolveError>) {
        self.core.now = now;
        self.core.resolved(now, query, answer);
    }

    /// The media threads report.
    pub fn media_event(&mut self, now: Time, event: MediaEvent) {
        self.core.now = now;
        self.core.media_event(now, event);
    }

    /// The time of [`next_timeout`](Self::next_timeout) has come.
    pub fn timeout(&mut self, now: Time) {
        self.core.now = now;
        self.core.timeout(now);
    }

    /// When to call [`timeout`](Self::timeout).
    pub fn next_timeout(&self) -> Option<Time> {
        self.core.next_timeout()
    }

    /// The next thing to be done outside.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.core.actions.pop_front()
    }

    /// Lines that are open, or still un-registering.
    pub fn open_lines(&self) -> usize {
        self.core.lines.iter().flatten().filter(|line| line.open.is_some()).count()
    }

    /// Messages refused or dropped.
    pub fn counters(&self) -> Counters {
        self.core.counters
    }

    /// Asks for a line to be closed (LINE_CLOSE): everything outstanding on it completes first, and it stays usable until it is
    /// closed.
    pub fn request_close(&mut self, now: Time, line: LineId, why: &str) {
        self.core.now = now;
        if self.core.line(line).is_none_or(|found| found.open.is_none()) || self.core.closing.contains(&line)
        {
            return;
        }
        for call in self.core.calls.on_line(line) {
            let embryo = self.core.calls.get(call).is_some_and(|call| call.embryo);
            self.core.fail_waiting(call, &OperationError::Closed);
            if embryo {
                self.core.forget(now, call);
            }
        }
        self.core.events.push_back(ProviderEvent::CloseRequested { line, why: why.into() });
        self.core.settle(now);
    }

    /// What is alive.
    pub fn alive(&self) -> Alive {
        let counts = self.core.layer.counts();
        Alive {
            calls: self.core.calls.len(),
            sessions: self.core.ua.live_legs(),
            transactions: counts.client_invite
                + counts.client_non_invite
                + counts.server_invite
                + counts.server_non_invite,
            timers: self.core.timers.len() + self.core.ua.live_timers(),
            stock: self.core.stock.len(),
            queries: self.core.queries.len(),
            subscriptions: self.core.ua.live_subscriptions(),
        }
    }
}

/// The shard of a line whose Contact has this user part; `None` if it is no token of ours.
pub fn shard_of_token(user: &str) -> Option<u16> {
    let digits = user.strip_prefix("hs").filter(|digits| digits.len() == 20)?;
    u16::from_str_radix(digits.get(..4)?, 16).ok()
}

const VERSIONS: VersionRange = VersionRange { low: InterfaceVersion::V1, high: InterfaceVersion::V1 };

impl Provider for SipProvider {
    fn negotiate(&self, line: Option<LineId>, offered: VersionRange) -> Result<InterfaceVersion, LineError> {
        if let Some(line) = line.filter(|line| self.core.line(*line).is_none()) {
            return Err(LineError::NoSuchLine(line));
        }
        let highest = offered.high.min(VERSIONS.high);
        if highest < VERSIONS.low || highest < offered.low {
            return Err(LineError::IncompatibleVersion(VERSIONS));
        }
        Ok(highest)
    }

    fn devices(&self) -> Devices {
        let lines = self.core.lines.iter().flatten().count() - self.core.removed.len();
        Devices { lines: lines as u32, phones: 0 }
    }

    fn initialise(&mut self, now: Time, version: InterfaceVersion) -> Result<(), LineError> {
        self.core.now = now;
        self.negotiate(None, VersionRange { low: version, high: version })?;
        self.core.initialised = true;
        Ok(())
    }

    fn lines(&self) -> Vec<LineDescription> {
        let lines = self.core.lines.iter().enumerate();
        lines
            .filter_map(|(n, line)| Some((LineId(n as u32), line.as_ref()?)))
            .filter(|(id, _)| !self.core.removed.contains(id))
            .map(|(id, line)| LineDescription {
                line: id,
                name: line.account.name.clone(),
                permanent: line.account.permanent,
                addresses: (0..line.addresses())
                    .map(AddressId)
                    .map(|address| AddressDescription { address, uri: line.uri(address) })
                    .collect(),
                state: line.state.clone(),
            })
            .collect()
    }

    fn capabilities(&self, line: LineId) -> Option<&Capabilities> {
        self.core.line(line).map(|line| &line.capabilities)
    }

    fn open_line(&mut self, now: Time, line: LineId, version: InterfaceVersion) -> Result<(), LineError> {
        self.core.now = now;
        if !self.core.initialised {
            return Err(LineError::NotInitialised);
        }
        let found = self.core.line(line).ok_or(LineError::NoSuchLine(line))?;
        let closing = self.core.closing.contains(&line);
        if found.open.is_some() && !closing {
            return Err(LineError::AlreadyOpen(line));
        }
        self.negotiate(Some(line), VersionRange { low: version, high: version })?;
        self.core.start_line(now, line, version);
        self.core.settle(now);
        Ok(())
    }

    fn close_line(&mut self, now: Time, line: LineId) {
        if self.core.line(line).is_none_or(|found| found.open.is_none()) || self.core.closing.contains(&line)
        {
            return;
        }
        self.core.now = now;
        // What is outstanding completes first (TSPI_lineClose); nothing is told afterwards.
        for call in self.core.calls.on_line(line) {
            self.core.part(call);
        }
        for call in self.core.calls.on_line(line) {
            self.core.fail_waiting(call, &OperationError::Closed);
        }
        self.core.end_watches(now, line);
        self.core.forget_roles(line);
        for call in self.core.calls.on_line(line) {
            self.core.forget(now, call);
        }
        if let Some(line) = self.core.line_mut(line) {
            // The next to open it negotiates anew.
            line.extension = ExtensionVersion::NONE;
            line.wanted_status = Set::NONE;
        }
        self.core.closing.push(line);
        self.core.stop_line(now, line);
        self.core.settle(now);
    }

    fn detect_media(&mut self, line: LineId, media: MediaTypes) -> Result<(), LineError> {
        self.core.can_carry(line, media)?;
        let found = self.core.line_mut(line).ok_or(LineError::NoSuchLine(line))?;
        let open = found.open.as_mut().ok_or(LineError::NotOpen(line))?;
        open.wanted_media = media;
        Ok(())
    }

    fn could_detect(&self, line: LineId, media: MediaTypes, call: &CallOptions) -> Result<(), LineError> {
        self.core.could_detect(line, media, call)
    }

    fn detect_status(&mut self, line: LineId, kinds: Set<StatusKind>) -> Result<(), LineError> {
        let found = self.core.line_mut(line).ok_or(LineError::NoSuchLine(line))?;
        if found.open.is_none() {
            return Err(LineError::NotOpen(line));
        }
        found.wanted_status = kinds;
        let now = self.core.now;
        self.core.begin_ringing_on(now, line);
        Ok(())
    }

    fn device_config(&self, line: LineId) -> Option<DeviceConfig> {
        self.core.device_config(line)
    }

    fn set_device_config(&mut self, line: LineId, config: DeviceConfig) -> Result<(), LineError> {
        self.core.set_device_config(line, &config)
    }

    fn negotiate_extension(
        &self,
        line: LineId,
        offered: (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        self.core.negotiate_extension(line, offered)
    }

    fn select_extension(&mut self, line: LineId, version: ExtensionVersion) -> Result<(), LineError> {
        self.core.select_extension(line, version)
    }

    fn take_call(&mut self, now: Time, call: CallId, taken: bool) {
        self.core.now = now;
        self.core.take_call(now, call, taken);
        self.core.settle(now);
    }

    fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        self.core.now = now;
        self.core.submit(now, request, operation)
    }

    fn close_call(&mut self, now: Time, call: CallId) {
        self.core.now = now;
        if self.core.close_bridged(call) {
            return;
        }
        // Who asked for its end has what it wanted.
        self.core.complete_drops(call);
        self.core.fail_waiting(call, &OperationError::CallEnded);
        self.core.forget(now, call);
        self.core.settle(now);
    }

    fn call_info(&self, call: CallId) -> Option<CallInfo> {
        let call = self.core.visible(call)?;
        let (facts, extra) = (&call.facts, call.extra.as_ref());
        Some(CallInfo {
            line: call.line,
            address: call.address,
            physical: PhysicalCallId(facts.physical),
            origin: call.origin,
            reason: facts.reason,
            media: call.media_types,
            caller: facts.caller.clone(),
            called: facts.called.clone(),
            connected: facts.connected.clone(),
            redirecting: facts.redirecting.clone(),
            redirection: facts.redirection.clone(),
            related: extra.and_then(|extra| extra.related),
            completion: extra.and_then(|extra| extra.completion),
            call_data: extra.map_or_else(Box::default, |extra| extra.call_data.clone()),
            app_specific: extra.map_or(0, |extra| extra.app_specific),
            treatment: extra.and_then(|extra| extra.treatment),
            user_info: extra.and_then(|extra| extra.user_info.front().cloned()),
            secure: extra.is_some_and(|extra| extra.secure),
            display: extra.map_or_else(Box::default, |extra| extra.display.clone()),
            sip_call_id: facts.call_id.clone(),
        })
    }

    fn call_state(&self, call: CallId) -> Option<CallState> {
        self.core.visible(call).map(|call| call.state.clone())
    }

    fn call_status(&self, call: CallId) -> Option<CallStatus> {
        self.core.call_status(call)
    }

    fn line_status(&self, line: LineId) -> Option<LineStatus> {
        self.core.line_status(line)
    }

    fn address_status(&self, line: LineId, address: AddressId) -> Option<AddressStatus> {
        self.core.address_status(line, address)
    }

    fn address_id(&self, line: LineId, dialled: &str) -> Option<AddressId> {
        self.core.address_id(line, dialled)
    }

    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules> {
        self.core.line(line)?.forwarding.get(usize::from(address.0))
    }

    fn poll_event(&mut self) -> Option<ProviderEvent> {
        self.core.events.pop_front().or_else(|| self.core.completions.lost())
    }

    fn shutdown(&mut self, now: Time) {
        for line in 0..self.core.lines.len() as u32 {
            self.close_line(now, LineId(line));
        }
        for line in self.core.lines.iter_mut().flatten() {
            line.terms = Terms::of_profile(&line.account.profile);
        }
        self.core.initialised = false;
    }
}
