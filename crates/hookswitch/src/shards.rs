//! The shards of a service: which of them a request concerns, which of them a message belongs to, and answers put together.
//!
//! A line lives in one shard with all its calls; a call's number names its shard. What concerns no line or call in
//! particular concerns all of them.

use hookswitch_engine::Engine;
use hookswitch_machine::Map;
use hookswitch_provider::{Account, AddressRange, shard_of_token};
use hookswitch_runtime::DriverHandle;
use hookswitch_runtime::media::Media;
use hookswitch_sip::message::unescape;
use hookswitch_sip::transaction::Branch;
use hookswitch_sip::ua::UserAgent;
use hookswitch_spi::{CallId, LineId};
use hookswitch_telephony::{Reply, Request};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// One shard: its engine's thread and its media threads.
#[derive(Clone)]
pub(crate) struct Shard {
    pub(crate) handle: DriverHandle<Engine>,
    pub(crate) media: Arc<Media>,
}

/// The shard of a line. The configuration's order numbers the lines.
pub(crate) const fn of_line(line: LineId, shards: usize) -> usize {
    line.0 as usize % shards
}

/// The shard that a request concerns; `None`: all of them.
pub(crate) fn concerned(request: &Request, shards: usize) -> Option<usize> {
    let of_call = |call: &CallId| Some(usize::from(call.shard()) % shards);
    match request {
        Request::Attach { .. }
        | Request::Detach
        | Request::Lost
        | Request::SetPriority { .. }
        | Request::Lines
        | Request::Snapshot => None,
        // There is one queue of requests for calls.
        Request::SetRecipientPriority { .. }
        | Request::RegisterRecipient { .. }
        | Request::TakeRequest
        | Request::RequestCall { .. } => Some(0),
        Request::OpenLine { line, .. }
        | Request::CloseOpen { line, .. }
        | Request::CloseLine { line }
        | Request::SetStatusMessages { line, .. }
        | Request::ExistingCalls { line, .. }
        | Request::Capabilities { line }
        | Request::LineStatus { line }
        | Request::DeviceConfig { line }
        | Request::SetDeviceConfig { line, .. }
        | Request::AddressStatus { line, .. }
        | Request::AddressId { line, .. }
        | Request::CouldDetect { line, .. }
        | Request::NegotiateExtension { line, .. }
        | Request::SelectExtension { line, .. }
        | Request::Forwarding { line, .. } => Some(of_line(*line, shards)),
        Request::Operate(operation) => {
            // A line lives in one shard with all its calls.
            let line = operation.line().map(|line| of_line(line, shards));
            line.or_else(|| operation.call().as_ref().and_then(of_call)).or(Some(0))
        }
        Request::HandOff { call, .. }
        | Request::TakeOwnership { call }
        | Request::Monitor { call }
        | Request::Release { call }
        | Request::LetGo { call }
        | Request::ConferenceCalls { call }
        | Request::CallInfo { call }
        | Request::Timeline { call } => of_call(call),
    }
}

/// The answers of two shards as one.
pub(crate) fn merged(first: Reply, second: Reply) -> Reply {
    match (first, second) {
        (
            Reply::Attached { version, mut lines, mut calls },
            Reply::Attached { lines: more, calls: others, .. },
        ) => {
            lines.extend(more);
            calls.extend(others);
            Reply::Attached { version, lines, calls }
        }
        (Reply::Calls(mut calls), Reply::Calls(others)) => {
            calls.extend(others);
            Reply::Calls(calls)
        }
        (Reply::Lines(mut lines), Reply::Lines(others)) => {
            lines.extend(others);
            lines.sort_by_key(|line| line.line);
            Reply::Lines(lines)
        }
        (first, _) => first,
    }
}

/// Steers messages to their shards by what we minted: the branch of our request, our tag, our Contact's token. The first INVITE of
/// somebody who has none of these is steered by the user it names and by who sends it.
///
/// Lines appear and disappear while messages come in: what only first INVITEs need stands behind a lock, the rest needs nothing.
#[derive(Debug)]
pub(crate) struct Steering {
    shards: usize,
    table: RwLock<Table>,
}

/// The lines, for first INVITEs.
#[derive(Debug)]
struct Table {
    /// The lines that a user part names.
    users: Map<Box<str>, Vec<LineId>>,
    lines: BTreeMap<LineId, Known>,
}

/// What steering knows of a line.
#[derive(Debug)]
struct Known {
    shard: usize,
    /// Who may call it, as far as the configuration says so in numbers.
    switch: Option<IpAddr>,
    accept_from: Vec<AddressRange>,
}

impl Known {
    fn accepts(&self, peer: IpAddr) -> bool {
        self.switch == Some(peer) || self.accept_from.iter().any(|range| range.contains(peer))
    }
}

impl Steering {
    pub(crate) fn new(accounts: &[Account], shards: usize, keys: hookswitch_machine::HashKeys) -> Self {
        let table = Table { users: Map::with_hasher(keys), lines: BTreeMap::new() };
        let steering = Self { shards, table: RwLock::new(table) };
        for (n, account) in accounts.iter().enumerate() {
            steering.add(LineId(n as u32), account);
        }
        steering
    }

