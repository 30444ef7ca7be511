//! `hookswitch register`: lines in and out of service.

use crate::args::Register;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::{Lines, farewell};
use crate::show::{self, Stopwatch};
use crate::terminal::Terminal;
use hookswitch::{Application, Event, Interest, Line, LineState, Service};

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
        if let Event::Line { line, state } = event {
            show_state(terminal, clock, &app, &open, line, &state);
        }
    }
}

fn show_state(
    terminal: &Terminal,
    clock: Stopwatch,
    _app: &Application,
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
