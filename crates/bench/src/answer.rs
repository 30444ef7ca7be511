//! Who needs how much for an answered call: our line and SIPp's own server in turn, under the same caller.

use crate::arguments::{AnswerOptions, Server};
use crate::fault::Fault;
use crate::load::{self, Counted, Desk, Plan};
use crate::process::{self, Owned};
use crate::report;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// How long a transaction may linger after its last message (RFC 3261 17: timer L, 64·T1), and some time to breathe.
const DRAIN: Duration = Duration::from_secs(45);

/// One run at one rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) server: Server,
    /// Calls a second that the caller was asked for.
    pub(crate) asked: u32,
    pub(crate) counted: Counted,
    /// CPU time of the server per 1,000 calls.
    pub(crate) cpu: Duration,
    /// CPU time of the caller per 1,000 calls.
    pub(crate) caller: Duration,
    /// The server's resident memory at the end.
    pub(crate) resident: u64,
}

/// Calls held at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) server: Server,
    pub(crate) calls: u32,
    pub(crate) failed: u64,
    /// Growth of resident memory per call.
    pub(crate) per_call: u64,
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) sipp: String,
    pub(crate) machine: String,
    pub(crate) seconds: u32,
    pub(crate) rates: Vec<Rate>,
    pub(crate) held: Vec<Held>,
    /// What was left of our line after each run, where that was not nothing.
    pub(crate) left: Vec<String>,
}

pub(crate) fn run(options: &AnswerOptions) -> Result<(), Fault> {
    let mut figures = Figures {
        sipp: load::version()?,
        machine: process::machine(),
        seconds: options.seconds,
        rates: Vec::new(),
        held: Vec::new(),
        left: Vec::new(),
    };
    println!("{}; {}", figures.machine, figures.sipp);
    for rate in &options.rates {
        for server in &options.servers {
            let done = at_rate(*server, *rate, options.seconds, &mut figures.left)?;
            println!("{}", report::rate_line(&done));
            figures.rates.push(done);
        }
    }
    if options.held > 0 {
        for server in &options.servers {
            let done = held(*server, options.held, &mut figures.left)?;
            println!("{}", report::held_line(&done));
            figures.held.push(done);
        }
    }
    for left in &figures.left {
        println!("left over: {left}");
    }
    if let Some(output) = &options.output {
        report::write_answer(output, &figures)?;
        println!("written to {}", output.display());
    }
    println!("{}", report::last_line(&figures));
    let failed: u64 =
        figures.rates.iter().filter(|rate| rate.server == Server::Ours).map(|rate| rate.counted.failed).sum();
    let failed = failed
        + figures.held.iter().filter(|held| held.server == Server::Ours).map(|held| held.failed).sum::<u64>();
    if failed > 0 {
        return Err(Fault::Measurement(format!("{failed} calls to our line failed")));
    }
    if !figures.left.is_empty() {
        return Err(Fault::Measurement("something was left after the calls".to_owned()));
    }
    Ok(())
}

