//! `hookswitch demo`: a softswitch, two lines and three applications on loopback, and every response to an offered call.
//!
//! `scene` starts and ends what takes part, `talk` is the main call step by step, `elsewhere` the calls that go somewhere else,
//! `ear` measures what was heard, `stage` prints each step with what was measured. Everything goes through the public API of
//! the `hookswitch` crate; a step that differs from what is expected ends the demonstration with an error.

mod ear;
mod elsewhere;
mod folder;
mod scene;
mod stage;
mod talk;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::terminal::Terminal;
use scene::Scene;
use stage::Stage;

pub(crate) async fn run(terminal: &Terminal, interrupt: &Interrupt) -> Result<(), Failure> {
    let stage = Stage::new(terminal);
    terminal.say(terminal.strong("A softswitch, two lines and three applications, on this computer alone"));
    let played = tokio::select! {
        biased;
        () = interrupt.wanted() => Err(Failure::Outcome("interrupted".into())),
        played = play(&stage) => played,
    };
    terminal.settle();
    let figures = played?;
    figures.show(terminal);
    terminal.say(terminal.good(format!(
        "\ndemo: {} steps, all as expected, in {}",
        stage.steps(),
        stage.elapsed()
    )));
    Ok(())
}

async fn play(stage: &Stage<'_>) -> Result<talk::Figures, Failure> {
    let mut scene = Scene::start(stage).await?;
    let figures = act(stage, &mut scene).await;
    // The sockets close in order, whatever came before.
    match figures {
        Ok(figures) => {
            scene.end(stage).await?;
            Ok(figures)
        }
        Err(failure) => {
            scene.abandon().await;
            Err(failure)
        }
    }
}

async fn act(stage: &Stage<'_>, scene: &mut Scene) -> Result<talk::Figures, Failure> {
    let figures = talk::play(stage, scene).await?;
    elsewhere::play(stage, scene).await?;
    Ok(figures)
}
