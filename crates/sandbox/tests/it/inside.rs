//! What a process in a sandbox can do, by one that tries.

use domain::{
    FolderAccess, MountSource, SandboxMount,
    wire::{Exit, ProcessOpen},
};
use expect_test::expect;
use sandbox::{
    Sandbox as _,
    line::{Line, ProcessEvent},
};

use crate::{
    machine::{Bench, base_image, desired, key, machine},
    root::next,
};

/// Runs a Python program in the sandbox, and returns what it has written and how it ended.
async fn python(line: &Line, program: &str) -> (String, Exit) {
    let open = ProcessOpen {
        argv: ["python3", "-c", program].map(str::to_owned).to_vec(),
        env: vec![
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME".to_owned(), "/tmp".to_owned()),
        ],
        cwd: "/tmp".to_owned(),
        line_bytes_max: 1 << 20,
        proxy: false,
        stop_grace_ms: 1_000,
    };
    let process = line.open_process(open).await.unwrap();
    let (mut reader, _writer) = process.split();
    let mut written = String::new();
    while let Some(event) = reader.next().await.unwrap() {
        match event {
            ProcessEvent::Stdout(it) | ProcessEvent::Stderr(it) => {
                written.push_str(&String::from_utf8_lossy(&it));
                written.push('\n');
            }
            ProcessEvent::LineTooLong { bytes } => panic!("a line of {bytes} bytes"),
            ProcessEvent::Exited(exit) => return (written, exit),
        }
    }
    panic!("no end");
}

const TRIES: &str = r#"
import os, socket, subprocess
def attempt(what, do):
    try:
        print(what + ":", do())
    except Exception as err:
        print(what + ":", type(err).__name__, getattr(err, "errno", ""))
def write(path):
    open(path, "w").write("x")
    return "written"
def dial(address):
    it = socket.create_connection(address, 2)
    return "connected"
attempt("uid", lambda: (os.getuid(), os.getgid(), os.getgroups()))
attempt("bridge's environment", lambda: open("/proc/1/environ", "rb").read())
attempt("bridge's memory", lambda: open("/proc/1/mem", "rb").read(1))
attempt("bridge's maps", lambda: open("/proc/1/maps").read(1))
attempt("bridge's files", lambda: os.listdir("/proc/1/fd"))
attempt("bridge's root", lambda: os.listdir("/proc/1/root"))
attempt("root file system", lambda: write("/x"))
attempt("bridge file", lambda: write("/.archestra/bridge"))
attempt("line's folder", lambda: write("/run/archestra/x"))
attempt("line's socket", lambda: os.unlink("/run/archestra/line.sock"))
attempt("install", lambda: write("/install/x"))
attempt("home", lambda: write("/home/app/x"))
attempt("etc", lambda: write("/etc/x"))
attempt("data", lambda: write("/data/x"))
attempt("tmp", lambda: write("/tmp/x"))
attempt("mount", lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], capture_output=True).returncode != 0)
def as_root_of_a_namespace(*command):
    return subprocess.run(["unshare", "-Urm", *command], capture_output=True).returncode == 0
attempt("bridge's environment as root of a namespace", lambda: as_root_of_a_namespace("cat", "/proc/1/environ"))
attempt("remounts as root of a namespace", lambda: [as_root_of_a_namespace("mount", "-o", "remount,bind,rw", it) for it in ["/", "/install", "/run/archestra"]])
attempt("interfaces", lambda: [it[1] for it in socket.if_nameindex()])
attempt("name", lambda: socket.getaddrinfo("example.com", 443))
attempt("address", lambda: dial(("192.0.2.1", 443)))
attempt("metadata", lambda: dial(("169.254.169.254", 80)))
attempt("resolv.conf", lambda: open("/etc/resolv.conf").read())
attempt("hosts", lambda: open("/etc/hosts").read().split())
attempt("tools", lambda: [subprocess.run([it, "--version"], capture_output=True).returncode for it in ["node", "npm", "uv", "git", "python3"]])
"#;

const SECOND_LINE: &str = r#"
import socket
it = socket.socket(socket.AF_UNIX)
it.connect("/run/archestra/line.sock")
it.settimeout(10)
try:
    it.sendall(b"\0" * 12)
    print("answer", it.recv(16))
except (BrokenPipeError, ConnectionResetError):
    print("reset")
