//! placeholder
pub(crate) async fn run(_: &crate::terminal::Terminal, _: &crate::interrupt::Interrupt) -> Result<(), crate::failure::Failure> { Ok(()) }
