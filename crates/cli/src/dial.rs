//! `hookswitch dial`: click-to-call.
//!
//! A link is a request that some program makes and another carries out (TAPI: assisted telephony). As long as no server runs,
//! this command carries it out itself, on the default line.

use crate::args::Dial;
use crate::call;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::Source;
use crate::terminal::Terminal;

pub(crate) async fn run(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: Dial,
    source: &Source,
) -> Result<(), Failure> {
    let lines = source.lines(&options.sockets)?;
    let line = options.line.as_deref().or_else(|| lines.config.default_line());
    let line =
        line.map(str::to_owned).ok_or_else(|| Failure::Usage("there is no line to call from".into()))?;
    terminal.say(terminal.quiet(format!("dialling {} on line {line}", options.link)));
    if let Some(context) = &options.link.context {
        terminal.say(terminal.quiet(format!("this number is valid in {context}; the line has to be there")));
    }
    call::run(terminal, interrupt, &options.call_from(line), lines).await
}
