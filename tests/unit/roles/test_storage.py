"""What the storage roles write: exports, unit, objects of the cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

TOP = Path(__file__).resolve().parents[3]
ROLES = TOP / "roles"
SITE = {"hub_kubeconfig": "/kubeconfig", "hub_storage_address": "10.0.0.5", "hub_storage_export": "/srv/hub", "hub_storage_class": "hub-home"}
PROVISIONER = {
    "nfs_provisioner_namespace": "hub-storage",
    "nfs_provisioner_server": "10.0.0.5",
    "nfs_provisioner_export": "/srv/hub",
    "nfs_provisioner_name": "hub.airavata.org/nfs",
    "nfs_provisioner_minimum_uid": 1000,
    "nfs_provisioner_minimum_gid": 100,
    "nfs_provisioner_inodes_per_gib": 65536,
    "nfs_provisioner_warn_percent": 90,
    "nfs_provisioner_delete_archives_after_days": 0,
    "nfs_provisioner_delete_archives_confirm": "",
    "nfs_provisioner_metrics_address": "10.0.0.5",
    "nfs_provisioner_metrics_port": 9810,
    "__nfs_provisioner_account": "/etc/account",
    "__nfs_provisioner_user": "hub-provisioner",
    "__nfs_provisioner_classes": [],
}


def render(path: str, **values: Any) -> str:
    """Render a template as Ansible does."""
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["to_json"] = json.dumps
    return environment.from_string((ROLES / path).read_text()).render(values)


def objects(**values: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects of the cluster by kind and name."""
    text = render("nfs_provisioner/templates/cluster.yml.j2", **{**PROVISIONER, **values})
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text)}


