//! One open connection: its task reads, writes and watches the time.

use super::hub::Hub;
use super::table::{Link, Opener};
use bytes::Bytes;
use hookswitch_machine::CloseReason;
use hookswitch_sip::message::{Frame, FrameError, Framer, KeepAlive};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

const PING: Bytes = Bytes::from_static(KeepAlive::PING);
const PONG: Bytes = Bytes::from_static(KeepAlive::PONG);
/// How long a refused message's answer may take to be written before the connection ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves the connection until something ends it.
pub(super) async fn run(hub: &Hub, link: &Link, stream: TcpStream) -> CloseReason {
    prepare(&stream);
    link.active.set(Instant::now());
    tokio::select! {
        reason = link.stopped() => reason,
        reason = read(hub, link, &stream) => reason,
        reason = write(link, &stream) => reason,
        reason = watch(hub, link) => reason,
    }
}

/// Best effort: without these it still works.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

async fn read(hub: &Hub, link: &Link, stream: &TcpStream) -> CloseReason {
    let mut framer = Framer::new(hub.options().messages);
    loop {
        if stream.readable().await.is_err() {
            return CloseReason::Failed;
        }
        {
            let mut scratch = hub.scratch().borrow_mut();
            match stream.try_read(&mut scratch) {
                Ok(0) => return CloseReason::Ended,
                Ok(count) => framer.push(scratch.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return ended_by(&error),
            }
        }
        for frame in &mut framer {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    refuse(hub, link, error).await;
                    return CloseReason::Malformed;
                }
            };
            let now = Instant::now();
            link.active.set(now);
            link.heard.set(true);
            match frame {
                Frame::Message(bytes) => hub.deliver(link.flow, bytes).await,
                // A peer that only pings and never reads is stopped by the queue's limit.
                Frame::KeepAlive(KeepAlive::Ping) => {
                    if link.queue.push(PONG).is_err() {
                        return CloseReason::Overflow;
                    }
                }
                Frame::KeepAlive(KeepAlive::Pong) => link.ponged.set(Some(now)),
            }
            link.unfinished.set(None);
        }
        if framer.buffered() == 0 {
            link.unfinished.set(None);
        } else if link.unfinished.get().is_none() {
            link.unfinished.set(Some(Instant::now()));
        }
    }
}

/// Lets the machine answer a message whose end cannot be found or that is too large, while its head can be read.
async fn refuse(hub: &Hub, link: &Link, error: FrameError) {
    tracing::debug!(target: "hookswitch::tcp", peer = %link.flow.peer, connection = link.flow.connection, %error, "stream cannot be read on");
    let (FrameError::ContentLength { head } | FrameError::MessageTooLarge { head, .. }) = error else {
        return;
    };
    let before = link.written_bytes.get();
    hub.deliver(link.flow, head).await;
    let answered = async {
        while link.written_bytes.get() == before || !link.queue.is_empty() {
            link.written.notified().await;
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, answered).await;
}

async fn write(link: &Link, stream: &TcpStream) -> CloseReason {
    loop {
        link.queue.filled().await;
        match link.queue.write(|slices| stream.try_write_vectored(slices)) {
            Ok(count) => {
                link.written_bytes.set(link.written_bytes.get().wrapping_add(count));
                link.active.set(Instant::now());
                if link.queue.is_empty() {
                    link.written.notify_one();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if stream.writable().await.is_err() {
                    return CloseReason::Failed;
                }
            }
            Err(error) => return ended_by(&error),
        }
    }
}

/// Ends the connection when it is silent for too long; keeps those that we opened alive.
async fn watch(hub: &Hub, link: &Link) -> CloseReason {
    let options = hub.options();
    let opened = Instant::now();
    let mut next_ping = opened + options.ping;
    loop {
        let silent_at = match (link.unfinished.get(), link.opener) {
            (Some(since), Opener::Peer | Opener::Us) => since + options.message_time,
            (None, Opener::Peer) if !link.heard.get() => opened + options.message_time,
            (None, Opener::Peer | Opener::Us) => link.active.get() + options.idle,
        };
        if Instant::now() >= silent_at {
            tracing::debug!(target: "hookswitch::tcp", peer = %link.flow.peer, connection = link.flow.connection, "idle");
            return CloseReason::Ended;
        }
        // Looked at again after the shortest time at the latest: what is heard meanwhile changes the rule.
        let look_again = silent_at.min(Instant::now() + options.idle.min(options.message_time));
        match link.opener {
            Opener::Peer => tokio::time::sleep_until(look_again).await,
            Opener::Us => {
                tokio::time::sleep_until(look_again.min(next_ping)).await;
                if Instant::now() >= next_ping {
                    if !ping(link, options.pong).await {
                        return CloseReason::Failed;
                    }
                    next_ping = Instant::now() + options.ping;
                }
            }
        }
    }
}

/// Probes the peer. False if it answered probes before and does not answer this one (RFC 5626 4.4.1); peers that never did
/// need not know of probes, and TCP itself tells if they are gone.
async fn ping(link: &Link, within: Duration) -> bool {
    let sent = Instant::now();
    // A full queue is the proof that the peer does not read; the next message closes the connection.
    let _ = link.queue.push(PING);
    if link.ponged.get().is_none() {
        return true;
    }
    tokio::time::sleep(within).await;
    link.ponged.get().is_some_and(|at| at >= sent)
}

fn ended_by(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            CloseReason::Ended
        }
        _ => CloseReason::Failed,
    }
}
