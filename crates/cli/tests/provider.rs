//! `hookswitch provider` as a person or a script meets it: install, configure, show, remove, and what lives on it.
#![cfg(unix)]
#![allow(clippy::disallowed_methods)] // the store is a real folder

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// An empty folder of this test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("provider-{name}"));
    // From a run before.
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// A command in that folder, with the store in `store` there.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookswitch"));
    command.args(arguments).args(["--store", "store"]).current_dir(folder);
    command
}

/// What it said, what it complained of, and the exit code.
fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn run(folder: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    said(&command(folder, arguments).output().expect("the command starts"))
}

/// Runs a command that has to succeed; what it said.
fn fine(folder: &Path, arguments: &[&str]) -> String {
    let (out, error, code) = run(folder, arguments);
    assert_eq!((error.as_str(), code), ("", Some(0)), "{arguments:?}\n{out}");
    out
}

/// Runs a command that has to fail; its complaint.
fn wrong(folder: &Path, arguments: &[&str], expected: i32) -> String {
    let (out, error, code) = run(folder, arguments);
    assert_eq!((out.as_str(), code), ("", Some(expected)), "{arguments:?}\n{error}");
    error
}

const ADD: [&str; 8] =
    ["provider", "config", "add-line", "desk", "--registrar", "pbx.example.org", "--user", "1001"];

