//! What a datagram costs: an echoing machine under load, measured in CPU time of this process.
//!
//! ```sh
//! cargo build --release -p hookswitch-runtime --example udp_cost
//! taskset -c 0 target/release/examples/udp_cost 20000 10 1000
//! ```
//! Arguments: datagrams per second, seconds, microseconds to gather. The load comes from a second process, which `taskset`
//! puts on CPU 1; each datagram has 500 bytes and a source port out of 16.
#![allow(clippy::disallowed_methods)]

use hookswitch_machine::{Input, Machine, Output, Time, Transport};
use hookswitch_runtime::{Bound, Clock, Driver, Listen, Options, Sink};
use std::collections::VecDeque;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Echo(VecDeque<Output<(), ()>>);

impl Machine for Echo {
    type Request = ();
    type Event = ();
    type MediaCommand = ();
    type MediaEvent = ();

    fn handle(&mut self, _: Time, input: Input<(), ()>) {
        if let Input::Received { flow, bytes } = input {
            self.0.push_back(Output::Transmit { flow, bytes });
        }
    }

    fn poll(&mut self) -> Option<Output<(), ()>> {
        self.0.pop_front()
    }

    fn timeout(&self) -> Option<Time> {
        None
    }
}

struct Nowhere;

impl Sink<Echo> for Nowhere {
    fn event(&self, (): ()) {}
    fn media(&self, (): ()) {}
}

/// Nanoseconds of CPU that all threads of this process have used.
fn cpu() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let used = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    used.sum()
}

fn generate(to: SocketAddr, rate: u64, seconds: u64) -> Result<(), Box<dyn Error>> {
    let sockets: Vec<UdpSocket> = (0..16)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect::<Result<_, std::io::Error>>()?;
    let message = [b'x'; 500];
    let mut buffer = [0; 2_048];
    let (mut sent, mut back) = (0u64, 0u64);
    let begin = Instant::now();
    let mut last = begin;
    while begin.elapsed() < Duration::from_secs(seconds) || last.elapsed() < Duration::from_millis(200) {
        let due = (begin.elapsed().as_micros() as u64 * rate / 1_000_000).min(rate * seconds);
        while sent < due {
            let socket = &sockets[(sent % 16) as usize];
            match socket.send(&message) {
                Ok(_) => sent += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        for socket in &sockets {
            while socket.recv(&mut buffer).is_ok() {
                back += 1;
                last = Instant::now();
            }
        }
    }
    println!("sent {sent}, echoed {back}");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| "20000".to_owned());
    let mut number = |default: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    if let Ok(to) = first.parse::<SocketAddr>() {
        return generate(to, number(20_000), number(10));
    }
    let rate: u64 = first.parse()?;
    let (seconds, gather) = (number(10), number(1_000));

    let bound = Bound::open(&[Listen::on(Transport::Udp, "127.0.0.1:0".parse()?)], 1)?;
    let to = bound.endpoints()[0].advertised;
    let mut options = Options::default();
    options.gather = Duration::from_micros(gather);
    let running =
        Driver::new(bound, Clock::start()).options(options).start(vec![(Echo::default(), Nowhere)])?;

    let before = cpu();
    let begin = Instant::now();
    let me = std::env::current_exe()?;
    let status = Command::new("taskset")
        .args(["-c", "1"])
        .arg(me)
        .args([to.to_string(), rate.to_string(), seconds.to_string()])
        .status()?;
    let used = cpu() - before;
    let figures = running.figures();
    println!(
        "{status}: {} in, {} out, {:.2} us CPU per datagram in and out, {:.1} datagrams per turn, {:.1} % of a core",
        figures.datagrams_in,
        figures.datagrams_out,
        used as f64 / 1_000.0 / figures.datagrams_in.max(1) as f64,
        figures.datagrams_in as f64 / figures.turns.max(1) as f64,
        used as f64 / begin.elapsed().as_nanos() as f64 * 100.0
    );
    running.shutdown(Duration::from_secs(2))?;
    Ok(())
}
