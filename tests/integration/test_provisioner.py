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

    def add_class(self, name: str, mount_options: tuple[str, ...] = (), **parameters: str) -> None:
        klass = {
            "metadata": {"name": name},
            "provisioner": NAME,
            "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", **parameters},
            "mountOptions": ["nfsvers=4.2", *mount_options],
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

    def __init__(self, cluster: Cluster, base: Path, identity: str, *options: str) -> None:
        self.base, self._cluster, self._identity, self._options = base, cluster, identity, options
        self.port = free_port()
        base.mkdir(exist_ok=True)
        base.chmod(0o711)
        self.log = base.parent / f"{identity}.log"
        self.start()

    def start(self) -> None:
        argv = [
            PYTHON, "-m", "hub_provisioner", f"--kubeconfig={self._cluster.account}", f"--server={SERVER}", f"--export={EXPORT}",
            f"--base={self.base}", "--quota=none", "--base-is-a-folder", f"--lease-namespace={NAMESPACE}", "--lease-seconds=9",
            f"--identity={self._identity}", f"--metrics-port={self.port}", *self._options,
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


# Shared folders


def test_claims_share_a_folder_that_outlives_them(cluster: Cluster, instance: Instance) -> None:
    shared = {"shared": "true", "pathPattern": "shared/course", "gid": "5000", "sizeGib": "50", "mode": "2775"}
    cluster.add_class("course", ("ro",), **shared)
    cluster.add_class("course-write", **shared)
    cluster.claim("reader", "course")
    cluster.claim("writer", "course-write", **{"hub.airavata.org__uid": "20002"})
    for name in ("reader", "writer"):
        cluster.bound(name)
        spec = cluster.volume_of(name)["spec"]
        assert (spec["nfs"]["path"], spec["capacity"]["storage"]) == ("/srv/hub/shared/course", "50Gi")
        assert ("ro" in spec["mountOptions"]) is (name == "reader")
    folder = instance.base / "shared/course"
    assert (folder.stat().st_uid, folder.stat().st_gid, stat.S_IMODE(folder.stat().st_mode)) == (0, 5000, 0o2775)
    (folder / "lecture").write_text("kept")
    cluster.claim("thief", "hub-home")
    cluster.bound("thief")
    cluster.add_class("home-in-shared", pathPattern="shared/course/${.PVC.name}")
    cluster.claim("inside", "home-in-shared")
    cluster.event("inside", "PathInUse")
    volume = cluster.delete("writer")
    cluster.gone(volume)
    kind, text = cluster.event(volume, "VolumeRetained", "default")
    assert kind == "Normal"
    assert "stays with its files; only the claim users/writer is gone" in text
    cluster.gone(cluster.delete("reader"))
    assert (folder / "lecture").read_text() == "kept"
    assert "leads through" in cluster.event("inside", "PathRefused")[1]  # nobody's claim, and still nobody's place
    assert not list(instance.base.glob("archived-shared-*"))
    cluster.claim("reader", "course")
    cluster.bound("reader")
    assert (folder / "lecture").read_text() == "kept"


def test_shared_folder_is_as_big_as_its_class_says(cluster: Cluster, instance: Instance) -> None:
    cluster.add_class("small", shared="true", pathPattern="shared/small", gid="5000", sizeGib="2")
    cluster.claim("greedy", "small", "3Gi")
    assert "the shared folder has 2Gi" in cluster.event("greedy", "SizeRefused")[1]
    assert not (instance.base / "shared").exists()


# Archives


def archived(cluster: Cluster, instance: Instance, name: str, **annotations: str) -> Path:
    """Have a claim with a file, delete it, and wait for the checksums of its archive."""
    cluster.claim(name, **annotations)
    uid = cluster.bound(name)["metadata"]["uid"]
    (instance.base / "users" / name / "thesis").write_text(name)
    cluster.gone(cluster.delete(name))
    (archive,) = instance.base.glob(f"archived-users-{name}-{uid}-*")
    wait_for("its checksums", (instance.base / ".hub/manifests" / f"{archive.name}.sha256").exists)
    return archive


def test_archive_is_given_back_to_its_owner_alone(cluster: Cluster, instance: Instance) -> None:
    archive = archived(cluster, instance, "home-rita")
    latest = {"hub.airavata.org__restore": "latest"}
    cluster.claim("home-rita", **latest, **{"hub.airavata.org__uid": "20666"})
    assert "user 20666 has no archive" in cluster.event("home-rita", "RestoreRefused")[1]
    cluster.change("home-rita", annotations={"hub.airavata.org/restore": archive.name})
    wait_for("the refusal by name", lambda: any("nobody is given another's files" in text for _kind, _why, text in cluster.events("home-rita")))
    assert archive.is_dir()
    cluster.change("home-rita", annotations={"hub.airavata.org/uid": "20001"})
    cluster.bound("home-rita")
    assert (instance.base / "users/home-rita/thesis").read_text() == "home-rita"
    wait_for("the event", lambda: any(f"taken back from the archive {archive.name}" in text for _kind, _why, text in cluster.events("home-rita")))
    assert not archive.exists()


def test_damaged_archive_is_not_given_back(cluster: Cluster, instance: Instance) -> None:
    archive = archived(cluster, instance, "home-dora")
    (archive / "thesis").write_text("rotten")
    cluster.claim("home-dora", **{"hub.airavata.org__restore": "latest"})
    assert "'thesis' has another content" in cluster.event("home-dora", "RestoreRefused")[1]
    (archive / "thesis").write_text("home-dora")  # mended from a backup
    instance.stop()  # it would read it again by itself, in five minutes
    instance.start()
    cluster.bound("home-dora", 60)
    assert (instance.base / "users/home-dora/thesis").read_text() == "home-dora"


def test_restore_through_kills(cluster: Cluster, instance: Instance) -> None:
    names = [f"back-{number}" for number in range(8)]
    for name in names:
        archived(cluster, instance, name)
    for name in names:
        cluster.claim(name, **{"hub.airavata.org__restore": "latest"})
    for _round in range(5):
        time.sleep(0.8)
        instance.kill()
        instance.start()
    for name in names:
        cluster.bound(name, 120)
        assert (instance.base / "users" / name / "thesis").read_text() == name
    assert not list(instance.base.glob("archived-*"))


def made_old(archive: Path) -> Path:
    return archive.rename(archive.with_name(re.sub(r"\d{8}T\d{6}Z$", "20200101T000000Z", archive.name)))


def test_archives_are_deleted_only_when_it_was_confirmed(cluster: Cluster, instance: Instance) -> None:
    old, young = made_old(archived(cluster, instance, "home-olga")), archived(cluster, instance, "home-yves")
    instance.stop()
    instance.start()
    wait_for("its checksums under its new name", (instance.base / ".hub/manifests" / f"{old.name}.sha256").exists)
    assert old.is_dir()  # days are not set
    instance.stop()
    for confirm in ([], ["--delete-archives-confirm=yes"]):
        argv = [PYTHON, "-m", "hub_provisioner", "--server=x", f"--export={EXPORT}", "--lease-namespace=x", "--delete-archives-after-days=30", *confirm]
        environment = {**os.environ, "PYTHONPATH": str(TOP / "services/provisioner")}
        refused = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True, timeout=60)
        assert refused.returncode == 2
        assert f"--delete-archives-confirm={EXPORT}" in refused.stderr
    deleting = Instance(cluster, instance.base, "one", "--delete-archives-after-days=30", f"--delete-archives-confirm={EXPORT}")
    try:
        wait_for("the old one is deleted", lambda: not old.exists())
        wait_for("its place is free", lambda: not list((instance.base / ".hub/trash").iterdir()))
        (line,) = (instance.base / ".hub/deleted-archives.jsonl").read_text().splitlines()
        record = json.loads(line)
        assert (record["archive"], record["claim"], record["uid"], record["files"], record["archived_at"]) == (
            old.name,
            "home-olga",
            20001,
            1,
            "20200101T000000Z",
        )
        assert json.loads(cluster.event("nfs-provisioner", "ArchiveDeleted", NAMESPACE)[1]) == record
        assert deleting.metric("hub_archives_deleted_total") == 1
        assert (young / "thesis").exists()
        assert "Traceback" not in deleting.log.read_text()
    finally:
        deleting.stop()


