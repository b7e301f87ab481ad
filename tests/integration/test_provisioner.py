"""The provisioner against a real API server, with the rights that the role gives it. Limits are off here: they need XFS (molecule/nfs_provisioner)."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import pytest
import yaml
from hub_provisioner.api import Api, ApiError

from .api_server import PROGRAMS, ApiServer, free_port, wait_for

TOP = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.skipif(not (PROGRAMS / "etcd").exists() or os.geteuid() != 0, reason=f"needs root and the bundle's programs in {PROGRAMS}"),
]
# To try the releases that distributions carry: an interpreter that has kubernetes 12.0.1, say.
PYTHON = os.environ.get("HUB_PROVISIONER_PYTHON", sys.executable)
NAME, SERVER, EXPORT, NAMESPACE = "hub.airavata.org/nfs", "10.0.0.5", "/srv/hub", "hub-storage"
CLAIMS = "/api/v1/namespaces/users/persistentvolumeclaims"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nfs-provisioner"


def role_objects() -> list[dict[str, Any]]:
    """What the role applies, from its own template."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 (YAML, not HTML)
    environment.filters["to_json"] = json.dumps
    text = (TOP / "roles/nfs_provisioner/templates/cluster.yml.j2").read_text()
    values = {
        "nfs_provisioner_namespace": NAMESPACE,
        "nfs_provisioner_server": SERVER,
        "nfs_provisioner_export": EXPORT,
        "nfs_provisioner_name": NAME,
        "__nfs_provisioner_classes": [
            {
                "name": "hub-home",
                "annotations": {},
                "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true"},
                "mount_options": ["nfsvers=4.2", "nosuid"],
                "expansion": True,
            }
        ],
    }
    return list(yaml.safe_load_all(environment.from_string(text).render(values)))


class Cluster:
    """The API server as its administrator sees it."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.api = Api(str(server.kubeconfig))

    def prepare(self) -> None:
        with (self.server.folder / "role.yml").open("w") as stream:
            yaml.safe_dump_all(role_objects(), stream)
        subprocess.run([PROGRAMS / "kubectl", "--kubeconfig", self.server.kubeconfig, "apply", "-f", self.server.folder / "role.yml"], check=True)
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "users"}})
        secret = {
            "metadata": {"name": "nfs-provisioner", "annotations": {"kubernetes.io/service-account.name": "nfs-provisioner"}},
            "type": "kubernetes.io/service-account-token",
        }
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        self.api.request("POST", path, secret)
        token = wait_for("the account's token", lambda: (self.api.request("GET", f"{path}/nfs-provisioner").get("data") or {}).get("token"))
        self.account = self.server.folder / "account.kubeconfig"
        self.account.write_text(self.server.config_for(base64.b64decode(token).decode()))

    def add_class(self, name: str, **parameters: str) -> None:
        klass = {
            "metadata": {"name": name},
            "provisioner": NAME,
            "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", **parameters},
            "mountOptions": ["nfsvers=4.2"],
            "allowVolumeExpansion": True,
        }
        self.api.request("POST", "/apis/storage.k8s.io/v1/storageclasses", klass)

    def claim(self, name: str, klass: str = "hub-home", size: str = "1Gi", **annotations: str) -> None:
        annotations = {"hub.airavata.org/uid": "20001", "hub.airavata.org/gid": "100", **{key.replace("__", "/"): value for key, value in annotations.items()}}
        body = {
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"storageClassName": klass, "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": size}}},
        }
        self.api.request("POST", CLAIMS, body)

    def get(self, name: str) -> dict[str, Any]:
        return self.api.request("GET", f"{CLAIMS}/{name}")

    def bound(self, name: str, seconds: float = 90) -> dict[str, Any]:
        wait_for(f"claim {name} bound", lambda: self.get(name)["status"].get("phase") == "Bound", seconds)
        return self.get(name)

    def volume_of(self, name: str) -> dict[str, Any]:
        return self.api.request("GET", f"/api/v1/persistentvolumes/{self.get(name)['spec']['volumeName']}")

    def volumes(self) -> list[dict[str, Any]]:
        return list(self.api.request("GET", "/api/v1/persistentvolumes")["items"])

    def delete(self, name: str) -> str:
        """Delete a claim; returns its volume's name."""
        volume = self.get(name)["spec"].get("volumeName", "")
        self.api.request("DELETE", f"{CLAIMS}/{name}")
        return str(volume)

    def gone(self, volume: str, seconds: float = 90) -> None:
        wait_for(f"volume {volume} gone", lambda: all(item["metadata"]["name"] != volume for item in self.volumes()), seconds)

    def events(self, name: str, namespace: str = "users") -> list[tuple[str, str, str]]:
        query = urlencode({"fieldSelector": f"involvedObject.name={name}"})
        found = self.api.request("GET", f"/api/v1/namespaces/{namespace}/events?{query}")["items"]
        return [(item["type"], item["reason"], item["message"]) for item in found]

    def event(self, name: str, reason: str, namespace: str = "users") -> tuple[str, str]:
        """Wait for an event; returns its type and message."""

        def find() -> tuple[str, str] | None:
            return next(((kind, text) for kind, why, text in self.events(name, namespace) if why == reason), None)

        kind, text = wait_for(f"event {reason} for {name}", find)
        return kind, text

    def change(self, name: str, **changes: Any) -> None:
        """Change size or annotations of a claim, again when somebody else wrote in between."""
        while True:
            claim = self.get(name)
            if "size" in changes:
                claim["spec"]["resources"]["requests"]["storage"] = changes["size"]
            claim["metadata"]["annotations"].update(changes.get("annotations", {}))
            try:
                self.api.request("PUT", f"{CLAIMS}/{name}", claim)
                return
            except ApiError as error:
                if error.status != 409:
                    raise


