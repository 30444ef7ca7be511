//! The command as a person or a script meets it: output, exit codes, the demonstration.
#![allow(clippy::disallowed_methods)] // one test occupies a port

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn hookswitch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hookswitch"))
        .args(arguments)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of this name in the folder where the command runs.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("a file is written");
    path
}

#[test]
fn help_teaches_and_version_tells() {
    let help = text(&hookswitch(&["--help"]).stdout);
    for part in ["hookswitch demo", "check --example", "Exit codes", "register", "listen", "softswitch"] {
        assert!(help.contains(part), "{part} is missing in\n{help}");
    }
    for command in ["register", "call", "listen", "softswitch", "check"] {
        let help = text(&hookswitch(&[command, "--help"]).stdout);
        assert!(help.contains("Examples:"), "{command}\n{help}");
    }
    assert_eq!(
        text(&hookswitch(&["--version"]).stdout),
        concat!("hookswitch ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_wrong_command_line_is_2_and_says_what_was_expected() {
    let output = hookswitch(&["call", "1001", "600", "--tone", "loud"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("invalid value 'loud' for '--tone <HERTZ>'"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_example_is_what_check_finds_right() {
    let example = hookswitch(&["check", "--example"]);
    assert!(example.status.success());
    file("example.toml", &text(&example.stdout));
    let output = hookswitch(&["check", "example.toml"]);
    assert_eq!(text(&output.stdout), include_str!("golden/example.txt"));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn check_names_line_key_and_what_was_expected() {
    for (name, content, golden) in [
        ("key.toml", include_str!("golden/key.toml"), include_str!("golden/key.txt")),
        ("value.toml", include_str!("golden/value.toml"), include_str!("golden/value.txt")),
        ("profile.toml", include_str!("golden/profile.toml"), include_str!("golden/profile.txt")),
        ("missing.toml", include_str!("golden/missing.toml"), include_str!("golden/missing.txt")),
        ("syntax.toml", include_str!("golden/syntax.toml"), include_str!("golden/syntax.txt")),
    ] {
        file(name, content);
        let output = hookswitch(&["check", name]);
        assert_eq!(text(&output.stderr), golden, "{name}");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{name}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let output = hookswitch(&["-c", "nowhere.toml", "register"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("nowhere.toml") && error.contains("check --example"), "{error}");
}

#[test]
fn an_unknown_line_is_answered_with_those_that_exist() {
    file(
        "line.toml",
        "[sip]\nlisten = ['udp:127.0.0.1:0']\n[media]\naddress = '127.0.0.1'\n\
         [[line]]\nname = 'desk'\nregistrar = '127.0.0.1:9'\nuser = '1001'\n",
    );
    let output = hookswitch(&["-c", "line.toml", "call", "desc", "600"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("\"desc\"") && error.contains("the lines are: desk"), "{error}");
}

#[test]
fn a_port_in_use_is_3_and_says_what_to_do() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let output = hookswitch(&["softswitch", "--listen", &format!("udp:{address}")]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains(&address.to_string()) && error.contains("another"), "{error}");
}

#[test]
fn the_demonstration_does_what_it_says() {
    let output = hookswitch(&["demo"]);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");
    for step in [
        "softswitch",
        "lines",
        "offering",
        "accept",
        "answer",
        "audio",
        "digits",
        "hold",
        "retrieve",
        "hand-off",
        "hang-up",
        "redirect",
        "forward",
        "reject",
        "end",
    ] {
        assert!(out.contains(&format!("✓ {step}")), "{step} is missing in\n{out}");
    }
    assert!(out.contains("INVITE") && out.contains("owner: support") && out.contains("MOS"), "{out}");
    assert!(!out.contains('\x1b'), "colours without a terminal");
    assert!(
        out.trim_end().lines().last().is_some_and(|line| line.starts_with("demo: 15 steps, all as expected"))
    );
}
