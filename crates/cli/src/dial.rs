//! `hookswitch dial`: click-to-call.
//!
//! A link becomes a request for a call, which waits until an application that takes such requests carries it out (TAPI: assisted
//! telephony). As long as no server runs, this command is that application as well.

use crate::args::Dial;
use crate::call;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::{Source, farewell};
use crate::terminal::Terminal;
use hookswitch::{Application, CallLink, CallRequest, Error, Event, Service};

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
    let service = lines.start()?;
    let done = request(terminal, interrupt, options, line, &service).await;
    terminal.wait_for("un-registering");
    farewell(service).await;
    terminal.settle();
    done
}

/// Asks for the call, and takes the request.
async fn request(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: Dial,
    line: String,
    service: &Service,
) -> Result<(), Failure> {
    let mut app = service.attach("hookswitch dial").await?;
    app.register_recipient().await?;
    let wanted =
        CallRequest { requester: "hookswitch dial".to_owned(), ..CallRequest::to(options.link.as_str()) };
    service.request_call(wanted).await?;
    let taken = tokio::select! {
        biased;
        () = interrupt.wanted() => return Err(Failure::Outcome("interrupted before the call".into())),
        taken = take(&mut app) => taken?,
    };
    let link = CallLink::parse(&taken.destination).map_err(|error| Failure::Usage(error.to_string()))?;
    terminal.say(terminal.quiet(format!("dialling {link} on line {line}")));
    if let Some(context) = &link.context {
        terminal.say(terminal.quiet(format!("this number is valid in {context}; the line has to be there")));
    }
    call::place(terminal, interrupt, &options.call_from(line, link), &mut app).await
}

/// The next request for a call.
async fn take(app: &mut Application) -> Result<CallRequest, Error> {
    loop {
        match app.next().await {
            Some(Event::RequestWaiting) => {
                if let Some(request) = app.take_request().await? {
                    return Ok(request);
                }
            }
            Some(_) => {}
            None => return Err(Error::Stopped),
        }
    }
}
