//! Where events go.

use hookswitch_media::control::Event;
use std::sync::Arc;

/// Takes events. Called on the media threads (with the null device: on the caller's), so it must not block.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;
