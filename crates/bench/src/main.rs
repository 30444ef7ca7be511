//! Figures: Hookswitch beside its peers, in the same run.
//!
//! * `answer`: a line that answers, in a process of its own (`serve`), under SIPp as the caller; then SIPp's own scripted
//!   server in its place; CPU time per call from the kernel's accounts, memory per held call (`answer.rs`).
//! * `memory`: one engine in virtual time without sockets; live bytes per held call and per lingering transaction,
//!   allocations and time per call; fails if anything is left after the calls (`memory.rs`).
//!
//! Figures go to the screen and into `docs/performance.md` (`report.rs`), between marks that this program owns.
#![deny(unsafe_code)]
// A program at the top: it starts processes, reads clocks and files.
#![allow(clippy::disallowed_methods)]

mod answer;
mod arguments;
mod counting;
mod fault;
mod load;
mod memory;
mod process;
mod report;
mod serve;

use arguments::Command;
use fault::Fault;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() -> ExitCode {
    let done = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Answer(options)) => answer::run(&options),
        Ok(Command::Memory(options)) => memory::run(&options),
        Ok(Command::Serve { port }) => serve::run(port),
        Ok(Command::Help) => {
            println!("{}", arguments::USAGE);
            Ok(())
        }
        Err(fault) => Err(fault),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("hookswitch-bench: {fault}");
            if matches!(fault, Fault::Usage(_)) {
                eprintln!("{}", arguments::USAGE);
            }
            ExitCode::FAILURE
        }
    }
}