    /// A line that appeared.
    pub(crate) fn add(&self, line: LineId, account: &Account) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for user in std::iter::once(&account.user).chain(&account.numbers) {
            table.users.entry(user.as_str().into()).or_default().push(line);
        }
        let known = Known {
            shard: of_line(line, self.shards),
            switch: account.registrar.host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()),
            accept_from: account.accept_from.clone(),
        };
        table.lines.insert(line, known);
    }

    /// A line that others may call.
    pub(crate) fn set_access(&self, line: LineId, account: &Account) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.lines.get_mut(&line) {
            known.accept_from.clone_from(&account.accept_from);
        }
    }

    /// A line that disappeared.
    pub(crate) fn remove(&self, line: LineId) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.lines.remove(&line);
        table.users.retain(|_, lines| {
            lines.retain(|known| *known != line);
            !lines.is_empty()
        });
    }

    /// The shard of a message from `peer`; `None` if it names none.
    pub(crate) fn shard(&self, bytes: &[u8], peer: IpAddr) -> Option<usize> {
        let head = bytes.get(..bytes.len().min(4_096))?;
        let head = match std::str::from_utf8(head) {
            Ok(head) => head,
            Err(error) => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
        };
        if head.starts_with("SIP/2.0") {
            let via = field(head, "via", "v")?;
            let branch = via.split(';').find_map(|param| param.trim().strip_prefix("branch="))?;
            return Branch::parse(branch.split([',', ' ']).next()?).map(|branch| usize::from(branch.shard()));
        }
        let tag = field(head, "to", "t")
            .and_then(|to| to.rsplit_once(";tag="))
            .and_then(|(_, tag)| tag.split([';', ' ']).next())
            .and_then(UserAgent::shard_of_tag);
        if let Some(shard) = tag {
            return Some(usize::from(shard));
        }
        let named = user_of(head.split(' ').nth(1)?);
        if let Some(shard) = shard_of_token(&named) {
            return Some(usize::from(shard));
        }
        let peer = peer.to_canonical();
        let called = field(head, "p-called-party-id", "p-called-party-id")
            .map(|value| user_of(value.split(['<', '>']).nth(1).unwrap_or(value)));
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let by_user = |user: &str| {
            let lines = table.users.get(user)?;
            let line = |id: &LineId| table.lines.get(id);
            lines
                .iter()
                .filter_map(line)
                .find(|line| line.accepts(peer))
                .or_else(|| lines.first().and_then(line))
        };
        by_user(&named)
            .or_else(|| called.as_deref().and_then(by_user))
            .or_else(|| {
                // Whoever may call one line only means that one.
                let mut lines = table.lines.values().filter(|line| line.accepts(peer));
                let first = lines.next()?;
                lines.next().is_none().then_some(first)
            })
            .map(|line| line.shard)
    }
}

/// The user part of a URI, unescaped.
fn user_of(uri: &str) -> Cow<'_, str> {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split(['@', ';']).next().unwrap_or_default();
    unescape(user).unwrap_or(Cow::Borrowed(user))
}

/// The value of the first header field of this name.
fn field<'a>(head: &'a str, long: &str, short: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        (name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use hookswitch_machine::HashKeys;

    #[test]
    fn messages_find_their_shard_by_what_was_minted() {
        let text = "[[line]]\nname='a'\nregistrar='h'\nuser='alice'\n[[line]]\nname='b'\nregistrar='h'\nuser='bob'\naccept-from=['192.0.2.7']\n";
        let config = Config::parse(text, "t".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        let steering = Steering::new(&config.lines, 2, HashKeys::default());
        let branch = Branch::new(1, 77);
        for (message, shard) in [
            (format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch={branch};rport\r\n\r\n"), Some(1)),
            ("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKother\r\n\r\n".into(), None),
            (
                "BYE sip:x@h SIP/2.0\r\nFrom: <sip:p@h>;tag=h0-1-2-3\r\nTo: <sip:u@h>;tag=h1-0-0-ff\r\n\r\n"
                    .into(),
                Some(1),
            ),
            ("BYE sip:x@h SIP/2.0\r\nt: <sip:u@h>;tag=h0-0-0-ff;x=y\r\n\r\n".into(), Some(0)),
            ("INVITE sip:hs0001000000000000aaaa@h SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n".into(), Some(1)),
            ("INVITE sip:bob@h:5060;transport=tcp SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n".into(), Some(1)),
            ("INVITE sip:alice@h SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n".into(), Some(0)),
            ("INVITE sip:carol@h SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n".into(), None),
            ("INVITE sip:b%6Fb@h SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n".into(), Some(1)),
            (
                "INVITE sip:x@h SIP/2.0\r\nP-Called-Party-ID: <sip:bob@h>\r\nTo: <sip:u@h>\r\n\r\n".into(),
                Some(1),
            ),
            ("\r\n\r\n".into(), None),
        ] {
            assert_eq!(steering.shard(message.as_bytes(), [192, 0, 2, 1].into()), shard, "{message}");
        }
        let stranger = b"INVITE sip:+4930123@h SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n";
        assert_eq!(
            steering.shard(stranger, [192, 0, 2, 7].into()),
            Some(1),
            "the only line that it may call"
        );
        let bob = b"INVITE sip:bob@h SIP/2.0\r\nTo: <sip:u@h>\r\n\r\n";
        steering.remove(LineId(1));
        assert_eq!(steering.shard(bob, [192, 0, 2, 1].into()), None, "bob's line is gone");
        steering.add(LineId(2), &config.lines[1]);
        assert_eq!(steering.shard(bob, [192, 0, 2, 1].into()), Some(0), "bob has another line");
    }
}
