//! Where a machine's events and media commands go.

use hookswitch_machine::Machine;

/// Takes what a machine hands out. Called on the shard's thread, so nothing here may block: a full queue is the sink's to
/// handle.
pub trait Sink<M: Machine>: Send + 'static {
    /// Something to tell the users.
    fn event(&self, event: M::Event);

    /// A command to the media threads.
    fn media(&self, command: M::MediaCommand);

    /// A turn of the loop has ended: time to wake whoever reads what was taken since the last one.
    fn turn_ended(&self) {}
}
