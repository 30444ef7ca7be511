//! The embedded softswitch as a running thing.

/// Placeholder.
#[derive(Debug)]
pub struct Softswitch;
/// Placeholder.
#[derive(Debug)]
pub struct SoftswitchEvent;
