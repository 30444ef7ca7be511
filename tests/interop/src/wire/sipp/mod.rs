//! SIPp as everybody outside: a telephone exchange full of parties under remote control.
//!
//! One SIPp runs one scenario ([`scenario`]) in which every call of a party is a loop: SIPp keeps the dialogs and answers by itself
//! what has one answer only. What a party *decides* (ring, answer, refuse, hold, hang up) is the same in virtual time and here:
//! the suite's peer makes up its mind, and [`parties`] tells SIPp in requests that are no SIP. What a party has *seen* is what SIPp
//! writes in its message trace ([`trace`]).

mod parties;
mod scenario;
mod trace;

use super::outside::{Outside, Wire};
use super::{Peers, first_port};
use crate::root;
use hookswitch_testkit::conformance::subject::Setup;
use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use trace::Trace;

/// A running SIPp. Dropping it ends it.
pub struct Sipp {
    child: RefCell<Child>,
    address: SocketAddr,
    /// Where it is controlled from.
    control: Rc<UdpSocket>,
    messages: PathBuf,
}

impl Sipp {
    /// Starts SIPp; back when it answers.
    ///
    /// # Panics
    /// If it does not start: it is looked for beforehand.
    pub fn start() -> Self {
        let folder = root().join("tests/out/wire");
        std::fs::create_dir_all(&folder).expect("a folder for what SIPp writes");
        let port = first_port();
        let file = |what: &str| folder.join(format!("sipp-{port}.{what}"));
        let (scenario, messages, errors) = (file("xml"), file("messages"), file("errors"));
        let _ = std::fs::remove_file(&messages);
        let _ = std::fs::remove_file(&errors);
        std::fs::write(&scenario, scenario::text()).expect("a scenario for SIPp");
        let media = (port + 20).to_string();
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(&scenario)
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-mi", "127.0.0.1", "-mp", &media])
            // What comes twice is the scenario's business; a message at a time, and what follows from it before the next.
            .args(["-nr", "-max_recv_loops", "1", "-base_cseq", "1", "-default_behaviors", "none"])
            .args(["-deadcall_wait", "0", "-watchdog_minor_maxtriggers", "1000000"])
            .args(["-watchdog_major_maxtriggers", "1000000", "-nostdin", "-trace_msg", "-message_file"])
            .arg(&messages)
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("SIPp cannot be run: {error}"));
        let control = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket to control SIPp");
        control.set_nonblocking(true).expect("a socket that does not block");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let sipp = Self { child: RefCell::new(child), address, control: Rc::new(control), messages };
        let begun = Instant::now();
        loop {
            parties::ping(&sipp.control, sipp.address, 1);
            std::thread::sleep(Duration::from_millis(20));
            if sipp.control.recv(&mut [0; 2_048]).is_ok() {
                break;
            }
            let ended = sipp.child.borrow_mut().try_wait().ok().flatten();
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(10),
                "SIPp does not start ({ended:?}); {} says why",
                errors.display()
            );
        }
        sipp
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let mut child = self.child.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Peers for Sipp {
    fn name(&self) -> &'static str {
        "sipp"
    }

    fn outside(&self, wire: Wire, _: &Setup) -> Box<dyn Outside> {
        if let Ok(Some(status)) = self.child.borrow_mut().try_wait() {
            panic!("SIPp has ended: {status}");
        }
        let trace = Trace::from_now(&self.messages);
        Box::new(parties::Parties::new(wire, self.address, Rc::clone(&self.control), trace))
    }
}
