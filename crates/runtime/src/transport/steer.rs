//! Which shard a message belongs to.

use hookswitch_machine::Flow;
use std::sync::Arc;

/// Chooses the shard of a message that came on a shared socket or a stream.
pub(crate) type Steer = Arc<dyn Fn(&[u8], Flow) -> usize + Send + Sync>;
