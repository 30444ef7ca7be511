//! The hookswitch command: lines, calls, the embedded softswitch and a demonstration from a terminal.
//!
//! `args` says what can be typed; one file per command does it. `terminal` prints, `interrupt` hears Ctrl-C, `failure` says
//! what went wrong and what to do about it.
#![forbid(unsafe_code)]
// Above the sans-IO line: this is a program for people.
#![allow(clippy::disallowed_methods)]

mod args;
mod call;
mod check;
mod demo;
mod dial;
mod failure;
mod interrupt;
mod listen;
mod provider;
mod register;
mod setup;
mod show;
mod softswitch;
mod softswitch_phones;
mod terminal;

use args::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use interrupt::Interrupt;
use setup::Source;
use std::process::ExitCode;
use terminal::Terminal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::new();
    setup::logs(arguments.verbose);
    let source = Source::new(arguments.config, arguments.store);
    let done = match arguments.command {
        // These need neither network nor threads.
        Command::Check(check) => check::run(&terminal, &check, &source),
        Command::Provider(options) => provider::run(&terminal, &options, &source),
        command => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::Runtime)
            .and_then(|runtime| runtime.block_on(run(&terminal, command, &source))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.fail(&failure);
            failure.exit_code()
        }
    }
}

async fn run(terminal: &Terminal, command: Command, source: &Source) -> Result<(), Failure> {
    let interrupt = Interrupt::listen();
    match command {
        Command::Register(options) => {
            register::run(terminal, &interrupt, &options, source.lines(&options.sockets)?).await
        }
        Command::Call(options) => {
            call::run(terminal, &interrupt, &options, source.lines(&options.sockets)?).await
        }
        Command::Dial(options) => dial::run(terminal, &interrupt, options, source).await,
        Command::Listen(options) => {
            listen::run(terminal, &interrupt, &options, source.lines(&options.sockets)?).await
        }
        Command::Softswitch(options) => softswitch::run(terminal, &interrupt, &options, source).await,
        Command::Demo => demo::run(terminal, &interrupt).await,
        Command::Check(options) => check::run(terminal, &options, source),
        Command::Provider(options) => provider::run(terminal, &options, source),
    }
}
