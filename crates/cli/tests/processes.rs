//! Several commands at once, as in several terminals: a softswitch, somebody who listens, somebody who calls.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A command in the background; killed when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the command starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, out }
    }

    /// Reads lines up to one with `part` in it.
    fn line_with(&mut self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let count = self.out.read_line(&mut line).expect("output");
            assert!(count > 0, "it ended before it said {part:?}; it said\n{seen}");
            if line.contains(part) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// Waits for the end; what else was said, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("output");
        (rest, self.child.wait().expect("an end").code())
    }

    /// Ctrl-C.
    fn interrupt(self) -> (String, Option<i32>) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, in the good case.
        let _ = self.child.kill();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookswitch"));
    command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A softswitch on a free port, and a configuration of its lines 1001, 1002 and one with a wrong password.
fn softswitch(name: &str) -> (Running, String) {
    softswitch_with(name, "")
}

/// The same with further keys in each line's table.
fn softswitch_with(name: &str, keys: &str) -> (Running, String) {
    let mut switch = Running::start(&[
        "softswitch",
        "--listen",
        "udp:127.0.0.1:0",
        "--account",
        "1001:one",
        "--account",
        "1002:two",
    ]);
    let line = switch.line_with("listening");
    let address = line.trim().rsplit("udp:").next().unwrap_or_default().to_owned();
    switch.line_with("Ctrl-C ends");
    let mut config = String::from("[sip]\nlisten = ['udp:127.0.0.1:0']\n[media]\naddress = '127.0.0.1'\n");
    for (line, user, password) in [("1001", "1001", "one"), ("1002", "1002", "two"), ("wrong", "1001", "two")]
    {
        config.push_str(&format!(
            "[[line]]\nname = '{line}'\nregistrar = '{address}'\ndomain = 'hookswitch.local'\nuser = '{user}'\npassword = '{password}'\n{keys}\n"
        ));
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, config).expect("a configuration is written");
    (switch, path.display().to_string())
}

#[test]
fn one_terminal_listens_and_another_calls() {
    let (switch, config) = softswitch("calls.toml");
    let mut listener = Running::start(&[
        "-c", &config, "listen", "1002", "--accept", "--tone", "700", "--count", "1", "--ladder",
    ]);
    listener.line_with("in service");
    let call = run(&[
        "-c",
        &config,
        "call",
        "1001",
        "1002",
        "--digits",
        "42",
        "--duration",
        "1",
        "--record",
        "calls.wav",
    ]);
    let said = text(&call.stdout);
    assert_eq!(call.status.code(), Some(0), "{said}{}", text(&call.stderr));
    for part in ["ringback", "connected", "sent digits 42", "ended: hung up after the time", "PCMU", "MOS"] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    let (heard, code) = listener.end();
    assert_eq!(code, Some(0), "{heard}");
    for part in ["offered: from sip:1001@", "accepted", "digit 4", "digit 2", "by the other side", "INVITE"] {
        assert!(heard.contains(part), "{part} is missing in\n{heard}");
    }
    let (seen, code) = switch.interrupt();
    assert_eq!(code, Some(0), "{seen}");
    for part in [
        "1002 registered",
        "call 1  1001 calls 1002",
        "call 1  answered",
        "call 1  ended",
        "unregistered: by itself",
        "phone 1001",
        "on hook",
        "lamps: messages off",
        "off hook",
        "out of service",
    ] {
        assert!(seen.contains(part), "{part} is missing in\n{seen}");
    }
}

#[test]
fn who_is_not_reached_is_1_with_the_reason() {
    let (_switch, config) = softswitch("reasons.toml");
    let register = run(&["-c", &config, "register", "1001", "1002", "--once"]);
    assert_eq!((register.status.code(), text(&register.stdout).lines().count()), (Some(0), 2));
    let wrong = run(&["-c", &config, "register", "wrong", "--once"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("out of service"), "{}", text(&wrong.stderr));
    let nobody = run(&["-c", &config, "call", "1001", "999"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("404"), "{}", text(&nobody.stderr));
    let mut listener = Running::start(&["-c", &config, "listen", "1002", "--reject", "busy", "--count", "1"]);
    listener.line_with("in service");
    let busy = run(&["-c", &config, "call", "1001", "1002"]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(text(&busy.stderr).contains("busy, 486"), "{}", text(&busy.stderr));
    assert!(listener.end().0.contains("rejected"));
}

#[test]
fn a_call_waits_for_somebody_who_is_busy() {
    let (_switch, config) = softswitch("camp-on.toml");
    // Lines that may not watch others cannot wait for them.
    let mut listener = Running::start(&["-c", &config, "listen", "1002", "--reject", "busy", "--count", "1"]);
    listener.line_with("in service");
    let call = run(&["-c", &config, "call", "1001", "1002", "--camp-on"]);
    assert_eq!(call.status.code(), Some(1));
    assert!(text(&call.stdout).contains("cannot wait until 1002 is free"), "{}", text(&call.stdout));
    listener.end();
    let (_switch, config) = softswitch_with("camp-on-can.toml", "profile = 'hookswitch'");
    let mut listener = Running::start(&["-c", &config, "listen", "1002", "--reject", "busy"]);
    listener.line_with("in service");
    let busy = run(&["-c", &config, "call", "1001", "1002"]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(text(&busy.stderr).contains("busy (--camp-on waits until it is free)"), "{}", text(&busy.stderr));
    let mut call = Running::start(&["-c", &config, "call", "1001", "1002", "--camp-on"]);
    call.line_with("busy");
    call.line_with("waits until 1002 is free");
    // It says that it is busy although it is in no call: it is rung once more.
    call.line_with("ringback");
    let (said, code) = call.interrupt();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("hung up by Ctrl-C"), "{said}");
    assert!(listener.interrupt().0.matches("rejected").count() >= 1);
}

#[test]
fn ctrl_c_hangs_up_and_unregisters() {
    let (mut switch, config) = softswitch("interrupt.toml");
    let mut call = Running::start(&["-c", &config, "call", "1001", "600"]);
    call.line_with("connected");
    let (said, code) = call.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("hung up by Ctrl-C"), "{said}");
    switch.line_with("call 1  ended");
    switch.line_with("1001 unregistered: by itself");
    assert_eq!(switch.interrupt().1, Some(0));
}
