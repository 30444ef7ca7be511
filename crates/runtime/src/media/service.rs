//! The front of the media threads.

use super::config::MediaConfig;
use super::leg::{Deliver, Services};
use super::live::LiveRegistry;
use super::null::NullDevice;
use super::routes::Routes;
use super::sink::EventSink;
use super::stock::Stock;
use super::worker::{Message, Worker, WorkerHandle};
use super::{reader, writer};
use crate::Clock;
use hookswitch_machine::Entropy;
use hookswitch_media::control::{Command, Event, MixId, Statistics, StreamId};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Why the media threads could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// No port of the range can be bound.
    #[error("no media port of {address} in {first}-{last} can be bound: {error}")]
    Bind {
        /// The address.
        address: std::net::IpAddr,
        /// The first port of the range.
        first: u16,
        /// The last port of the range.
        last: u16,
        /// What the system says.
        error: io::Error,
    },
    /// The system gives no more threads or descriptors.
    #[error("a media thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Threads that had not ended when the time for it was over. They end as soon as they can; nothing waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} media threads had not ended in time")]
pub struct Unfinished(pub usize);

/// The media threads.
pub struct Media {
    device: Device,
    live: LiveRegistry,
    sink: EventSink,
}

enum Device {
    Null(NullDevice),
    Real(Real),
}

struct Real {
    workers: Vec<WorkerHandle>,
    routes: Arc<Routes>,
    stock: Arc<Stock>,
    threads: Vec<JoinHandle<()>>,
}

impl Media {
    /// Starts the threads. The first ports come as [`Event::Stocked`].
    ///
    /// # Errors
    /// If no port can be bound or no thread started.
    pub fn start(
        config: MediaConfig,
        clock: Clock,
        entropy: Entropy,
        sink: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Self, MediaError> {
        let sink: EventSink = Arc::new(sink);
        let live = LiveRegistry::default();
        let device = if config.null {
            let null = NullDevice::new(config);
            null.stock(&sink);
            Device::Null(null)
        } else {
            Device::Real(Real::start(config, clock, entropy, &sink, &live)?)
        };
        Ok(Self { device, live, sink })
    }

    /// Gives a command. Never blocks; the outcome comes as an event. Commands of one stream keep their order.
    pub fn command(&self, command: Command) {
        let real = match &self.device {
            Device::Null(null) => return null.command(command, &self.sink),
            Device::Real(real) => real,
        };
        let stream = match &command {
            Command::Return { port } => {
                if let Some(pair) = real.stock.take(*port) {
                    real.stock.put_to_rest(pair);
                }
                return;
            }
            Command::Start { stream, port, .. } => {
                let stream = *stream;
                match real.stock.take(*port) {
                    Some(pair) => {
                        let Command::Start { source, .. } = command else { return };
                        real.tell(stream, Message::Start { stream, pair: Some(pair), source });
                    }
                    None => {
                        tracing::error!(target: "hookswitch::media", port = port.0, "a stream on no port");
                        (self.sink)(Event::Stopped { stream, statistics: Statistics::default() });
                    }
                }
                return;
            }
            Command::StartLocal { stream, .. } => {
                let stream = *stream;
                let Command::StartLocal { source, .. } = command else { return };
                real.tell(stream, Message::Start { stream, pair: None, source });
                return;
            }
            Command::Mix { stream, mix, .. } => {
                if let Some(mix) = mix {
                    real.bring(*stream, *mix);
                }
                *stream
            }
            Command::Configure { stream, .. }
            | Command::Send { stream, .. }
            | Command::Pause { stream, .. }
            | Command::Gain { stream, .. }
            | Command::Record { stream, .. }
            | Command::SendDigits { stream, .. }
            | Command::SendTone { stream, .. }
            | Command::StopGenerating { stream }
            | Command::MonitorTones { stream, .. }
            | Command::MonitorFax { stream, .. }
            | Command::MonitorInBandDigits { stream, .. }
            | Command::Report { stream }
            | Command::Stop { stream } => *stream,
        };
        let stops = matches!(command, Command::Stop { .. });
        real.tell(stream, Message::Command(stream, command));
        if stops {
            real.routes.forget(stream);
        }
    }

    /// Where applications open live audio.
    pub fn live(&self) -> &LiveRegistry {
        &self.live
    }

    /// Ends every stream, completes every recording and ends the threads, within `limit`.
    ///
    /// # Errors
    /// [`Unfinished`] if some thread has not ended by then.
    pub fn shutdown(mut self, limit: Duration) -> Result<(), Unfinished> {
        let Device::Real(real) = &mut self.device else { return Ok(()) };
        let threads = std::mem::take(&mut real.threads);
        let deadline = Instant::now() + limit;
        real.stop();
        // The last senders to reader and writer go with the workers, and these handles lead to the workers.
        drop(self);
        // A join has no deadline: somebody else joins and we wait for the news.
        let (ended, news) = mpsc::channel();
        let count = threads.len();
        let joiner = move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!(target: "hookswitch::media", "a media thread had panicked");
                }
                let _nobody_waits = ended.send(());
            }
        };
        if Builder::new().name("media-end".into()).spawn(joiner).is_err() {
            return Err(Unfinished(count));
        }
        for done in 0..count {
            if news.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
                return Err(Unfinished(count - done));
            }
        }
        Ok(())
    }
}

