//! `hookswitch listen`: calls offered to a line, and what is done with them.

use crate::args::ListenTo as Options;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::setup::{Lines, farewell};
use crate::show::{self, Stopwatch};
use crate::terminal::Terminal;
use hookswitch::{
    Application, Call, CallId, CallState, Error, Event, HandOffTarget, Interest, LadderNames, LineId,
    MediaTypes, Service, TransferOutcome,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub(crate) async fn run(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Options,
    lines: Lines,
) -> Result<(), Failure> {
    if let Some(file) = &options.answer {
        std::fs::File::open(file)
            .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))?;
    }
    if let Some(folder) = &options.record {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Usage(format!("{} cannot be made: {error}", folder.display())))?;
    }
    let service = lines.start()?;
    let done = attend(terminal, interrupt, options, &service).await;
    terminal.wait_for("hanging up and un-registering");
    farewell(service).await;
    terminal.settle();
    done
}

async fn attend(
    terminal: &Terminal,
    interrupt: &Interrupt,
    options: &Options,
    service: &Service,
) -> Result<(), Failure> {
    let mut app = service.attach("hookswitch").await?;
    let interest =
        if options.only_shows() { Interest::monitor() } else { Interest::owner(MediaTypes::VOICE) };
    let line = app.open(&options.line, interest).await?;
    terminal
        .say(terminal.quiet(format!("listening on {}: Ctrl-C hangs up, un-registers and ends", line.name())));
    let mut attendance = Attendance {
        terminal,
        clock: Stopwatch::start(),
        options,
        line: line.id(),
        calls: HashMap::new(),
        next: 1,
        over: 0,
        tasks: JoinSet::new(),
    };
    attendance.run(&mut app, interrupt).await
}

/// A call that is shown.
struct Shown {
    number: u32,
    call: Call,
    played: Arc<Notify>,
    /// A task decides about it and says when it is over; the others are only looked at.
    owned: bool,
}

/// All calls of the line.
struct Attendance<'a> {
    terminal: &'a Terminal,
    clock: Stopwatch,
    options: &'a Options,
    line: LineId,
    calls: HashMap<CallId, Shown>,
    next: u32,
    over: u32,
    tasks: JoinSet<(CallId, Report)>,
}

/// What a call's task has to say at its end.
struct Report {
    lines: Vec<String>,
    ladder: Option<String>,
}

impl Attendance<'_> {
    async fn run(&mut self, app: &mut Application, interrupt: &Interrupt) -> Result<(), Failure> {
        while self.options.count.is_none_or(|count| self.over < count) {
            let event = tokio::select! {
                biased;
                () = interrupt.wanted() => break,
                Some(done) = self.tasks.join_next() => {
                    if let Ok((call, report)) = done {
                        self.finished(call, report);
                    }
                    continue;
                }
                event = app.next() => event,
            };
            match event {
                None => return Err(Error::Stopped.into()),
                Some(Event::LineRemoved { line }) if line == self.line => {
                    self.tasks.shutdown().await;
                    return Err(Failure::Outcome(format!("line {} was removed", self.options.line)));
                }
                Some(event) => self.heard(event).await,
            }
        }
        self.tasks.shutdown().await;
        Ok(())
    }

    async fn heard(&mut self, event: Event) {
        match event {
            Event::Line { state, .. } => self.say(None, show::line_state(&state)),
            Event::Offered(call) => self.begin(call, true),
            Event::Appeared { call, state, .. } => {
                let id = call.id();
                self.begin(call, false);
                self.say(Some(id), state);
            }
            Event::State { call, state, .. } => {
                let idle = matches!(state, CallState::Idle);
                let ended = idle || matches!(state, CallState::Disconnected(_));
                if !idle {
                    self.say(Some(call), &state);
                }
                if ended && self.calls.get(&call).is_some_and(|shown| !shown.owned) {
                    let ladder = self.ladder_of(call).await;
                    self.finished(call, Report { lines: vec!["over".to_owned()], ladder });
                }
            }
            Event::Digit { call, digit, duration } => {
                self.say(Some(call), format!("digit {digit} ({} ms)", duration.as_millis()));
            }
            Event::Played { call } => {
                if let Some(shown) = self.calls.get(&call) {
                    shown.played.notify_one();
                }
            }
            Event::MediaFailed { call, message } => {
                self.say(Some(call), self.terminal.bad(message));
                if let Some(shown) = self.calls.get(&call) {
                    shown.played.notify_one();
                }
            }
            Event::Reinitialise { why } => self.say(None, why),
            _ => {}
        }
    }

    async fn ladder_of(&self, id: CallId) -> Option<String> {
        let shown = self.calls.get(&id).filter(|_| self.options.ladder)?;
        shown.call.ladder_between(names(self.options)).await.ok()
    }

    fn begin(&mut self, call: Call, owned: bool) {
        let (number, played) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let id = call.id();
        let words = call.first_info().map_or_else(|| "a call".to_owned(), show::offered);
        self.calls.insert(id, Shown { number, call: call.clone(), played: Arc::clone(&played), owned });
        self.say(Some(id), self.terminal.strong(format!("offered: {words}")));
        if owned {
            let plan = Plan::new(self.options, number);
            self.tasks.spawn(async move {
                let report = plan.carry_out(&call, &played).await;
                (call.id(), report)
            });
        }
    }

    fn finished(&mut self, id: CallId, report: Report) {
        for line in report.lines {
            self.say(Some(id), line);
        }
        if let Some(ladder) = report.ladder {
            self.terminal.say(format!("\n{ladder}"));
        }
        self.calls.remove(&id);
        self.over += 1;
    }

    fn say(&self, call: Option<CallId>, text: impl std::fmt::Display) {
        match call.and_then(|call| self.calls.get(&call)) {
            Some(shown) => self.terminal.say(format!("{}  call {}  {text}", self.clock, shown.number)),
            None if call.is_some() => {}
            None => self.terminal.say(format!("{}  {}  {text}", self.clock, self.options.line)),
        }
    }
}