def variables(tmp_path: Path, *names: str, **values: Any) -> dict[str, Any]:
    """Variables of the role nfs_provisioner, as Ansible computes them."""
    (tmp_path / "values.json").write_text(json.dumps({**SITE, **values}))
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            *({"ansible.builtin.include_vars": {"file": str(ROLES / "nfs_provisioner" / folder / "main.yml")}} for folder in ("defaults", "vars")),
            {"ansible.builtin.include_vars": {"file": str(tmp_path / "values.json")}},
            {
                "ansible.builtin.copy": {
                    "content": "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}",
                    "dest": str(tmp_path / "out"),
                    "mode": "0600",
                }
            },
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", tmp_path / "play.yml"]
    done = subprocess.run([*command, "-e", f"role_path={ROLES / 'nfs_provisioner'}"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads((tmp_path / "out").read_text()))


@pytest.mark.parametrize("clients", [["10.0.0.1"], ["10.0.0.1", "10.0.0.2", "fd00::/64"]])
def test_exports_name_every_client_and_nobody_else(clients: list[str]) -> None:
    text = render("nfs_server/templates/hub.exports.j2", nfs_server_export="/srv/hub", nfs_server_clients=clients)
    (line,) = [line for line in text.splitlines() if not line.startswith("#")]
    path, *granted = line.split()
    assert path == "/srv/hub"
    assert [grant.split("(")[0] for grant in granted] == clients
    for grant in granted:
        options = grant.split("(")[1].rstrip(")").split(",")
        assert {"rw", "sync", "root_squash", "secure", "sec=sys", "mountpoint"} <= set(options)
        assert not {"no_root_squash", "insecure", "async"} & set(options)
    assert text.endswith(")\n")


def test_server_speaks_nfs_4_2_alone() -> None:
    text = render("nfs_server/templates/nfs.conf.j2", nfs_server_threads=16, nfs_server_grace_seconds=10, nfs_server_lease_seconds=10)
    on = [line for line in text.splitlines() if line.startswith("vers") and line.endswith("=y")]
    assert on == ["vers4=y", "vers4.2=y"]
    assert "\n[mountd]\nmanage-gids=n\n" in text  # or no group of a shared folder counts


FOLDERS = [
    {"name": "course", "gid": 5000, "size_gib": 50, "read_only": True, "files_per_gib": 1000},
    {"name": "team-a", "gid": 5001, "size_gib": 10, "files_per_gib": None},
]


def test_classes(tmp_path: Path) -> None:
    found = variables(tmp_path, "__nfs_provisioner_classes", nfs_provisioner_shared_folders=FOLDERS)["__nfs_provisioner_classes"]
    made = objects(__nfs_provisioner_classes=found)
    home = made[("StorageClass", "hub-home")]
    assert home["provisioner"] == "hub.airavata.org/nfs"
    assert home["parameters"] == {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true"}
    assert home["mountOptions"] == ["nfsvers=4.2", "hard", "noatime", "nodev", "nosuid"]
    assert home["allowVolumeExpansion"] is True
    assert home["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "false"}
    course = {"shared": "true", "pathPattern": "shared/course", "gid": "5000", "sizeGib": "50", "mode": "2775", "filesPerGib": "1000"}
    team = {"shared": "true", "pathPattern": "shared/team-a", "gid": "5001", "sizeGib": "10", "mode": "2770"}
    shared = {name: item for (kind, name), item in made.items() if kind == "StorageClass" and name != "hub-home"}
    assert {name: item["parameters"] for name, item in shared.items()} == {
        "shared-course": course,
        "shared-course-write": course,
        "shared-team-a": team,
    }
    assert [name for name, item in shared.items() if "ro" in item["mountOptions"]] == ["shared-course"]
    assert not any(item["allowVolumeExpansion"] for item in shared.values())


def test_classes_that_say_something_else_are_made_anew(tmp_path: Path) -> None:
    def there(name: str, **changes: Any) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "labels": {"hub.airavata.org/shared-folder": "x"} if name.startswith("shared-") else None},
            "provisioner": "hub.airavata.org/nfs",
            "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true"},
            "mountOptions": ["nfsvers=4.2", "hard", "noatime", "nodev", "nosuid"],
            **changes,
        }

    team = {"shared": "true", "pathPattern": "shared/team-a", "gid": "5001", "sizeGib": "10", "mode": "2770"}
    as_due = [there("hub-home"), there("shared-team-a", parameters=team), there("by-hand"), there("shared-x", provisioner="other")]
    others = [
        there("hub-home", mountOptions=["nfsvers=4.1"]),
        there("shared-team-a", parameters={**team, "sizeGib": "5"}),
        there("shared-gone", parameters=team),
    ]
    for found, stale in ((as_due, []), (others, ["hub-home", "shared-team-a", "shared-gone"])):
        seen = {"__nfs_provisioner_found_classes": {"resources": found}, "nfs_provisioner_shared_folders": FOLDERS}
        assert variables(tmp_path, "__nfs_provisioner_stale_classes", **seen) == {"__nfs_provisioner_stale_classes": stale}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ""),
        ({"nfs_provisioner_delete_archives_after_days": 30}, "Nothing was changed"),
        ({"nfs_provisioner_delete_archives_after_days": 30, "nfs_provisioner_delete_archives_confirm": "yes"}, "deleted for ever"),
        ({"nfs_provisioner_delete_archives_after_days": "30", "nfs_provisioner_delete_archives_confirm": "/srv/hub"}, ""),
        ({"nfs_provisioner_shared_folders": [{"name": "a/b", "gid": 5000, "size_gib": 1}]}, "a name of its own"),
        ({"nfs_provisioner_shared_folders": [{"name": "a", "gid": 5000, "size_gib": 1}] * 2}, "a name of its own"),
        ({"nfs_provisioner_shared_folders": [{"name": "a", "gid": 0, "size_gib": 1}]}, "gid of at least"),
    ],
)
def test_values_are_checked_first(tmp_path: Path, values: dict[str, Any], said: str) -> None:
    (tmp_path / "values.json").write_text(json.dumps({**SITE, **values}))
    include = [{"ansible.builtin.include_vars": {"file": str(ROLES / "nfs_provisioner" / folder / "main.yml")}} for folder in ("defaults", "vars")]
    tasks = [*include, {"ansible.builtin.include_vars": {"file": str(tmp_path / "values.json")}}]
    tasks.append({"ansible.builtin.include_tasks": str(ROLES / "nfs_provisioner/tasks/validate.yml")})
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", tmp_path / "play.yml"]
    done = subprocess.run([*command, "-e", f"role_path={ROLES / 'nfs_provisioner'}"], cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (said == ""), done.stdout
    assert said in " ".join(done.stdout.split())


def test_account_writes_volumes_and_claims_status_only() -> None:
    rules = objects()[("ClusterRole", "hub-nfs-provisioner")]["rules"]
    writes = {resource: set(rule["verbs"]) - {"get", "list", "watch"} for rule in rules for resource in rule["resources"]}
    assert {resource: verbs for resource, verbs in writes.items() if verbs} == {
        "persistentvolumes": {"create", "update", "delete"},
        "persistentvolumeclaims/status": {"update"},
        "events": {"create"},
    }
    assert "secrets" not in writes
    assert "*" not in json.dumps(rules)
    (policy,) = [item for (kind, _name), item in objects().items() if kind == "ValidatingAdmissionPolicy"]
    assert policy["spec"]["failurePolicy"] == "Fail"


def test_unit_has_few_rights_and_writes_to_the_export_alone() -> None:
    text = render("nfs_provisioner/templates/hub-nfs-provisioner.service.j2", **PROVISIONER)
    lines = text.splitlines()
    rights = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_SYS_ADMIN"
    for line in (
        "ReadWritePaths=/srv/hub",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "User=hub-provisioner",
        f"CapabilityBoundingSet={rights}",
        f"AmbientCapabilities={rights}",
        "LoadCredential=kubeconfig:/etc/account",
        "RequiresMountsFor=/srv/hub",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("ReadWritePaths")] == ["ReadWritePaths=/srv/hub"]


@pytest.mark.parametrize(("days", "confirm"), [(0, ""), (0, "/srv/hub"), ("0", ""), (30, "/srv/hub"), ("30", "/srv/hub")])
def test_unit_deletes_archives_only_when_it_is_told(days: int | str, confirm: str) -> None:
    values = {"nfs_provisioner_delete_archives_after_days": days, "nfs_provisioner_delete_archives_confirm": confirm}
    text = render("nfs_provisioner/templates/hub-nfs-provisioner.service.j2", **{**PROVISIONER, **values})
    assert ("--delete-archives-after-days=30 \\\n  --delete-archives-confirm=/srv/hub \\\n" in text) is bool(int(days))
    assert ("--delete-archives" in text) is bool(int(days))
