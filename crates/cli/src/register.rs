//! `hookswitch register`: lines in and out of service.

use crate::args::Register;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::{Lines, farewell};
use crate::show::{self, Stopwatch};
use crate::terminal::Terminal;
use hookswitch::{Event, Interest, Line, LineState, Service};

pub(crate) async fn run(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Register,
    lines: Lines,
) -> Result<(), Failure> {
    let names: Vec<String> = match options.lines.as_slice() {
        [] => lines.config.lines.iter().map(|line| line.name.clone()).collect(),
        names => names.to_vec(),
    };
    let service = lines.start()?;
    let done = serve(terminal, interrupt, options, &service, &names).await;
    terminal.wait_for("un-registering");
    farewell(service).await;
    terminal.settle();
    done
}

async fn serve(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Register,
    service: &Service,
    names: &[String],
) -> Result<(), Failure> {
    let mut app = service.attach("hookswitch").await?;
    let mut open: Vec<Line> = Vec::new();
    for name in names {
        open.push(app.open(name, Interest::NONE).await?);
    }
    if options.once {
        return once(terminal, interrupt, options, &open).await;
    }
    terminal.say(terminal.quiet("Ctrl-C un-registers and ends"));
    terminal.wait_for("registering");
    let clock = Stopwatch::start();
    loop {
        let event = tokio::select! {
            biased;
            () = interrupt.wanted() => return Ok(()),
            event = app.next() => event,
        };
        let Some(event) = event else { return Err(hookswitch::Error::Stopped.into()) };
        match event {
            Event::Line { line, state } => show_state(terminal, clock, &open, line, &state),
            Event::LineCreated { line } if options.lines.is_empty() => {
                let lines = app.lines().await?;
                if let Some(new) = lines.into_iter().find(|new| new.line == line) {
                    terminal.say(format!("{clock}  {}: added", new.name));
                    open.push(app.open(&new.name, Interest::NONE).await?);
                }
            }
            Event::LineRemoved { line } => {
                let removed = open.iter().position(|known| known.id() == line).map(|at| open.remove(at));
                if let Some(removed) = removed {
                    terminal.say(format!("{clock}  {}: removed", removed.name()));
                }
            }
            Event::Reinitialise { why } => terminal.say(format!("{clock}  {why}")),
            _ => {}
        }
    }
}

fn show_state(
    terminal: &Terminal,
    clock: Stopwatch,
    open: &[Line],
    id: hookswitch::LineId,
    state: &LineState,
) {
    let name = open.iter().find(|line| line.id() == id).map_or("?", Line::name);
    let words = show::line_state(state);
    let words = match state {
        LineState::InService => {
            terminal.settle();
            terminal.good(words)
        }
        LineState::OutOfService(_) => words,
    };
    terminal.say(format!("{clock}  {name}: {words}"));
}

async fn once(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Register,
    open: &[Line],
) -> Result<(), Failure> {
    for line in open {
        terminal.wait_for(format!("registering {}", line.name()));
        tokio::select! {
            biased;
            () = interrupt.wanted() => return Err(Failure::Outcome("interrupted before all lines were registered".into())),
            done = line.in_service(options.within) => done?,
        }
        terminal.say(format!("{}: {}", line.name(), terminal.good("in service")));
    }
    Ok(())
}