fn at_rate(server: Server, rate: u32, seconds: u32, left: &mut Vec<String>) -> Result<Rate, Fault> {
    let desk = Desk::new()?;
    let mut running = Running::start(server, &desk)?;
    let before = running.process.cpu()?;
    let plan = Plan { rate, calls: rate * seconds, limit: rate * 4, held: Duration::ZERO };
    let mut caller = desk.call(running.port, &plan)?;
    let deadline = Instant::now() + Duration::from_secs(u64::from(seconds) * 3 / 2 + 40);
    let mut of_caller = Duration::ZERO;
    while !caller.has_ended()? {
        of_caller = caller.cpu().unwrap_or(of_caller);
        running.check()?;
        if Instant::now() > deadline {
            let (alive, counted) = (running.ask()?, caller.counted());
            let message = format!("the calls at {rate}/s did not end: {counted:?}; alive: {alive:?}");
            return Err(Fault::Measurement(message));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let used = running.process.cpu()?.saturating_sub(before);
    let counted = caller.total()?;
    let resident = running.process.resident()?;
    if server == Server::Ours {
        left.extend(running.drained(&format!("{rate}/s"))?);
    }
    let thousands = (counted.successful + counted.failed).max(1) as f64 / 1_000.0;
    let (cpu, caller) = (used.div_f64(thousands), of_caller.div_f64(thousands));
    Ok(Rate { server, asked: rate, counted, cpu, caller, resident })
}

/// Sets `calls` up at a rate that nobody finds hard, looks at the memory, and lets them end.
fn held(server: Server, calls: u32, left: &mut Vec<String>) -> Result<Held, Fault> {
    let rate = 1_000;
    let desk = Desk::new()?;
    let mut running = Running::start(server, &desk)?;
    let before = running.process.resident()?;
    let setup = Duration::from_secs(u64::from(calls.div_ceil(rate)));
    let plan = Plan { rate, calls, limit: calls + 1, held: setup + Duration::from_secs(8) };
    let mut caller = desk.call(running.port, &plan)?;
    let deadline = Instant::now() + setup * 3 + Duration::from_secs(60);
    let looked = Instant::now() + setup + Duration::from_secs(4);
    let mut per_call = None;
    while !caller.has_ended()? {
        running.check()?;
        if per_call.is_none() && Instant::now() > looked {
            let current = match server {
                Server::Ours => running.ask()?.get("calls").copied().unwrap_or_default(),
                Server::Sipp => caller.counted().current,
            };
            if current != u64::from(calls) {
                return Err(Fault::Measurement(format!("{current} calls are held, expected {calls}")));
            }
            per_call = Some(running.process.resident()?.saturating_sub(before) / u64::from(calls));
        }
        if Instant::now() > deadline {
            return Err(Fault::Measurement(format!("the held calls did not end: {:?}", caller.counted())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let counted = caller.total()?;
    if server == Server::Ours {
        left.extend(running.drained("held")?);
    }
    let per_call = per_call.ok_or_else(|| Fault::Measurement("the held calls ended too early".to_owned()))?;
    Ok(Held { server, calls, failed: counted.failed, per_call })
}

/// A server that answers on a port.
struct Running {
    process: Owned,
    port: u16,
    /// Of our own server: its input and output.
    talk: Option<(ChildStdin, BufReader<ChildStdout>)>,
    /// What it had before the first call.
    descriptors: usize,
    alive: HashMap<String, u64>,
}

impl Running {
    fn start(server: Server, desk: &Desk) -> Result<Self, Fault> {
        let port = free_port()?;
        match server {
            Server::Sipp => {
                let process = desk.answer(port)?;
                wait_for_port(port)?;
                Ok(Self { process, port, talk: None, descriptors: 0, alive: HashMap::new() })
            }
            Server::Ours => {
                let program = std::env::current_exe().map_err(Fault::io("finding this program"))?;
                let mut command = load::pinned(0, &program.to_string_lossy());
                command
                    .args(["serve", "--port", &port.to_string()])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped());
                let mut child = command.spawn().map_err(Fault::io("starting the server"))?;
                let talk = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
                let mut running =
                    Self { process: Owned(child), port, talk, descriptors: 0, alive: HashMap::new() };
                let said = running.line()?;
                if said != "ready" {
                    return Err(Fault::Measurement(format!("the server is not ready, it says {said:?}")));
                }
                running.descriptors = running.process.descriptors()?;
                running.alive = running.ask()?;
                Ok(running)
            }
        }
    }

    /// Fails if the server has ended.
    fn check(&mut self) -> Result<(), Fault> {
        match self.process.0.try_wait().map_err(Fault::io("looking at the server"))? {
            None => Ok(()),
            Some(status) => Err(Fault::Measurement(format!("the server has ended: {status}"))),
        }
    }

    fn line(&mut self) -> Result<String, Fault> {
        let Some((_, output)) = &mut self.talk else { return Ok(String::new()) };
        let mut line = String::new();
        output.read_line(&mut line).map_err(Fault::io("reading from the server"))?;
        Ok(line.trim().to_owned())
    }

    /// What is alive in our server.
    fn ask(&mut self) -> Result<HashMap<String, u64>, Fault> {
        if let Some((input, _)) = &mut self.talk {
            writeln!(input, "figures")
                .and_then(|()| input.flush())
                .map_err(Fault::io("asking the server"))?;
        }
        let line = self.line()?;
        let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
        Ok(pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// Waits until nothing lingers; says what is left if something is.
    fn drained(&mut self, after: &str) -> Result<Option<String>, Fault> {
        let deadline = Instant::now() + DRAIN;
        loop {
            let alive = self.ask()?;
            let count = |name: &str| {
                let now = alive.get(name).copied().unwrap_or(u64::MAX);
                now.saturating_sub(self.alive.get(name).copied().unwrap_or_default())
            };
            let left = ["calls", "sessions", "transactions", "timers", "known", "failed", "refused"];
            let left = left.into_iter().filter(|name| count(name) > 0);
            let mut left: Vec<String> = left.map(|name| format!("{name} {}", count(name))).collect();
            let descriptors = self.process.descriptors()?;
            if descriptors != self.descriptors {
                left.push(format!("descriptors {descriptors} instead of {}", self.descriptors));
            }
            if left.is_empty() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Ok(Some(format!("after {after}: {}", left.join(", "))));
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

fn free_port() -> Result<u16, Fault> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(Fault::io("looking for a free port"))?;
    Ok(socket.local_addr().map_err(Fault::io("looking for a free port"))?.port())
}

/// Waits until somebody has bound the port.
fn wait_for_port(port: u16) -> Result<(), Fault> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while UdpSocket::bind(("127.0.0.1", port)).is_ok() {
        if Instant::now() > deadline {
            return Err(Fault::Measurement("SIPp's server did not start".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