fn names(options: &Options) -> LadderNames<'_> {
    LadderNames { applications: "hookswitch", line: &options.line, peer: "caller" }
}

/// What is done with one call.
struct Plan {
    line: String,
    accept: bool,
    audio: Option<hookswitch::Audio>,
    plays_once: bool,
    redirect: Option<String>,
    hand_off: Option<String>,
    reject: Option<hookswitch::RejectReason>,
    record: Option<std::path::PathBuf>,
    duration: Option<Duration>,
    ladder: bool,
}

impl Plan {
    fn new(options: &Options, number: u32) -> Self {
        Self {
            line: options.line.clone(),
            accept: options.accept,
            audio: options.audio(),
            plays_once: options.answer.is_some(),
            redirect: options.redirect.clone(),
            hand_off: options.hand_off.clone(),
            reject: options.reject.map(Into::into),
            record: options.record.as_ref().map(|folder| recording(folder, number)),
            duration: options.duration,
            ladder: options.ladder,
        }
    }

    async fn carry_out(self, call: &Call, played: &Notify) -> Report {
        let mut lines = Vec::new();
        if let Err(error) = self.decide(call, played, &mut lines).await {
            lines.push(format!("it could not be done: {error}"));
        }
        let ladder = if self.ladder {
            let names = LadderNames { applications: "hookswitch", line: &self.line, peer: "caller" };
            call.ladder_between(names).await.ok()
        } else {
            None
        };
        Report { lines, ladder }
    }

    async fn decide(&self, call: &Call, played: &Notify, lines: &mut Vec<String>) -> Result<(), Error> {
        if let Some(reason) = self.reject {
            call.drop_call(reason).await?;
            lines.push("rejected".to_owned());
            return Ok(());
        }
        if let Some(address) = &self.redirect {
            call.redirect(address).await?;
            lines.push(format!("redirected to {address}"));
            return Ok(());
        }
        if self.accept {
            call.accept().await?;
        }
        let Some(audio) = self.audio.clone() else {
            return match &self.hand_off {
                Some(address) => self.hand_off(call, address, lines).await,
                None => {
                    // Accepted and never answered: the caller gives up.
                    let end = call.ended().await;
                    lines.push(end.map_or_else(|| "over".to_owned(), |end| format!("over: {end}")));
                    Ok(())
                }
            };
        };
        call.answer(audio).await?;
        if let Some(file) = &self.record {
            call.record(file).await?;
            lines.push(format!("recorded into {}", file.display()));
        }
        self.converse(call, played).await;
        if let Ok(figures) = call.statistics().await {
            lines.push(format!("audio: {}", show::statistics(&figures)));
        }
        match (call.state(), &self.hand_off) {
            (CallState::Disconnected(_) | CallState::Idle, _) => {}
            (_, Some(address)) => self.hand_off(call, address, lines).await?,
            (_, None) => {
                call.hang_up().await?;
                lines.push("hung up".to_owned());
            }
        }
        Ok(())
    }

    /// Until the other side hangs up, the file was played, the time is over, or the call is to be handed off.
    async fn converse(&self, call: &Call, played: &Notify) {
        let file = async {
            match (self.plays_once, self.duration) {
                (true, None) => played.notified().await,
                _ => std::future::pending().await,
            }
        };
        let time = async {
            match (self.duration, &self.hand_off) {
                (Some(duration), _) => tokio::time::sleep(duration).await,
                (None, Some(_)) if !self.plays_once => {}
                (None, _) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = call.ended() => {}
            () = file => {}
            () = time => {}
        }
    }

    async fn hand_off(&self, call: &Call, address: &str, lines: &mut Vec<String>) -> Result<(), Error> {
        let outcome = call.hand_off(HandOffTarget::Address(address.to_owned())).await?;
        lines.push(match outcome {
            None => format!("sent to {address}"),
            Some(TransferOutcome::Succeeded) => format!("transferred to {address}, which answered"),
            Some(TransferOutcome::Unknown) => {
                format!("transferred to {address}; the other side did not say whether it answered")
            }
            Some(TransferOutcome::Bridged) => {
                format!("transferred to {address}; the audio goes on through here")
            }
        });
        Ok(())
    }
}

/// A file that no earlier run has written: seconds since 1970, and the number of the call.
fn recording(folder: &std::path::Path, number: u32) -> std::path::PathBuf {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    folder.join(format!("{}-{number}.wav", since.as_secs()))
}