class Instance:
    """One running provisioner."""

    def __init__(self, cluster: Cluster, base: Path, identity: str) -> None:
        self.base, self._cluster, self._identity = base, cluster, identity
        self.port = free_port()
        base.mkdir(exist_ok=True)
        base.chmod(0o711)
        self.log = base.parent / f"{identity}.log"
        self.start()

    def start(self) -> None:
        argv = [
            PYTHON, "-m", "hub_provisioner", f"--kubeconfig={self._cluster.account}", f"--server={SERVER}", f"--export={EXPORT}",
            f"--base={self.base}", "--quota=none", "--base-is-a-folder", f"--lease-namespace={NAMESPACE}", "--lease-seconds=9",
            f"--identity={self._identity}", f"--metrics-port={self.port}",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(TOP / "services/provisioner")}, stdout=log, stderr=log)

    def metric(self, name: str) -> float | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                match = re.search(rf"(?m)^{re.escape(name)} (\S+)$", answer.read().decode())
        except OSError:
            return None
        return float(match[1]) if match else None

    def leads(self) -> bool:
        return self.metric("hub_provisioner_leader") == 1

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    server = ApiServer(tmp_path_factory.mktemp("cluster"))
    try:
        server.start()
        found = Cluster(server)
        found.prepare()
        yield found
    finally:
        server.stop()


