//! SIPp: as the caller, and as the server beside which ours is measured.

use crate::fault::Fault;
use crate::process::Owned;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// INVITE, 180, 200, ACK, a pause, BYE, 200: the one of the interoperability suite.
const CALLER: &str = include_str!("../../../tests/sipp/caller-load.xml");

/// What the kernel is asked to hold for SIPp's socket, either way; it gives what its limits allow.
const BUFFER: &str = "4194304";

/// What the caller counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) successful: u64,
    pub(crate) failed: u64,
    /// Messages that the caller sent again.
    pub(crate) repeated: u64,
    /// Calls under way when the file was last written.
    pub(crate) current: u64,
    /// Calls begun per second, over the whole run.
    pub(crate) rate: f64,
    /// From INVITE to 200, on average.
    pub(crate) response: Duration,
}

/// Calls to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rate: u32,
    pub(crate) calls: u32,
    /// The most at a time.
    pub(crate) limit: u32,
    /// Between ACK and BYE.
    pub(crate) held: Duration,
}

/// Where SIPp writes.
#[derive(Debug)]
pub(crate) struct Desk {
    directory: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Result<Self, Fault> {
        let directory = std::env::temp_dir().join(format!("hookswitch-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(Fault::io(directory.display().to_string()))?;
        std::fs::write(directory.join("caller.xml"), CALLER).map_err(Fault::io("caller.xml"))?;
        Ok(Self { directory })
    }

    /// Begins to call the server on `port`.
    pub(crate) fn call(&self, port: u16, plan: &Plan) -> Result<Caller, Fault> {
        let statistics = self.directory.join("statistics.csv");
        let _ = std::fs::remove_file(&statistics);
        let mut command = pinned(1, "sipp");
        command
            .arg(format!("127.0.0.1:{port}"))
            .arg("-sf")
            .arg(self.directory.join("caller.xml"))
            .args(["-s", "bench", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args([
                "-r",
                &plan.rate.to_string(),
                "-m",
                &plan.calls.to_string(),
                "-l",
                &plan.limit.to_string(),
            ])
            .args(["-d", &plan.held.as_millis().to_string()])
            .args(["-buff_size", BUFFER, "-nostdin", "-trace_stat", "-fd", "1", "-stf"])
            .arg(&statistics);
        let process = Owned(self.start(command, "caller")?);
        Ok(Caller { process, statistics })
    }

    /// SIPp's own scripted server.
    pub(crate) fn answer(&self, port: u16) -> Result<Owned, Fault> {
        let mut command = pinned(0, "sipp");
        command.args(["-sn", "uas", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &port.to_string()]).args([
            "-buff_size",
            BUFFER,
            "-nostdin",
        ]);
        Ok(Owned(self.start(command, "server")?))
    }

    fn start(&self, mut command: Command, name: &str) -> Result<Child, Fault> {
        let screen = self.directory.join(format!("{name}.screen"));
        let screen = std::fs::File::create(&screen).map_err(Fault::io("SIPp's screen"))?;
        let errors = screen.try_clone().map_err(Fault::io("SIPp's screen"))?;
        command
            .current_dir(&self.directory)
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(screen)
            .stderr(errors)
            .spawn()
            .map_err(|source| Fault::Missing {
                program: "taskset",
                package: "Debian: apt install util-linux",
                source,
            })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// SIPp calling.
#[derive(Debug)]
pub(crate) struct Caller {
    process: Owned,
    statistics: PathBuf,
}

impl Caller {
    /// What is counted so far; SIPp writes once a second.
    pub(crate) fn counted(&self) -> Counted {
        read(&self.statistics).unwrap_or_default()
    }

    /// CPU time of the caller so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Fault> {
        self.process.cpu()
    }

    /// Whether all calls are done.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Fault> {
        Ok(self.process.0.try_wait().map_err(Fault::io("waiting for SIPp"))?.is_some())
    }

    /// What it counted in all.
    pub(crate) fn total(&self) -> Result<Counted, Fault> {
        read(&self.statistics)
    }
}

/// The last line of SIPp's statistics.
fn read(path: &Path) -> Result<Counted, Fault> {
    let text = std::fs::read_to_string(path).map_err(Fault::io(
        "SIPp has left no statistics; it could not start or could not reach the server",
    ))?;
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    let values: Vec<&str> = lines.next_back().unwrap_or_default().split(';').collect();
    let field = |name: &str| {
        let at = names.iter().position(|one| *one == name)?;
        values.get(at).copied()
    };
    let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    Ok(Counted {
        successful: number("SuccessfulCall(C)"),
        failed: number("FailedCall(C)"),
        repeated: number("Retransmissions(C)"),
        current: number("CurrentCall"),
        rate: field("CallRate(C)").and_then(|text| text.parse().ok()).unwrap_or_default(),
        response: field("ResponseTime1(C)").map(duration).unwrap_or_default(),
    })
}

/// `hours:minutes:seconds:microseconds`.
fn duration(text: &str) -> Duration {
    let parts: Vec<u64> = text.split(':').filter_map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [hours, minutes, seconds, micros] => {
            Duration::from_secs((hours * 60 + minutes) * 60 + seconds) + Duration::from_micros(*micros)
        }
        _ => Duration::ZERO,
    }
}

/// A program on one CPU, so that caller and server do not compete; anywhere if there is only one.
pub(crate) fn pinned(cpu: usize, program: &str) -> Command {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string(), program]);
    command
}

/// SIPp's version, which also tells whether it is there.
pub(crate) fn version() -> Result<String, Fault> {
    let said = Command::new("sipp").arg("-v").stdin(Stdio::null()).output();
    let said = said.map_err(|source| Fault::Missing {
        program: "sipp",
        package: "Debian: apt install sip-tester",
        source,
    })?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("SIPp"))
        .unwrap_or("SIPp")
        .trim_end_matches('.');
    Ok(line.to_owned())
}