"#;

#[tokio::test]
async fn a_process_can_use_its_folders_and_nothing_else() {
    let Some(machine) = machine() else { return };
    let image = base_image(machine).await;
    let bench = Bench::new(machine, next());
    bench.podman.create_volume("install", None).await.unwrap();
    let mount = |inside: &str, access| SandboxMount {
        source: MountSource::Volume("install".to_owned()),
        inside: inside.to_owned(),
        access,
    };
    // As the one that installs: the new volume is its user's.
    let writer = desired(&image, vec![mount("/install", FolderAccess::ReadWrite)]);
    bench.podman.ensure_running(&key(2), &writer).await.unwrap();
    let line = bench.podman.line(&key(2)).unwrap();
    let (written, exit) = python(&line, "open('/install/kept', 'w').write('x')").await;
    assert_eq!((written.as_str(), exit.code), ("", Some(0)));
    bench.podman.ensure_stopped(&key(2)).await.unwrap();

    // As the server.
    let data = SandboxMount {
        source: MountSource::Host(bench.folder("data")),
        inside: "/data".to_owned(),
        access: FolderAccess::ReadWrite,
    };
    let server = desired(
        &image,
        vec![mount("/install", FolderAccess::ReadOnly), data],
    );
    bench.podman.ensure_running(&key(1), &server).await.unwrap();
    let line = bench.podman.line(&key(1)).unwrap();
    let (written, _) = python(&line, "print(open('/install/kept').read())").await;
    assert_eq!(written, "x\n");
    let (written, exit) = python(&line, TRIES).await;
    expect![[r#"
        uid: (1000, 1000, [1000])
        bridge's environment: PermissionError 13
        bridge's memory: PermissionError 13
        bridge's maps: PermissionError 13
        bridge's files: PermissionError 13
        bridge's root: PermissionError 13
        root file system: OSError 30
        bridge file: OSError 30
        line's folder: OSError 30
        line's socket: OSError 30
        install: OSError 30
        home: OSError 30
        etc: OSError 30
        data: written
        tmp: written
        mount: True
        bridge's environment as root of a namespace: False
        remounts as root of a namespace: [False, False, False]
        interfaces: ['lo']
        name: gaierror -3
        address: OSError 101
        metadata: OSError 101
        resolv.conf: 
        hosts: ['127.0.0.1', 'localhost', '::1', 'localhost']
        tools: [0, 0, 0, 0, 0]
    "#]]
    .assert_eq(&written);
    assert_eq!(exit.code, Some(0));

    // The host's socket can be dialled by everybody in there, and answers to the bridge alone.
    let (written, _) = python(&line, SECOND_LINE).await;
    assert!(
        matches!(written.as_str(), "answer b''\n" | "reset\n"),
        "{written}"
    );
    assert!(!bench.podman.line(&key(1)).unwrap().is_closed());

    bench.podman.ensure_stopped(&key(1)).await.unwrap();
    bench.podman.remove_volume("install").await.unwrap();
    bench.end().await;
}

#[tokio::test]
async fn a_bridge_that_ends_is_observed_with_its_exit() {
    let Some(machine) = machine() else { return };
    let bench = Bench::new(machine, next());
    let desired = desired(crate::machine::EMPTY_IMAGE, Vec::new());
    bench
        .podman
        .ensure_running(&key(1), &desired)
        .await
        .unwrap();
    let line = bench.podman.line(&key(1)).unwrap();
    let container = crate::root::container_of(machine, bench.instance, &key(1).to_string());
    let mut args: Vec<&str> = machine.args.iter().map(String::as_str).collect();
    args.extend(["kill", &container]);
    crate::machine::run("podman", &args).unwrap();
    line.closed().await;
    args.truncate(machine.args.len());
    args.extend(["wait", &container]);
    crate::machine::run("podman", &args).unwrap();
    let observed = bench.podman.list().await.unwrap();
    let ended = sandbox::ObservedState::Exited {
        code: Some(137),
        out_of_memory: false,
    };
    assert_eq!(observed[0].state, ended);
    assert!(bench.podman.line(&key(1)).is_none());
    bench
        .podman
        .ensure_running(&key(1), &desired)
        .await
        .unwrap();
    bench.podman.ensure_stopped(&key(1)).await.unwrap();
    bench.end().await;
}
