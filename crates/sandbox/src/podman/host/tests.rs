use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check_facts(rootless: bool, cgroups: &str, controllers: &[&str], expected: Expect) {
    let info = serde_json::from_value(serde_json::json!({
        "host": {
            "cgroupVersion": cgroups,
            "cgroupControllers": controllers,
            "idMappings": {"uidmap": if rootless { serde_json::json!([{"container_id": 0, "host_id": 1, "size": 65536}]) } else { serde_json::Value::Null }},
            "ociRuntime": {"name": "runc", "path": "/usr/bin/runc"},
            "security": {"rootless": rootless, "seccompEnabled": true, "selinuxEnabled": false},
        },
        "version": {"APIVersion": "4.3.1", "Version": "4.3.1"},
    }))
    .unwrap();
    let facts = facts(&info);
    let actual = format!("{:?}\n{}", facts.limits, facts.warnings.join("\n"));
    expected.assert_eq(&actual);
}

#[test]
fn limits_are_enforced_where_the_controllers_are_ours() {
    check_facts(
        false,
        "v1",
        &["cpu", "memory", "pids"],
        expect![[r#"
        EnforcedLimits { memory: true, cpu: true, pids: true }
    "#]],
    );
    check_facts(
        true,
        "v1",
        &["cpu", "memory", "pids"],
        expect![[r#"
        EnforcedLimits { memory: false, cpu: false, pids: false }
        memory, CPU, process limits of servers are not enforced: Podman runs without root and the system has cgroups v1; boot with `systemd.unified_cgroup_hierarchy=1`, or use Podman as root"#]],
    );
    check_facts(
        true,
        "v2",
        &["memory", "pids"],
        expect![[r#"
        EnforcedLimits { memory: true, cpu: false, pids: true }
        CPU limits of servers are not enforced: the controllers are not delegated to you; see `Delegate=` in `systemctl edit user@.service`"#]],
    );
}

#[test]
fn our_own_service_gets_settings_only_where_the_machine_needs_them() {
    let desktop = Machine {
        unified_cgroups: true,
        has_systemd: true,
        has_runc: true,
        has_crun: true,
        files_max: 1_048_576,
        processes_max: u64::MAX,
    };
    assert_eq!(containers_conf(desktop), None);
    let machine = Machine {
        unified_cgroups: false,
        has_systemd: false,
        files_max: 20_000,
        processes_max: 16_384,
        ..desktop
    };
    expect![[r##"
        # Written at each start; changes are lost.
        [containers]
        default_ulimits = ["nofile=20000:20000", "nproc=16384:16384"]
        [engine]
        runtime = "runc"
        cgroup_manager = "cgroupfs"
        events_logger = "file"
    "##]]
    .assert_eq(&containers_conf(machine).unwrap());
}

#[test]
fn podmans_words_get_a_hint_where_we_know_one() {
    for known in [
        "crun: cgroups in hybrid mode not supported, drop all controllers from cgroupv2",
        "runc: error setting rlimit type 7: operation not permitted",
        "write /var/tmp/x: no space left on device",
    ] {
        assert!(hint_for(known).is_some(), "{known}");
    }
    assert_eq!(hint_for("something else"), None);
}
