//! The thread for streams and names: one tokio runtime that only starts tasks and carries messages.

use crate::dns::Resolver;
use crate::mailbox::{Inbox, Inboxes};
use crate::transport::command::Command;
use crate::transport::tcp::{Hub, HubParts};
use hookswitch_machine::{EndpointId, QueryId, Question, ResolveError, Target};
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc as channel, oneshot};
use tokio::task::LocalSet;

/// How many commands are taken at a time.
const AT_ONCE: usize = 64;

/// What the thread runs on.
pub(super) struct NetworkParts {
    pub(super) hub: HubParts,
    pub(super) listeners: Vec<(EndpointId, TcpListener)>,
    pub(super) resolver: Resolver,
    pub(super) inboxes: Inboxes,
    pub(super) commands: channel::Receiver<Command>,
    pub(super) runtime: tokio::runtime::Runtime,
}

/// The running thread. Dropping it ends the thread without grace and does not wait.
pub(super) struct NetworkThread {
    stop: Option<oneshot::Sender<Duration>>,
    ended: mpsc::Receiver<Infallible>,
    thread: JoinHandle<()>,
}

impl NetworkThread {
    pub(super) fn start(parts: NetworkParts) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (alive, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("hookswitch-net".to_owned()).spawn(move || {
            let _alive: mpsc::Sender<Infallible> = alive;
            run(parts, stopped);
        })?;
        Ok(Self { stop: Some(stop), ended, thread })
    }

    /// Asks the thread to write what is queued for at most `grace` and to end; waits that long and a little more.
    pub(super) fn stop(&mut self, grace: Duration) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(grace);
        }
        // Nothing is ever sent: the call returns when the thread has dropped its end.
        let _ = self.ended.recv_timeout(grace + grace / 4);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.ended.try_recv() == Err(mpsc::TryRecvError::Disconnected) || self.thread.is_finished()
    }
}

fn run(parts: NetworkParts, stopped: oneshot::Receiver<Duration>) {
    let NetworkParts { hub, listeners, resolver, inboxes, mut commands, runtime } = parts;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async move {
        let hub = Hub::new(hub);
        for (endpoint, listener) in listeners {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::task::spawn_local(Rc::clone(&hub).accept(endpoint, listener));
                }
                Err(error) => {
                    tracing::error!(target: "hookswitch::tcp", endpoint = endpoint.0, %error, "cannot listen");
                }
            }
        }
        let resolver = Arc::new(resolver);
        let grace = tokio::select! {
            () = serve(&hub, &resolver, &inboxes, &mut commands) => Duration::ZERO,
            grace = stopped => grace.unwrap_or_default(),
        };
        // What was asked for before the stop is still done.
        commands.close();
        serve(&hub, &resolver, &inboxes, &mut commands).await;
        hub.close(grace).await;
    });
    // Questions still open are answered as their tasks are dropped.
    drop(tasks);
    runtime.shutdown_background();
    tracing::debug!(target: "hookswitch::driver", "streams and names ended");
}

/// Carries out commands until none can come any more.
async fn serve(
    hub: &Rc<Hub>,
    resolver: &Arc<Resolver>,
    inboxes: &Inboxes,
    commands: &mut channel::Receiver<Command>,
) {
    let mut taken = Vec::with_capacity(AT_ONCE);
    while commands.recv_many(&mut taken, AT_ONCE).await > 0 {
        for command in taken.drain(..) {
            match command {
                Command::Send { shard, flow, bytes } => hub.send(shard, flow, bytes),
                Command::Resolve { shard, query, question, deadline } => {
                    if let Some(inbox) = inboxes.get(shard) {
                        let open = OpenQuestion { inbox: Some(Arc::clone(inbox)), query };
                        tokio::task::spawn_local(resolve(Arc::clone(resolver), open, question, deadline));
                    }
                }
            }
        }
        // Lets connections write before more is queued: a burst of ours is no fault of the peer's.
        tokio::task::yield_now().await;
    }
}

async fn resolve(resolver: Arc<Resolver>, open: OpenQuestion, question: Question, deadline: Instant) {
    let answer = resolver.resolve(&question, deadline).await;
    tracing::debug!(target: "hookswitch::dns", host = question.host, ?answer, "looked up");
    open.answer(answer);
}

/// A question that has to be answered exactly once, also when its task is dropped.
struct OpenQuestion {
    inbox: Option<Arc<dyn Inbox>>,
    query: QueryId,
}

impl OpenQuestion {
    fn answer(mut self, answer: Result<Vec<Target>, ResolveError>) {
        if let Some(inbox) = self.inbox.take() {
            inbox.resolved(self.query, answer);
        }
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            inbox.resolved(self.query, Err(ResolveError::Failed("the driver has stopped".to_owned())));
        }
    }
}