@pytest.fixture
def instance(cluster: Cluster, tmp_path: Path) -> Iterator[Instance]:
    running = Instance(cluster, tmp_path / "export", "one")
    try:
        wait_for("the instance leads", running.leads)
        yield running
        assert "Traceback" not in running.log.read_text()
    finally:
        running.stop()
        for claim in cluster.api.request("GET", CLAIMS)["items"]:
            cluster.api.request("DELETE", f"{CLAIMS}/{claim['metadata']['name']}")
        wait_for("no claims", lambda: not cluster.api.request("GET", CLAIMS)["items"])
        for volume in cluster.volumes():
            cluster.api.request("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
        wait_for("no volumes", lambda: not cluster.volumes())


def test_claim_gets_its_directory(cluster: Cluster, instance: Instance) -> None:
    cluster.claim("home-alice", size="2Gi")
    cluster.bound("home-alice")
    spec = cluster.volume_of("home-alice")["spec"]
    assert spec["nfs"] == {"server": SERVER, "path": "/srv/hub/users/home-alice"}
    assert spec["mountOptions"] == ["nfsvers=4.2", "nosuid"]
    assert (spec["capacity"]["storage"], spec["persistentVolumeReclaimPolicy"], spec["storageClassName"]) == ("2Gi", "Delete", "hub-home")
    status = (instance.base / "users/home-alice").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (20001, 100, 0o700)
    kind, text = cluster.event("home-alice", "ProvisioningSucceeded")
    assert kind == "Normal"
    assert "20001:100" in text
    assert instance.metric('hub_provisioner_operations_total{operation="provision",outcome="done"}') == 1


def test_deleted_claim_is_archived(cluster: Cluster, instance: Instance) -> None:
    cluster.claim("home-bob")
    uid = cluster.bound("home-bob")["metadata"]["uid"]
    (instance.base / "users/home-bob/thesis").write_text("kept")
    volume = cluster.delete("home-bob")
    cluster.gone(volume)
    (archive,) = instance.base.glob("archived-*")
    assert re.fullmatch(rf"archived-users-home-bob-{uid}-\d{{8}}T\d{{6}}Z", archive.name)
    assert (archive / "thesis").read_text() == "kept"
    assert archive.stat().st_uid == 20001
    assert not (instance.base / "users/home-bob").exists()
    assert archive.name in cluster.event(volume, "VolumeArchived", "default")[1]
    cluster.claim("home-bob")  # the same name again is a new volume
    cluster.bound("home-bob")
    assert list((instance.base / "users/home-bob").iterdir()) == []


def test_on_delete_delete_says_so(cluster: Cluster, instance: Instance) -> None:
    cluster.add_class("scratch", onDelete="delete")
    cluster.claim("scratch-1", "scratch")
    cluster.bound("scratch-1")
    (instance.base / "users/scratch-1/file").write_text("x")
    volume = cluster.delete("scratch-1")
    cluster.gone(volume)
    assert cluster.event(volume, "VolumeDeleted", "default")[0] == "Warning"
    wait_for("trash emptied", lambda: list((instance.base / ".hub/trash").iterdir()) == [])
    assert not list(instance.base.glob("archived-*"))
    assert not (instance.base / "users/scratch-1").exists()


def test_archive_on_delete_false_alone_deletes_nothing(cluster: Cluster, instance: Instance) -> None:
    cluster.add_class("careless", archiveOnDelete="false")
    cluster.claim("careless-1", "careless")
    cluster.bound("careless-1")
    volume = cluster.delete("careless-1")
    cluster.gone(volume)
    assert len(list(instance.base.glob("archived-users-careless-1-*"))) == 1
    assert "never deletes" in cluster.event(volume, "VolumeArchived", "default")[1]


def test_retained_directory_comes_back_to_its_owner_only(cluster: Cluster, instance: Instance) -> None:
    cluster.add_class("kept", onDelete="retain")
    cluster.claim("kept-1", "kept")
    cluster.bound("kept-1")
    (instance.base / "users/kept-1/file").write_text("kept")
    cluster.gone(cluster.delete("kept-1"))
    cluster.claim("kept-1", "kept", **{"hub.airavata.org__uid": "20002"})
    assert "belongs to user 20001" in cluster.event("kept-1", "PathRefused")[1]
    assert (instance.base / "users/kept-1").stat().st_uid == 20001
    cluster.change("kept-1", annotations={"hub.airavata.org/uid": "20001"})
    cluster.bound("kept-1")
    assert (instance.base / "users/kept-1/file").read_text() == "kept"


@pytest.mark.parametrize("value", ["../../../etc", "/etc", "a/b", ".hub", "${.PVC.name}", "-rf"])
def test_hostile_annotation(cluster: Cluster, instance: Instance, value: str) -> None:
    name = "hostile-" + value.encode().hex()
    cluster.add_class(name, pathPattern="team/${.PVC.annotations.example.org/folder}")
    cluster.claim(name, name, **{"example.org__folder": value})
    kind, text = cluster.event(name, "PathPatternFailed")
    assert kind == "Warning"
    assert value[:10] in text
    assert cluster.get(name)["status"]["phase"] == "Pending"
    assert {path.name for path in instance.base.iterdir()} <= {".hub"}
    cluster.change(name, annotations={"example.org/folder": "red"})  # mended: no restart, no long wait
    cluster.bound(name, 30)
    assert (instance.base / "team/red").is_dir()


@pytest.mark.parametrize(("annotation", "value"), [("uid", "0"), ("uid", "500"), ("gid", "0"), ("uid", "65534")])
def test_owner_refused(cluster: Cluster, instance: Instance, annotation: str, value: str) -> None:
    cluster.claim(f"owner-{annotation}-{value}", **{f"hub.airavata.org__{annotation}": value})
    cluster.event(f"owner-{annotation}-{value}", "OwnerRefused")
    assert not (instance.base / "users").exists()


def test_growth(cluster: Cluster, instance: Instance) -> None:
    cluster.claim("grows")
    cluster.bound("grows")
    cluster.change("grows", size="3Gi")
    wait_for("the claim shows its new size", lambda: cluster.get("grows")["status"]["capacity"]["storage"] == "3Gi")
    assert cluster.volume_of("grows")["spec"]["capacity"]["storage"] == "3Gi"
    assert "3Gi" in cluster.event("grows", "VolumeResizeSuccessful")[1]
    assert "3221225472" in instance.log.read_text()


def test_growth_right_after_binding_and_through_kills(cluster: Cluster, instance: Instance) -> None:
    names = [f"quick-{number}" for number in range(6)]
    for name in names:
        cluster.claim(name)
    for name in names:
        cluster.bound(name)
        cluster.change(name, size="5Gi")
    for _round in range(3):
        instance.kill()
        instance.start()
        time.sleep(1.5)
    for name in names:
        wait_for(f"{name} grown", lambda name=name: cluster.get(name)["status"]["capacity"]["storage"] == "5Gi", 90)
        assert cluster.volume_of(name)["spec"]["capacity"]["storage"] == "5Gi"


def test_two_claims_never_share_a_directory(cluster: Cluster, instance: Instance) -> None:
    cluster.add_class("fixed", pathPattern="shared")
    cluster.claim("first", "fixed")
    cluster.bound("first")
    cluster.claim("second", "fixed")
    assert "overlaps" in cluster.event("second", "PathInUse")[1]
    cluster.delete("first")
    cluster.bound("second", 30)  # as soon as the first is archived
    assert len(list(instance.base.glob("archived-shared-*"))) == 1


def test_two_instances_one_acts(cluster: Cluster, instance: Instance, tmp_path: Path) -> None:
    """On two machines: another takes over when the lease runs out. On one machine: at once, by the kernel's lock."""
    other = Instance(cluster, tmp_path / "other-export", "two")
    twin = Instance(cluster, instance.base, "one-again")
    try:
        cluster.claim("during")
        cluster.bound("during")
        assert (instance.base / "users/during").is_dir()
        assert not other.leads()
        assert not twin.leads()
        twin.stop()
        instance.kill()
        killed_at = time.monotonic()
        wait_for("the other machine's instance leads", other.leads, 60)
        assert time.monotonic() - killed_at > 4  # not before the lease can have run out
        cluster.claim("after")
        cluster.bound("after")
        assert (other.base / "users/after").is_dir()
        instance.start()
        time.sleep(3)
        assert not instance.leads()
        other.stop()  # gives the lease back
        wait_for("the first instance leads again", instance.leads, 30)
        assert cluster.api.request("GET", LEASE)["spec"]["holderIdentity"] == "one"
    finally:
        other.stop()
        twin.stop()


def test_killed_in_the_middle_again_and_again(cluster: Cluster, instance: Instance) -> None:
    chance, count = random.Random(20261123), 25  # noqa: S311 (no secret)

    def harass(rounds: int) -> None:
        for _round in range(rounds):
            time.sleep(chance.uniform(0.6, 2.0))
            instance.kill()
            instance.start()

    names = [f"many-{number:02}" for number in range(count)]
    for number, name in enumerate(names):
        cluster.claim(name, **{"hub.airavata.org__uid": str(20100 + number)})
    harass(6)
    volumes = {}
    for number, name in enumerate(names):
        claim = cluster.bound(name, 120)
        volumes[name] = claim["spec"]["volumeName"]
        directory = instance.base / "users" / name
        assert (directory.stat().st_uid, stat.S_IMODE(directory.stat().st_mode)) == (20100 + number, 0o700)
        (directory / "file").write_text(name)
    assert len(cluster.volumes()) == count
    assert list((instance.base / ".hub/new").iterdir()) == []
    for name in names:
        cluster.delete(name)
    harass(6)
    for volume in volumes.values():
        cluster.gone(volume, 120)
    archives = sorted(instance.base.glob("archived-*"))
    assert [(archive / "file").read_text() for archive in archives] == names
    assert list((instance.base / "users").iterdir()) == []


def test_api_server_away_and_back(cluster: Cluster, instance: Instance) -> None:
    cluster.server.stop_api()
    time.sleep(10)  # longer than the lease
    assert not instance.leads()
    assert instance.process.poll() is None
    cluster.server.start_api()
    cluster.claim("later")
    cluster.bound("later", 120)
    assert (instance.base / "users/later").is_dir()


def test_rights_of_the_account(cluster: Cluster, instance: Instance) -> None:
    """The account can do its work and nothing else, whoever has its token."""
    account = Api(str(cluster.account))

    def volume(name: str, source: dict[str, Any], by: str = NAME) -> dict[str, Any]:
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **source}
        return {"metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": by}}, "spec": spec}

    def nfs(path: str, server: str = SERVER) -> dict[str, Any]:
        return {"nfs": {"server": server, "path": path}}

    cluster.api.create_volume(volume("of-others", {"hostPath": {"path": "/data"}}, by="other"))
    attempts = [
        ("POST", "/api/v1/persistentvolumes", volume("host", {"hostPath": {"path": "/"}})),
        ("POST", "/api/v1/persistentvolumes", volume("far", nfs("/srv/hub/x", "10.0.0.6"))),
        ("POST", "/api/v1/persistentvolumes", volume("up", nfs("/srv/hub/../etc"))),
        ("POST", "/api/v1/persistentvolumes", volume("unsigned", nfs("/srv/hub/x"), by="other")),
        ("DELETE", "/api/v1/persistentvolumes/of-others", None),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/nfs-provisioner", None),
        ("GET", "/api/v1/pods", None),
        ("DELETE", f"{CLAIMS}/any", None),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/nfs-provisioner", None),
        ("DELETE", LEASE, None),
    ]
    for method, path, body in attempts:
        with pytest.raises(ApiError) as caught:
            account.request(method, path, body)
        assert caught.value.status in (403, 422), (method, path, str(caught.value))
    account.create_volume(volume("fine", nfs("/srv/hub/x")))