#[test]
fn a_provider_lives_from_install_to_remove() {
    let here = folder("life");
    assert!(wrong(&here, &["provider", "show"], 1).contains("provider install"));
    assert!(wrong(&here, &ADD, 1).contains("no provider is installed"));
    assert!(wrong(&here, &["provider", "remove"], 1).contains("no provider is installed"));
    let out = fine(&here, &["provider", "install"]);
    assert!(out.contains("installed") && out.contains("add-line"), "{out}");
    assert!(wrong(&here, &["provider", "install"], 1).contains("comes before another install"));
    let mut added = command(&here, &[&ADD[..], &["--password-stdin", "--number", "1010"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    added.stdin.take().expect("a pipe").write_all(b"very-secret\n").expect("written");
    let (out, _, code) = said(&added.wait_with_output().expect("an end"));
    assert!(out.contains("line desk, number 1") && code == Some(0), "{out}");
    let out = fine(&here, &["provider", "show"]);
    for part in ["1 desk: sip:1001@pbx.example.org", "password kept here", "change 2"] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
    assert!(!out.contains("very-secret"), "{out}");
    let text = std::fs::read_to_string(here.join("store/provider.toml")).expect("a file");
    assert!(text.contains("very-secret") && text.contains("numbers = [\"1010\"]"), "{text}");
    assert!(wrong(&here, &["provider", "remove"], 2).contains("--yes"));
    assert!(fine(&here, &["provider", "remove", "--yes"]).contains("until they end"));
    assert_eq!(std::fs::read_dir(here.join("store")).expect("a folder").count(), 0);
}

#[test]
fn lines_and_options_are_changed_one_by_one() {
    let here = folder("changes");
    fine(&here, &["provider", "install"]);
    fine(&here, &[&ADD[..], &["--password", "x"]].concat());
    let error = wrong(&here, &ADD, 2);
    assert!(error.contains("\"desk\" already"), "{error}");
    let change = ["provider", "config", "change-line", "desk"];
    let out = fine(&here, &[&change[..], &["--password", "y"]].concat());
    assert!(out.contains("use it at once"), "{out}");
    let out = fine(
        &here,
        &[&change[..], &["--name", "front", "--forward", "busy=1002", "--max-calls", "4"]].concat(),
    );
    assert!(out.contains("start again"), "{out}");
    let show = fine(&here, &["provider", "show"]);
    assert!(show.contains("1 front:") && show.contains("1 forwarding rule"), "{show}");
    let error = wrong(&here, &[&change[..], &["--max-calls", "5"]].concat(), 2);
    assert!(error.contains("the lines are: front"), "{error}");
    let change = ["provider", "config", "change-line", "front"];
    let error = wrong(&here, &[&change[..], &["--max-calls", "0"]].concat(), 2);
    assert!(error.contains("nothing was changed: max-calls: expected 1 to 100000"), "{error}");
    fine(&here, &[&change[..], &["--default", "forward", "--default", "max-calls"]].concat());
    assert!(wrong(&here, &change, 2).contains("--help"));
    assert!(wrong(&here, &[&change[..], &["--default", "name"]].concat(), 2).contains("expected one of"));
    let show = fine(&here, &["provider", "show"]);
    assert!(!show.contains("forwarding"), "{show}");
    fine(&here, &["provider", "config", "set", "media.ports", "[20000, 20999]"]);
    fine(&here, &["provider", "config", "set", "media.address", "127.0.0.1"]);
    fine(&here, &["provider", "config", "set", "priorities.voice", "['a', 'b']"]);
    let show = fine(&here, &["provider", "show"]);
    assert!(show.contains("127.0.0.1 ports 20000 to 20999") && show.contains("voice: a, b"), "{show}");
    fine(&here, &["provider", "config", "unset", "media.ports"]);
    for (option, value, part) in [
        ("media.ports", "many", "ports = \"many\": invalid type"),
        ("media.prots", "1", "unknown field `prots`"),
        ("serial", "9", "the store's own"),
        ("line.name", "x", "their own commands"),
        ("applications.default-line", "nobody", "front"),
    ] {
        let error = wrong(&here, &["provider", "config", "set", option, value], 2);
        assert!(error.contains(part), "{option} {value}: {error}");
    }
    let out = fine(&here, &["provider", "config", "remove-line", "front"]);
    assert!(out.contains("number 1"), "{out}");
    assert!(fine(&here, &ADD).contains("number 2"));
}

#[test]
fn a_configuration_file_is_imported_with_all_it_says() {
    let here = folder("import");
    std::fs::write(here.join("secret.txt"), "one\n").expect("written");
    let example = "# mine\n[sip]\nlisten = ['udp:127.0.0.1:0']\n# the desk\n[[line]]\nname = 'desk'\nregistrar = 'pbx'\nuser = '1001'\npassword-file = 'secret.txt'\n";
    std::fs::write(here.join("mine.toml"), example).expect("written");
    std::fs::write(here.join("wrong.toml"), format!("{example}[[line]]\nname = 'x'\n")).expect("written");
    let error = wrong(&here, &["provider", "install", "wrong.toml"], 2);
    assert!(error.contains("wrong.toml:10:1: missing field `registrar`"), "{error}");
    assert!(wrong(&here, &["provider", "install", "absent.toml"], 2).contains("absent.toml"));
    assert!(!here.join("store").exists(), "nothing is left of an install that failed");
    assert!(fine(&here, &["provider", "install", "mine.toml"]).contains("1 line"));
    let text = std::fs::read_to_string(here.join("store/provider.toml")).expect("a file");
    assert!(text.contains("# mine") && text.contains("# the desk\n[[line]]"), "{text}");
    assert!(text.contains(&format!("{}/secret.txt", here.display())), "{text}");
    let twice = folder("import-twice");
    let stored = here.join("store/provider.toml").display().to_string();
    assert!(wrong(&twice, &["provider", "install", &stored], 2).contains("--store"));
}

#[test]
fn a_file_edited_by_hand_is_used_or_explained() {
    let here = folder("hand");
    fine(&here, &["provider", "install"]);
    let path = here.join("store/provider.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, format!("{text}\n[[line]]\nname = 'desk'\nregistrar = 'pbx'\nuser = '1 1'\n"))
        .expect("written");
    for arguments in [&["provider", "show"][..], &["register"], &ADD] {
        let error = wrong(&here, arguments, 2);
        assert!(error.contains("store/provider.toml:11:8: user: expected the user part"), "{error}");
        assert!(error.contains("11 | user = '1 1'"), "{error}");
    }
    std::fs::write(&path, format!("{text}\n[[line]]\nname = 'desk'\nregistrar = 'pbx'\nuser = '11'\n"))
        .expect("written");
    assert!(fine(&here, &["provider", "show"]).contains("1 desk: sip:11@pbx"));
    assert!(fine(&here, &["provider", "show"]).contains("change 2"), "numbered once");
}

#[test]
fn commands_at_the_same_time_lose_nothing() {
    let here = folder("together");
    fine(&here, &["provider", "install"]);
    let running: Vec<Child> = (0..8)
        .map(|n| {
            let name = format!("line-{n}");
            let arguments = ["provider", "config", "add-line", &name, "--registrar", "pbx", "--user", "1"];
            command(&here, &arguments).stdout(Stdio::null()).spawn().expect("the command starts")
        })
        .collect();
    for mut child in running {
        assert!(child.wait().expect("an end").success());
    }
    let show = fine(&here, &["provider", "show"]);
    for number in 1..=8 {
        assert!(show.contains(&format!("line        {number} line-")), "{number} is missing in\n{show}");
    }
    assert!(show.contains("change 9"), "{show}");
}

#[test]
fn killed_commands_leave_the_store_whole() {
    let here = folder("killed");
    fine(&here, &["provider", "install"]);
    for n in 0..30 {
        let name = format!("line-{n}");
        let arguments = ["provider", "config", "add-line", &name, "--registrar", "pbx", "--user", "1"];
        let mut child =
            command(&here, &arguments).stdout(Stdio::piped()).spawn().expect("the command starts");
        if n % 3 == 0 {
            // Some get as far as to say that they are done.
            let mut said = [0];
            let _ = child.stdout.take().expect("a pipe").read(&mut said);
        }
        // SIGKILL, wherever it is.
        child.kill().expect("it was started");
        child.wait().expect("an end");
        let show = fine(&here, &["provider", "show"]);
        assert!(n % 3 != 0 || show.contains(&format!(" {name}:")), "{name} was said to be there\n{show}");
    }
    let names: Vec<_> = std::fs::read_dir(here.join("store"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["provider.toml"]);
}

/// A command in the background; killed when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, out }
    }

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

    fn interrupt(mut self) -> (String, Option<i32>) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("output");
        (rest, self.child.wait().expect("an end").code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, in the good case.
        let _ = self.child.kill();
    }
}

#[test]
fn links_are_dialled_from_the_installed_lines() {
    let here = folder("dial");
    // None of these needs a line.
    for (link, part) in
        [("javascript:alert(1)", "only tel:"), ("tel:CALL-ME", "digits"), ("sip:a:b@c", "password")]
    {
        let error = wrong(&here, &["dial", link], 2);
        assert!(error.contains(part), "{error}");
    }
    assert!(wrong(&here, &["dial", "600"], 1).contains("provider install"));
    let mut switch = Command::new(env!("CARGO_BIN_EXE_hookswitch"));
    switch.args([
        "softswitch",
        "--listen",
        "udp:127.0.0.1:0",
        "--account",
        "1001:one",
        "--account",
        "1002:two",
    ]);
    let mut switch = Running::start(switch);
    let address = switch.line_with("listening").trim().rsplit("udp:").next().unwrap_or_default().to_owned();
    fine(&here, &["provider", "install"]);
    assert!(wrong(&here, &["dial", "600"], 2).contains("add-line"));
    fine(&here, &["provider", "config", "set", "sip.listen", "['udp:127.0.0.1:0']"]);
    fine(&here, &["provider", "config", "set", "media.address", "127.0.0.1"]);
    for (name, user, password) in [("first", "1001", "one"), ("second", "1002", "two")] {
        let add = ["provider", "config", "add-line", name, "--registrar", &address, "--user", user];
        fine(&here, &[&add[..], &["--domain", "hookswitch.local", "--password", password]].concat());
    }
    let out = fine(&here, &["register", "--once"]);
    assert!(out.contains("first: in service") && out.contains("second: in service"), "{out}");
    let out = fine(&here, &["dial", "tel:6-00;ext=42;phone-context=hookswitch.local", "--duration", "5"]);
    for part in
        ["dialling 600, then 42 on line first", "valid in hookswitch.local", "connected", "sent digits ,42"]
    {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
    fine(&here, &["provider", "config", "set", "applications.default-line", "second"]);
    let link = format!("sip:601@{address}?Replaces=x");
    let out = fine(&here, &["dial", &link, "--duration", "0.5"]);
    assert!(out.contains("on line second") && out.contains("connected"), "{out}");
}

#[test]
fn a_running_command_follows_the_store() {
    let here = folder("follow");
    let mut switch = Command::new(env!("CARGO_BIN_EXE_hookswitch"));
    switch.args(["softswitch", "--listen", "udp:127.0.0.1:0", "--account", "1001:one"]);
    let mut switch = Running::start(switch);
    let address = switch.line_with("listening").trim().rsplit("udp:").next().unwrap_or_default().to_owned();
    fine(&here, &["provider", "install"]);
    fine(&here, &["provider", "config", "set", "sip.listen", "['udp:127.0.0.1:0']"]);
    fine(&here, &["provider", "config", "set", "media.address", "127.0.0.1"]);
    let add = ["provider", "config", "add-line", "desk", "--registrar", &address, "--user", "1001"];
    fine(&here, &[&add[..], &["--domain", "hookswitch.local", "--password", "wrong"]].concat());
    let mut register = Running::start(command(&here, &["register"]));
    register.line_with("out of service");
    // Noticed within a few seconds, without a restart.
    fine(&here, &["provider", "config", "change-line", "desk", "--password", "one"]);
    register.line_with("in service");
    fine(&here, &["provider", "config", "set", "applications.unowned", "reject"]);
    register.line_with("[applications] changed; takes effect at the next start");
    let add = ["provider", "config", "add-line", "lab", "--registrar", &address, "--user", "1001"];
    fine(&here, &[&add[..], &["--domain", "hookswitch.local", "--password", "one"]].concat());
    register.line_with("lab: added");
    register.line_with("lab: in service");
    fine(&here, &["provider", "config", "remove-line", "desk"]);
    register.line_with("desk: removed");
    let (_, code) = register.interrupt();
    assert_eq!(code, Some(0));
}

#[test]
fn help_teaches() {
    let here = folder("help");
    for arguments in [
        &["provider", "install"][..],
        &["provider", "config"],
        &["provider", "config", "add-line"],
        &["provider", "config", "change-line"],
        &["provider", "config", "set"],
        &["dial"],
    ] {
        let help = fine(&here, &[arguments, &["--help"]].concat());
        assert!(help.contains("Examples:"), "{arguments:?}\n{help}");
    }
    assert!(fine(&here, &["dial", "--help"]).contains("x-scheme-handler/tel"));
    assert!(fine(&here, &["provider", "--help"]).contains("/etc/hookswitch"));
}