impl Drop for Media {
    /// Tells the threads to end and does not wait for them.
    fn drop(&mut self) {
        if let Device::Real(real) = &self.device {
            real.stop();
        }
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").finish_non_exhaustive()
    }
}

impl Real {
    fn start(
        config: MediaConfig,
        clock: Clock,
        mut entropy: Entropy,
        sink: &EventSink,
        live: &LiveRegistry,
    ) -> Result<Self, MediaError> {
        let stock = Arc::new(Stock::new(config.clone()));
        stock.probe().map_err(|error| MediaError::Bind {
            address: config.address,
            first: *config.ports.start(),
            last: *config.ports.end(),
            error,
        })?;
        let routes = Arc::new(Routes::new(config.threads.max(1)));
        let mut this =
            Self { workers: Vec::new(), routes: routes.clone(), stock: stock.clone(), threads: Vec::new() };
        let (reader, loads) = mpsc::channel();
        let (writer, recordings) = mpsc::channel();
        let services = Services {
            sink: sink.clone(),
            live: live.clone(),
            reader,
            writer,
            stream: config.stream,
            wall: clock.wall(),
            routes,
        };
        for number in 0..config.threads.max(1) {
            let (messages, inbox) = mpsc::channel();
            let asleep = Arc::new(AtomicBool::new(false));
            // The thread's own handle exists only after the thread does.
            let own: Arc<OnceLock<WorkerHandle>> = Arc::default();
            let way = own.clone();
            let deliver: Deliver = Arc::new(move |arrived| {
                if let Some(handle) = way.get() {
                    handle.tell(Message::Arrived(arrived));
                }
            });
            let worker = Worker::new(
                clock,
                config.turn,
                entropy.fork(),
                services.clone(),
                stock.clone(),
                asleep.clone(),
                deliver,
            )?;
            let thread = this.spawn(format!("media-{number}"), move || worker.run(&inbox))?;
            let handle = WorkerHandle { messages, asleep, thread };
            let _first = own.set(handle.clone());
            this.workers.push(handle);
        }
        drop(services);
        this.spawn("media-reader".into(), move || reader::run(&loads))?;
        this.spawn("media-writer".into(), move || writer::run(&recordings))?;
        let sink = sink.clone();
        this.spawn("media-stock".into(), move || stock.keep(&sink))?;
        Ok(this)
    }

    fn spawn(
        &mut self,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<std::thread::Thread, MediaError> {
        match Builder::new().name(name).spawn(run) {
            Ok(handle) => {
                let thread = handle.thread().clone();
                self.threads.push(handle);
                Ok(thread)
            }
            Err(error) => {
                self.stop();
                Err(MediaError::Thread(error))
            }
        }
    }

    /// Tells the thread that the stream is on.
    fn tell(&self, stream: StreamId, message: Message) {
        if let Some(worker) = self.workers.get(self.routes.of(stream)) {
            worker.tell(message);
        }
    }

    /// Moves a stream to the thread of a mix, if it is on another.
    fn bring(&self, stream: StreamId, mix: MixId) {
        let (here, there) = (self.routes.of(stream), self.routes.of_mix(mix));
        let (Some(from), Some(to)) = (self.workers.get(here), self.workers.get(there)) else { return };
        if here != there {
            // Told first, so that what is said to the stream from now on waits for it.
            to.tell(Message::Expect(stream));
            self.routes.set(stream, there);
            from.tell(Message::Move { stream, to: to.clone() });
        }
    }

    fn stop(&self) {
        for worker in &self.workers {
            worker.tell(Message::Stop);
        }
        self.stock.stop();
    }
}
