use domain::{IsolationKey, Limits};
use expect_test::expect;

use super::*;

#[test]
fn a_container_is_asked_for_with_everything_that_it_is_not_given() {
    let body = container_spec(&key("1"), &desired(), &context(false));
    let text = serde_json::to_string_pretty(&body).unwrap();
    expect![[r#"
        {
          "cap_drop": [
            "all"
          ],
          "cgroupns": {
            "nsmode": "private"
          },
          "command": [],
          "entrypoint": [
            "/.archestra/bridge"
          ],
          "env": {},
          "env_host": false,
          "hostname": "sandbox",
          "httpproxy": false,
          "image": "localhost/base:1",
          "image_volume_mode": "ignore",
          "init": false,
          "ipcns": {
            "nsmode": "private"
          },
          "labels": {
            "archestra.generation": "7",
            "archestra.instance": "00000000-0000-0000-0000-000000000009",
            "archestra.key": "server/00000000-0000-0000-0000-000000000001/shared",
            "archestra.spec-hash": "f99ac3c322f29208b283af08377edadc"
          },
          "log_configuration": {
            "driver": "k8s-file",
            "size": 1048576
          },
          "manage_password": false,
          "mounts": [
            {
              "destination": "/tmp",
              "options": [
                "rw",
                "nosuid",
                "nodev",
                "mode=1777",
                "size=268435456"
              ],
              "source": "tmpfs",
              "type": "tmpfs"
            },
            {
              "destination": "/.archestra/bridge",
              "options": [
                "bind",
                "nodev",
                "nosuid",
                "rprivate",
                "ro"
              ],
              "source": "/data/bridge/00",
              "type": "bind"
            },
            {
              "destination": "/run/archestra",
              "options": [
                "bind",
                "nodev",
                "nosuid",
                "rprivate",
                "ro",
                "noexec"
              ],
              "source": "/run/a/archestra-1",
              "type": "bind"
            },
            {
              "destination": "/data",
              "options": [
                "bind",
                "nodev",
                "nosuid",
                "rprivate",
                "rw"
              ],
              "source": "/home/ann/notes",
              "type": "bind"
            }
          ],
          "name": "archestra-000000000000-server-18db1b99ccc1",
          "netns": {
            "nsmode": "none"
          },
          "no_new_privileges": true,
          "oom_score_adj": 500,
          "pidns": {
            "nsmode": "private"
          },
          "privileged": false,
          "r_limits": [
            {
              "hard": 4096,
              "soft": 4096,
              "type": "NOFILE"
            },
            {
              "hard": 96365,
              "soft": 96365,
              "type": "NPROC"
            },
            {
              "hard": 0,
              "soft": 0,
              "type": "CORE"
            }
          ],
          "read_only_filesystem": true,
          "read_write_tmpfs": false,
          "resource_limits": {
            "cpu": {
              "period": 100000,
              "quota": 100000
            },
            "memory": {
              "limit": 1073741824,
              "swap": 1073741824
            },
            "pids": {
              "limit": 256
            }
          },
          "restart_policy": "no",
          "sdnotifyMode": "ignore",
          "shm_size": 16777216,
          "stdin": false,
          "stop_timeout": 5,
          "systemd": "false",
          "terminal": false,
          "umask": "0022",
          "unsetenvall": true,
          "use_image_hosts": true,
          "use_image_resolve_conf": true,
          "user": "1000:1000",
          "utsns": {
            "nsmode": "private"
          },
          "volumes": [
            {
              "Dest": "/install",
              "Name": "archestra-000000000000-install-1",
              "Options": [
                "ro",
                "nodev",
                "nosuid"
              ]
            }
          ],
          "work_dir": "/"
        }"#]]
    .assert_eq(&text);
}

#[test]
fn rootless_maps_the_user_inside_to_the_one_who_runs_podman() {
    let body = container_spec(&key("1"), &desired(), &context(true));
    expect![[r#"{"nsmode":"keep-id","value":"uid=1000,gid=1000"}"#]]
        .assert_eq(&body["userns"].to_string());
    assert!(
        container_spec(&key("1"), &desired(), &context(false))
            .get("userns")
            .is_none()
    );
}

#[test]
fn limits_that_the_host_cannot_hold_are_not_asked_for() {
    let mut context = context(true);
    context.enforced = EnforcedLimits {
        memory: false,
        cpu: false,
        pids: true,
    };
    let body = container_spec(&key("1"), &desired(), &context);
    expect![[r#"{"pids":{"limit":256}}"#]].assert_eq(&body["resource_limits"].to_string());
}

#[test]
fn no_two_sandboxes_have_one_name() {
    let of = |instance: &str, key: &SandboxKey| container_name(id(instance).parse().unwrap(), key);
    let principal = SandboxKey::Server {
        server: id("1").parse().unwrap(),
        isolation: IsolationKey::Principal("ann".parse().unwrap()),
    };
    let names = [
        of("1", &key("1")),
        of("1", &key("2")),
        of("2", &key("1")),
        of("1", &principal),
        of(
            "1",
            &SandboxKey::Fetch {
                install: id("1").parse().unwrap(),
            },
        ),
    ];
    let unique: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    expect!["archestra-000000000000-server-"].assert_eq(&names[0][..30]);
    assert_eq!(names[0], of("1", &key("1")));
}

fn id(number: &str) -> String {
    format!("{number:0>32}")
}

fn key(number: &str) -> SandboxKey {
    SandboxKey::Server {
        server: id(number).parse().unwrap(),
        isolation: IsolationKey::Shared,
    }
}

fn desired() -> DesiredSandbox {
    DesiredSandbox {
        generation: 7,
        spec: SandboxSpec {
            image: "localhost/base:1".to_owned(),
            bridge_hash: "00".to_owned(),
            mounts: vec![
                SandboxMount {
                    source: MountSource::Volume("install-1".to_owned()),
                    inside: "/install".to_owned(),
                    access: FolderAccess::ReadOnly,
                },
                SandboxMount {
                    source: MountSource::Host("/home/ann/notes".into()),
                    inside: "/data".to_owned(),
                    access: FolderAccess::ReadWrite,
                },
            ],
            limits: Limits::default(),
        },
    }
}

fn context(rootless: bool) -> Context<'static> {
    Context {
        instance: id("9").parse().unwrap(),
        rootless,
        enforced: EnforcedLimits {
            memory: true,
            cpu: true,
            pids: true,
        },
        bridge: Path::new("/data/bridge/00"),
        line_dir: Path::new("/run/a/archestra-1"),
        hard_limits: HardLimits {
            files_max: 20_000,
            processes_max: 96_365,
        },
    }
}
