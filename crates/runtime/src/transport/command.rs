//! What shards ask of the thread for streams and names.

use bytes::Bytes;
use hookswitch_machine::{Flow, QueryId, Question};
use std::time::Instant;

/// How many commands may wait. The thread does nothing but start what they ask for, so they wait only when it is starved.
pub(crate) const COMMANDS: usize = 65_536;

/// Something to be done off the shard's thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send on a stream; connection 0 asks for any connection to the peer.
    Send { shard: usize, flow: Flow, bytes: Bytes },
    /// Look a host up.
    Resolve { shard: usize, query: QueryId, question: Question, deadline: Instant },
}

/// The shards' end.
pub(crate) type Commands = tokio::sync::mpsc::Sender<Command>;
