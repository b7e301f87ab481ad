"""What the storage roles write: exports, unit, objects of the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
PROVISIONER = {
    "nfs_provisioner_namespace": "hub-storage",
    "nfs_provisioner_server": "10.0.0.5",
    "nfs_provisioner_export": "/srv/hub",
    "nfs_provisioner_name": "hub.airavata.org/nfs",
    "nfs_provisioner_storage_class": "hub-home",
    "nfs_provisioner_storage_class_default": False,
    "nfs_provisioner_mount_options": ["nfsvers=4.2", "nosuid"],
    "nfs_provisioner_minimum_uid": 1000,
    "nfs_provisioner_minimum_gid": 100,
    "nfs_provisioner_inodes_per_gib": 65536,
    "nfs_provisioner_metrics_address": "10.0.0.5",
    "nfs_provisioner_metrics_port": 9810,
    "__nfs_provisioner_account": "/etc/account",
    "__nfs_provisioner_parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true"},
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


def test_class() -> None:
    klass = objects()[("StorageClass", "hub-home")]
    assert klass["provisioner"] == "hub.airavata.org/nfs"
    assert klass["parameters"] == {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true"}
    assert klass["mountOptions"] == ["nfsvers=4.2", "nosuid"]
    assert klass["allowVolumeExpansion"] is True
    assert klass["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "false"}
    default = objects(nfs_provisioner_storage_class_default=True)[("StorageClass", "hub-home")]
    assert default["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}


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
    rights = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_SYS_ADMIN"
    for line in (
        "ReadWritePaths=/srv/hub",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "DynamicUser=yes",
        f"CapabilityBoundingSet={rights}",
        f"AmbientCapabilities={rights}",
        "LoadCredential=kubeconfig:/etc/account",
        "RequiresMountsFor=/srv/hub",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("ReadWritePaths")] == ["ReadWritePaths=/srv/hub"]
