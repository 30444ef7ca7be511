//! What the kernel accounts for a process.

use crate::fault::Fault;
use std::process::Child;
use std::time::Duration;

/// The unit of CPU time in `/proc` (USER_HZ; a hundredth of a second on every Linux there is).
const TICK: Duration = Duration::from_millis(10);

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Owned {
    /// CPU time used so far by all threads, in user mode and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration, Fault> {
        let path = format!("/proc/{}/stat", self.0.id());
        let text = std::fs::read_to_string(&path).map_err(Fault::io(path.as_str()))?;
        // The second field is the name in parentheses and may hold anything; the 14th and 15th are utime and stime.
        let ticks = text.rsplit_once(')').map(|(_, rest)| {
            rest.split_whitespace()
                .skip(11)
                .take(2)
                .filter_map(|ticks| ticks.parse::<u32>().ok())
                .sum::<u32>()
        });
        ticks
            .map(|ticks| TICK * ticks)
            .ok_or_else(|| Fault::Measurement(format!("{path} is not as expected")))
    }

    /// Resident memory now, in octets.
    pub(crate) fn resident(&self) -> Result<u64, Fault> {
        let path = format!("/proc/{}/status", self.0.id());
        let text = std::fs::read_to_string(&path).map_err(Fault::io(path.as_str()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes
            .map(|kilobytes| kilobytes * 1024)
            .ok_or_else(|| Fault::Measurement(format!("{path} has no VmRSS")))
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> Result<usize, Fault> {
        let path = format!("/proc/{}/fd", self.0.id());
        Ok(std::fs::read_dir(&path).map_err(Fault::io(path.as_str()))?.count())
    }
}

/// What the figures were taken on.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned()))
        .unwrap_or_else(|| "an unnamed CPU".to_owned());
    format!("{cpus} CPUs ({model}), Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
