//! The process that is measured: one line, and an application that answers every call offered to it.
//!
//! It says `ready` once the line is open. Then each line on its standard input is a question: `figures` is answered by one line
//! of numbers; the end of the input ends the process.

use crate::fault::Fault;
use hookswitch::{
    Application, Audio, Call, Error, Event, Interest, MediaTypes, Service, StateKind, Tuning, config::Config,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Everything of the configuration is as a trunk would have it.
fn configuration(port: u16) -> String {
    format!(
        "[sip]\nlisten = ['udp:127.0.0.1:{port}']\n\
         [applications]\nunowned = 'reject'\n\
         [media]\naddress = '127.0.0.1'\n\
         [[line]]\nname = 'bench'\nregistrar = '127.0.0.1:9'\nuser = 'bench'\nregister = false\n\
         accept-from = ['127.0.0.1']\nmax-calls = 100000\n"
    )
}

pub(crate) fn run(port: u16) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(Fault::io("starting tokio"))?;
    LocalSet::new().block_on(&runtime, serve(port))
}

async fn serve(port: u16) -> Result<(), Fault> {
    let config = Config::parse(&configuration(port), Path::new("bench.toml")).map_err(Fault::measurement)?;
    let tuning = Tuning { null_media: true, stock: Some(1_024), ..Tuning::default() };
    let service = Service::start_tuned(config, &tuning).map_err(Fault::measurement)?;
    let app = service.attach("bench").await.map_err(Fault::measurement)?;
    app.open("bench", Interest::owner(MediaTypes::VOICE)).await.map_err(Fault::measurement)?;

    let failed = Rc::new(Cell::new(0_u64));
    let answering = tokio::task::spawn_local(answer(app, Rc::clone(&failed)));
    let mut questions = questions();
    println!("ready");
    while questions.recv().await.is_some() {
        let figures = service.figures().await.map_err(Fault::measurement)?;
        let (alive, counters) = (figures.alive, figures.counters);
        println!(
            "calls={} sessions={} transactions={} timers={} known={} failed={} refused={}",
            alive.calls,
            alive.sessions,
            alive.transactions,
            alive.timers,
            figures.calls,
            failed.get(),
            counters.refused + counters.dropped + counters.forbidden,
        );
    }
    answering.abort();
    service.shutdown(Duration::from_secs(2)).await;
    Ok(())
}

/// The application: it answers, keeps the call while it lasts, and lets go of it.
async fn answer(mut app: Application, failed: Rc<Cell<u64>>) {
    let calls = Rc::new(RefCell::new(HashMap::new()));
    while let Some(event) = app.next().await {
        match event {
            Event::Offered(call) => {
                calls.borrow_mut().insert(call.id(), call.clone());
                let (calls, failed) = (Rc::clone(&calls), Rc::clone(&failed));
                tokio::task::spawn_local(async move {
                    if answered(&call).await.is_err() {
                        failed.set(failed.get() + 1);
                        // Letting go of it refuses it.
                        calls.borrow_mut().remove(&call.id());
                    }
                });
            }
            Event::State { call, state, .. } => match state.kind() {
                StateKind::Disconnected | StateKind::Idle => {
                    let over = calls.borrow_mut().remove(&call);
                    drop(over);
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// Answers, and tries again for a while when the service has too much to do or too many answers wait for their ACK.
async fn answered(call: &Call) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        match call.answer(Audio::silence()).await {
            Err(Error::Overloaded | Error::Refused(_)) if tries < 100 => tries += 1,
            done => return done,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The lines of standard input, read on a thread of their own.
fn questions() -> mpsc::UnboundedReceiver<()> {
    let (asked, questions) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || asked.send(()).is_err() {
                break;
            }
        }
    });
    questions
}
