//! What the extensions say.

use crate::{EXTENSION, PHONE, RECORDED, SECONDS, SHORT, SHORT_RECORDED, dials, one_recording, phone};
use hookswitch_interop::{Switchboard, needs, sound};
use hookswitch_media::audio::read_wav;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Calls an extension and returns what was heard.
async fn extension(transport: &str, user: &str, seconds: f32) -> Option<PathBuf> {
    if !needs(&["baresip"]) {
        return None;
    }
    let board = Switchboard::start();
    let mut phone = phone(&board, transport).await;
    dials(&board, &mut phone, user).await;
    phone.event("CALL_ESTABLISHED").await;
    phone.hears_for(seconds).await;
    phone.tell("hangup", "").await;
    phone.event("CALL_CLOSED").await;
    let heard = one_recording(&mut phone).await;
    phone.end().await;
    board.end().await;
    Some(heard)
}

#[tokio::test]
async fn the_tone_over_udp() {
    let Some(heard) = extension("udp", "601", RECORDED).await else { return };
    sound::carries(&heard, None, EXTENSION, SECONDS);
}

#[tokio::test]
async fn the_tone_over_tcp() {
    let Some(heard) = extension("tcp", "601", RECORDED).await else { return };
    sound::carries(&heard, None, EXTENSION, SECONDS);
}

#[tokio::test]
async fn the_echo_over_udp() {
    let Some(heard) = extension("udp", "600", RECORDED).await else { return };
    sound::carries(&heard, None, PHONE, SECONDS);
}

#[tokio::test]
async fn the_echo_over_tcp() {
    let Some(heard) = extension("tcp", "600", RECORDED).await else { return };
    sound::carries(&heard, None, PHONE, SECONDS);
}

#[tokio::test]
async fn music_over_udp() {
    let Some(heard) = extension("udp", "602", SHORT_RECORDED).await else { return };
    is_melodious(&heard);
}

#[tokio::test]
async fn music_over_tcp() {
    let Some(heard) = extension("tcp", "602", SHORT_RECORDED).await else { return };
    is_melodious(&heard);
}

/// Fails unless every quarter of a second has sound, and not the same for long.
fn is_melodious(path: &Path) {
    let file = File::open(path).expect("a recording");
    let samples = read_wav(file, 8_000, Duration::from_secs(60)).expect("a recording");
    let loud =
        |part: &[i16]| part.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / part.len() as f64;
    let parts: Vec<f64> = samples.chunks_exact(2_000).map(|part| loud(part).sqrt()).collect();
    println!("{}: {} quarters of a second, rms {parts:.0?}", path.display(), parts.len());
    let sound = parts.iter().filter(|rms| **rms > 100.0).count();
    assert!(sound as f32 * 0.25 >= SHORT - 0.25, "{parts:?}");
    let longest = [262, 330, 392, 440, 523].map(|hertz| sound::tone(path, None, hertz).share());
    assert!(longest.iter().all(|share| *share < 0.9), "{longest:?}");
}