def test_orphans_are_told(cluster: Cluster, instance: Instance) -> None:
    archive = archived(cluster, instance, "home-left")
    cluster.claim("home-lost")
    cluster.bound("home-lost")
    subprocess.run(["rm", "-r", instance.base / "users/home-lost"], check=True)
    (instance.base / "by-hand").mkdir()
    instance.stop()
    instance.start()
    report = wait_for(
        "the report", lambda: json.loads((instance.base / ".hub/report.json").read_text())["orphans"]["volumes"] and (instance.base / ".hub/report.json")
    )
    found = json.loads(report.read_text())
    assert [(item["namespace"], item["claim"], item["path"]) for item in found["orphans"]["volumes"]] == [("users", "home-lost", "users/home-lost")]
    assert [item["path"] for item in found["orphans"]["unknown_directories"]] == ["by-hand"]
    assert archive.name in [item["name"] for item in found["archives"]]
    wait_for("the metric", lambda: instance.metric('hub_storage_orphans{kind="volumes"}') == 1)


def test_use_is_told_with_the_rights_of_the_account(cluster: Cluster, instance: Instance) -> None:
    cluster.claim("home-told")
    claim = cluster.bound("home-told")
    claim["metadata"]["annotations"]["hub.airavata.org/used-bytes"] = "4096"
    Api(str(cluster.account)).put_claim_status(claim)
    assert cluster.get("home-told")["metadata"]["annotations"]["hub.airavata.org/used-bytes"] == "4096"


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
