"""Users' spaces on a real API server: the controller with the rights that its role gives it, killed, refused and doubled; modules; what the hub may do."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space import names
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.client import ApiError, Client

from tests.hub_venv import HUB_FILES, NAMES_FILE, make_hub_python

from .api_server import PROGRAMS, wait_for
from .fault_proxy import FaultProxy
from .spaces_cluster import CLASS, HUB, STORAGE, TOP, Object, SpacesCluster

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.skipif(not (PROGRAMS / "kube-apiserver").exists() or os.geteuid() != 0, reason=f"needs root and the bundle's programs in {PROGRAMS}"),
]
WHOLE = {
    ("ServiceAccount", "default"),
    ("ResourceQuota", "space"),
    ("LimitRange", "space"),
    ("NetworkPolicy", "default"),
    ("NetworkPolicy", "notebook"),
    ("RoleBinding", "hub"),
    ("PersistentVolumeClaim", "home"),
}
ANSIBLE = TOP / ".venv" / "bin"


def ansible(program: str, *arguments: str) -> str:
    """What a run of Ansible printed. Raises AssertionError when it fails."""
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run([ANSIBLE / program, *arguments], cwd=TOP, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def run_module(cluster: SpacesCluster, module: str, /, *flags: str, **arguments: Any) -> Object:
    """Result of a module; its ``text`` is all that Ansible printed, with the diff when that was asked for."""
    text = ansible(
        "ansible", "localhost", "-m", f"airavata.jupyterhub.{module}", "-a", json.dumps({"kubeconfig": str(cluster.server.kubeconfig), **arguments}), *flags
    )
    return {**json.loads(text.split("=>", 1)[1]), "text": text}


@pytest.fixture(scope="module")
def hub_python() -> Path:
    """The Python of the hub's image."""
    return make_hub_python()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpacesCluster]:
    """The cluster, with everything that both roles put there."""
    folder = tmp_path_factory.mktemp("spaces")
    found = SpacesCluster(folder)
    try:
        found.start()
        (folder / "ca").mkdir()
        (folder / "ca" / "ca.crt").write_text("none\n")
        images = {name: {"reference": f"registry.example/{name}:1"} for name in ("hub", "proxy", "notebook")}
        more = {"hub_state_dir": str(folder), "hub_bundle": {"images": images}, "__jupyterhub_secret_manifests": [], "output_file": str(folder / "roles.json")}
        ansible("ansible-playbook", "-i", "inventories/local", "-e", json.dumps(more), "tests/integration/render.yml")
        objects = json.loads((folder / "roles.json").read_text())
        (folder / "roles.yml").write_text(yaml.safe_dump_all(objects))
        subprocess.run(
            [PROGRAMS / "kubectl", "--kubeconfig", found.server.kubeconfig, "apply", "--server-side", "--force-conflicts", "-f", folder / "roles.yml"],
            check=True,
            capture_output=True,
        )
        [policy] = [item["data"]["policy.json"] for item in objects if item["kind"] == "ConfigMap" and "policy.json" in item["data"]]
        (folder / "policy.json").write_text(policy)
        for account in ("user-spaces", "hub"):
            path = f"/api/v1/namespaces/{HUB}/serviceaccounts/{account}/token"
            token = found.client.request("POST", path, {"spec": {"expirationSeconds": 7200}})["status"]["token"]
            (folder / f"{account}.kubeconfig").write_text(found.server.config_for(token))
        yield found
    finally:
        found.stop()


class Controller:
    """One running controller, behind a proxy of its own."""

    def __init__(self, cluster: SpacesCluster, python: Path, identity: str = "one") -> None:
        self._cluster, self._python, self.identity = cluster, python, identity
        self.proxy = FaultProxy(cluster.folder, cluster.server.port)
        self.log = cluster.folder / f"controller-{identity}.log"
        text = (cluster.folder / "user-spaces.kubeconfig").read_text().replace(f":{cluster.server.port}", f":{self.proxy.port}")
        self._kubeconfig = cluster.folder / f"controller-{identity}.kubeconfig"
        self._kubeconfig.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it."""
        folders = [TOP / "services" / "user_spaces", TOP / "plugins" / "module_utils"]
        environment = {"KUBECONFIG": str(self._kubeconfig), "PYTHONPATH": os.pathsep.join(map(str, folders)), "PATH": os.environ["PATH"]}
        options = ["--lease-seconds=6", "--period-seconds=20", "--health-port=0", f"--identity={self.identity}"]
        line = [self._python, "-m", "hub_spaces", f"--namespace={HUB}", f"--policy={self._cluster.folder / 'policy.json'}", *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL: nothing gets to clean up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart_when_dead(self) -> None:
        """As a kubelet does."""
        if self.process is not None and self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """An orderly end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                assert self.process.wait(20) in (0, -signal.SIGTERM)  # the latter while it is still starting
            finally:
                if self.process.poll() is None:
                    self.kill()
        self.proxy.stop()


@pytest.fixture
def controller(cluster: SpacesCluster, hub_python: Path) -> Iterator[Controller]:
    """A controller that works. Spaces stay after a test: each test has users of its own, and the cluster is thrown away."""
    running = Controller(cluster, hub_python)
    try:
        yield running
        assert "Traceback" not in running.log.read_text()
    finally:
        running.stop()


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """Name of a user that no other test has."""
    return f"u{zlib.crc32(request.node.nodeid.encode()):08x}"


@contextmanager
def hub_of(*users: str) -> Iterator[str]:
    """Address of a server that answers as a hub with these users; what the real one answers is seen in tests/unit/roles/jupyterhub/test_hub_gateway.py."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"items": [{"name": user} for user in users], "_pagination": {"next": None}}).encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def volume_of(cluster: SpacesCluster, user: str) -> str:
    item = cluster.space(user)
    assert item is not None
    return str(item["status"]["home"]["volume"])


def test_a_space_is_whole(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    item = cluster.reason(user, "Ready")
    assert cluster.there(user) == WHOLE
    status = item["status"]
    owner = status["uid"]
    assert owner >= 20001
    assert (status["namespace"], status["uid"], status["gid"]) == (cluster.namespace(user), owner, 100)
    namespace = cluster.client.get("Namespace", "", cluster.namespace(user))
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    home = (cluster.export / cluster.namespace(user) / "home").stat()
    assert (home.st_uid, home.st_gid, stat.S_IMODE(home.st_mode)) == (owner, 100, 0o700)


@pytest.mark.parametrize("user", ["Bob.Smith@example.org", "x" * 80, "Ünïcode", "a--b"])
def test_a_user_of_any_name_has_a_space(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    assert cluster.there(user) == WHOLE


def test_pods_that_are_not_restricted_are_refused(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    hub = Client(str(cluster.folder / "hub.kubeconfig"))
    good: Object = {
        "runAsNonRoot": True,
        "runAsUser": 20001,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }

    def pod(name: str, spec: Object | None = None, **security: Any) -> Object:
        container = {"name": "a", "image": "registry.example/a:1", "securityContext": {**good, **security}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": cluster.namespace(user)},
            "spec": {"containers": [container], **(spec or {})},
        }

    hub.create(pod("good"))
    bad = {
        "privileged": pod("bad", privileged=True, allowPrivilegeEscalation=True),
        "root": pod("bad", runAsNonRoot=False, runAsUser=0),
        "hostNetwork": pod("bad", {"hostNetwork": True}),
        "hostPath": pod("bad", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
        "hostPID": pod("bad", {"hostPID": True}),
    }
    for name, body in bad.items():
        with pytest.raises(ApiError, match="violates PodSecurity") as refused:
            hub.create(body)
        assert refused.value.status == 403, name


def loosened(item: Object) -> Object:
    """The object as somebody would loosen it."""
    kind = item["kind"]
    if kind == "Namespace":
        item["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "privileged", "pod-security.kubernetes.io/enforce-version": "v1.0"})
    elif kind == "NetworkPolicy":
        item["spec"]["ingress"] = [{}]
        item["spec"]["egress"] = [{}]
    elif kind == "ResourceQuota":
        item["spec"]["hard"] = {"pods": "1000"}
    elif kind == "LimitRange":
        item["spec"]["limits"][0]["default"]["memory"] = "1Ti"
    elif kind == "ServiceAccount":
        item["automountServiceAccountToken"] = True
    elif kind == "RoleBinding":
        item["subjects"].append({"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"})
    return item


def significant(item: Object) -> Object:
    """What has to be the same again."""
    labels = {key: value for key, value in item["metadata"].get("labels", {}).items() if key.startswith("pod-security")}
    return {**{key: item[key] for key in ("spec", "subjects", "roleRef", "automountServiceAccountToken") if key in item}, "labels": labels}


def see_it_mended(cluster: SpacesCluster, user: str, kind: str, name: str) -> None:
    """Loosen an object, then delete it; each time it is mended."""
    where, client = "" if kind == "Namespace" else cluster.namespace(user), cluster.client

    def there() -> Object:
        return {**(client.get(kind, where, name) or {"metadata": {}}), "kind": kind}

    before = there()
    client.replace(loosened(json.loads(json.dumps(before))))
    wait_for(f"{kind} {name} mended", lambda: significant(there()) == significant(before), 20)
    if kind != "Namespace":
        client.delete(kind, where, name, before["metadata"]["uid"])

        def again() -> bool:
            """Kubernetes may be the first to make its default account again; ours then has to be mended."""
            found = there()
            return found["metadata"].get("uid") not in (None, before["metadata"]["uid"]) and significant(found) == significant(before)

        wait_for(f"{kind} {name} made again", again, 20)


def test_what_is_loosened_or_deleted_is_mended(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    for kind, name in [*sorted(WHOLE - {("PersistentVolumeClaim", "home")}), ("Namespace", cluster.namespace(user))]:
        see_it_mended(cluster, user, kind, name)
    cluster.reason(user, "Ready")


def test_a_lost_claim_asks_for_its_archive(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    first = cluster.client.get("PersistentVolumeClaim", cluster.namespace(user), "home")
    assert first is not None
    assert names.RESTORE_ANNOTATION not in first["metadata"]["annotations"]
    cluster.client.delete("PersistentVolumeClaim", cluster.namespace(user), "home", first["metadata"]["uid"])
    wait_for(
        "another claim",
        lambda: (cluster.client.get("PersistentVolumeClaim", cluster.namespace(user), "home") or first)["metadata"]["uid"] != first["metadata"]["uid"],
    )
    second = cluster.client.get("PersistentVolumeClaim", cluster.namespace(user), "home")
    assert second is not None
    assert second["metadata"]["annotations"][names.RESTORE_ANNOTATION] == "latest"
    cluster.reason(user, "Ready")


def test_disabled_keeps_the_home_and_nothing_else_of_the_hub(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    volume = volume_of(cluster, user)
    cluster.change(user, state="disabled")
    cluster.reason(user, "Disabled")
    assert cluster.there(user) == WHOLE - {("RoleBinding", "hub")}
    with pytest.raises(ApiError, match="forbidden"):
        Client(str(cluster.folder / "hub.kubeconfig")).create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "a", "namespace": cluster.namespace(user)},
                "spec": {"containers": [{"name": "a", "image": "a"}]},
            }
        )
    cluster.change(user, state="active")
    cluster.reason(user, "Ready")
    assert volume_of(cluster, user) == volume


def test_leaving_goes_in_order(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    """A pod that does not end holds the claim; a volume that is not put away holds the namespace."""
    cluster.add(user)
    cluster.reason(user, "Ready")
    volume, client = volume_of(cluster, user), cluster.client
    (cluster.export / cluster.namespace(user) / "home" / "thesis").write_text("kept")
    pod = client.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "busy", "namespace": cluster.namespace(user), "finalizers": ["example.org/busy"]},
            "spec": {
                "securityContext": {"runAsNonRoot": True, "runAsUser": 20001, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "a", "image": "a", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}],
            },
        }
    )
    wait_for("the controller sees the pod", lambda: time.sleep(1) or True)
    cluster.remove(user)
    cluster.reason(user, "Stopping")
    wait_for("the pod is asked to end", lambda: (client.get("Pod", cluster.namespace(user), "busy") or pod)["metadata"].get("deletionTimestamp"))
    assert client.get("RoleBinding", cluster.namespace(user), "hub") is None
    assert not (client.get("PersistentVolumeClaim", cluster.namespace(user), "home") or {"metadata": {"deletionTimestamp": "?"}})["metadata"].get(
        "deletionTimestamp"
    )
    cluster.stop_provisioner()
    try:
        held = client.get("Pod", cluster.namespace(user), "busy")
        assert held is not None
        held["metadata"]["finalizers"] = []
        client.replace({**held, "apiVersion": "v1", "kind": "Pod"})
        cluster.reason(user, "Archiving")
        wait_for("the claim is gone", lambda: client.get("PersistentVolumeClaim", cluster.namespace(user), "home") is None)
        wait_for("it is known which volume is waited for", lambda: volume in cluster.ready(user).get("message", ""))
        assert client.get("PersistentVolume", "", volume) is not None
        assert not (client.get("Namespace", "", cluster.namespace(user)) or {})["metadata"].get("deletionTimestamp")
    finally:
        cluster.start_provisioner()
    cluster.gone(user, 90)
    assert client.get("PersistentVolume", "", volume) is None
    archives = list(cluster.export.glob(f"archived-{cluster.namespace(user)}-home-*"))
    assert [text.read_text() for archive in archives for text in archive.glob("thesis")] == ["kept"]


def test_a_namespace_with_claims_of_others_stays(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    other = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "by-hand", "namespace": cluster.namespace(user)},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}},
    }
    made = cluster.client.create(other)
    cluster.change(user, state="archived")
    item = cluster.reason(user, "ClaimsLeft")
    assert "by-hand" in item["status"]["conditions"][0]["message"]
    assert ("PersistentVolumeClaim", "home") in cluster.there(user)
    cluster.client.delete("PersistentVolumeClaim", cluster.namespace(user), "by-hand", made["metadata"]["uid"])
    cluster.reason(user, "Archived")
    assert cluster.client.get("Namespace", "", cluster.namespace(user)) is None


def test_somebody_elses_namespace_is_left_alone(cluster: SpacesCluster, controller: Controller) -> None:
    cluster.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "hub-user-carol"}})
    cluster.add("carol")
    cluster.reason("carol", "NamespaceTaken")
    assert ("RoleBinding", "hub") not in cluster.there("carol")
    cluster.remove("carol")
    wait_for("the space is gone", lambda: cluster.space("carol") is None)
    assert not (cluster.client.get("Namespace", "", "hub-user-carol") or {"metadata": {"deletionTimestamp": "?"}})["metadata"].get("deletionTimestamp")


def test_a_shared_folder_is_one_directory_of_a_group(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    folder = {"name": "course", "gid": 30001, "size_gib": 2, "mode": "2775"}
    run_module(cluster, "user_storage_class", shared_folder=folder)
    for member in (user, f"{user}-too"):
        cluster.add(member, sharedFolders=[{"name": "course", "gid": 30001}])
        cluster.reason(member, "Ready")
        assert ("PersistentVolumeClaim", "shared-course") in cluster.there(member)
    shared = (cluster.export / "shared" / "course").stat()
    assert (shared.st_uid, shared.st_gid, stat.S_IMODE(shared.st_mode)) == (0, 30001, 0o2775)
    cluster.change(user, sharedFolders=[])
    wait_for("no claim of who left it", lambda: ("PersistentVolumeClaim", "shared-course") not in cluster.there(user))
    cluster.reason(user, "Ready")
    assert (cluster.export / "shared" / "course").is_dir(), "the folder is the others', too"


def test_user_ids_are_never_given_twice(cluster: SpacesCluster, controller: Controller) -> None:
    cluster.add("first")
    uid = cluster.reason("first", "Ready")["status"]["uid"]
    cluster.add("wishes", uid=uid)
    other = cluster.reason("wishes", "Ready")["status"]
    assert other["uid"] != uid
    assert "asked for" in cluster.ready("wishes")["message"]
    cluster.remove("first")
    cluster.gone("first")
    cluster.add("third")
    assert cluster.reason("third", "Ready")["status"]["uid"] not in (uid, other["uid"])
    cluster.add("first")
    assert cluster.reason("first", "Ready")["status"]["uid"] == uid, "who comes back has the id of their archive"


def life(cluster: SpacesCluster, user: str, step: Callable[[], None]) -> None:
    """A whole life of a user; ``step`` is called while waiting, to keep the controller alive."""

    def until(wanted: str) -> None:
        def look() -> bool:
            step()
            return bool(cluster.ready(user).get("reason") == wanted)

        wait_for(f"{wanted} for {user}", look, 90)

    cluster.add(user)
    until("Ready")
    assert cluster.there(user) == WHOLE
    thesis = cluster.export / cluster.namespace(user) / "home" / "thesis"
    thesis.write_text(f"of {user}")
    cluster.change(user, state="archived")
    until("Archived")
    assert not thesis.exists()
    cluster.change(user, state="active")
    until("Ready")
    assert thesis.read_text() == f"of {user}", "a home that was archived comes back, whenever the controller died"
    cluster.remove(user)

    def gone() -> bool:
        step()
        return cluster.space(user) is None

    wait_for(f"{user} gone", gone, 90)
    assert cluster.client.get("Namespace", "", cluster.namespace(user)) is None


def test_killed_at_every_write_it_converges(cluster: SpacesCluster, controller: Controller) -> None:
    """Before each write of a whole life, and right after it, the controller is killed once."""
    killed: set[tuple[str, str]] = set()

    def kill_once(when: str, what: str) -> None:
        kind = what.replace("hub-user-mortal", "X").replace("mortal", "X")
        process = controller.process
        if (when, kind) not in killed and process is not None and process.poll() is None:
            killed.add((when, kind))
            process.kill()

    controller.proxy.fault = lambda _number, what: kill_once("before", what) or ""  # type: ignore[func-returns-value]
    controller.proxy.after = lambda _number, what: kill_once("after", what)
    life(cluster, "mortal", controller.restart_when_dead)
    print(f"killed {len(killed)} times")
    assert len(killed) >= 24, sorted(killed)


def test_refused_and_lost_answers_do_not_matter(cluster: SpacesCluster, controller: Controller) -> None:
    chance = random.Random(7)  # noqa: S311 (the same faults each time)
    controller.proxy.fault = lambda _number, _what: chance.choice(["refuse", "lose", "", ""])
    for user in ("dora", "emil"):
        life(cluster, user, controller.restart_when_dead)


def test_an_api_server_that_goes_away_comes_back(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    cluster.server.stop_api()
    wait_for("some seconds without", lambda: time.sleep(3) or True)
    cluster.server.start_api()
    cluster.add(f"{user}-later")
    deadline = time.monotonic() + 90
    while cluster.ready(f"{user}-later").get("reason") != "Ready":
        controller.restart_when_dead()
        assert time.monotonic() < deadline, controller.log.read_text()[-3000:]
        time.sleep(0.2)


def test_what_cannot_work_ends_and_is_started_again(cluster: SpacesCluster, hub_python: Path, user: str) -> None:
    """Rather than hold the lease and do nothing."""
    running = Controller(cluster, hub_python, "garbled")
    try:
        running.proxy.garbled = True
        assert running.process is not None
        assert running.process.wait(60) != 0
        running.proxy.garbled = False
        running.start()
        cluster.add(user)
        cluster.reason(user, "Ready")
    finally:
        running.stop()


def test_two_instances_have_one_leader(cluster: SpacesCluster, controller: Controller, hub_python: Path, user: str) -> None:
    cluster.add(user)
    cluster.reason(user, "Ready")
    second = Controller(cluster, hub_python, "two")
    try:
        wait_for("the second waits", lambda: "hub_spaces" in second.log.read_text())
        cluster.add(f"{user}-bob")
        cluster.reason(f"{user}-bob", "Ready")
        assert second.proxy.writes == [], "who does not lead writes nothing"
        controller.kill()
        cluster.add(f"{user}-carl")
        cluster.reason(f"{user}-carl", "Ready")
        lease = cluster.client.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{HUB}/leases/user-spaces")
        assert lease["spec"]["holderIdentity"] == "two"
        controller.start()
        second.stop()
        cluster.add(f"{user}-dave")
        cluster.reason(f"{user}-dave", "Ready", 10)  # an orderly end gives the lease back
    finally:
        second.stop()


# Who (account of the hub's namespace), what, and whether it may.
RIGHTS = [
    ("hub", {"verb": "create", "resource": "pods", "namespace": "hub-user-alice"}, True),
    ("hub", {"verb": "delete", "resource": "pods", "namespace": "hub-user-alice"}, True),
    ("hub", {"verb": "list", "resource": "pods"}, True),
    ("hub", {"verb": "watch", "resource": "events"}, True),
    ("hub", {"verb": "create", "group": names.GROUP, "resource": names.PLURAL, "namespace": HUB}, True),
    ("hub", {"verb": "create", "group": names.GROUP, "resource": names.PLURAL, "namespace": "hub-user-alice"}, False),
    ("hub", {"verb": "update", "group": names.GROUP, "resource": names.PLURAL, "subresource": "status", "namespace": HUB}, False),
    *(
        ("hub", {"verb": verb, "resource": resource}, False)
        for verb in ("create", "update", "patch", "delete")
        for resource in ("pods", "namespaces", "secrets")
    ),
    ("hub", {"verb": "create", "resource": "pods", "namespace": "kube-system"}, False),
    ("hub", {"verb": "create", "resource": "pods", "namespace": HUB}, False),
    ("hub", {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "hub-user-alice"}, False),
    ("hub", {"verb": "get", "resource": "secrets", "namespace": HUB}, False),
    ("hub", {"verb": "delete", "resource": "persistentvolumeclaims", "namespace": "hub-user-alice"}, False),
    ("hub", {"verb": "create", "group": "rbac.authorization.k8s.io", "resource": "rolebindings", "namespace": "hub-user-alice"}, False),
    ("user-spaces", {"verb": "create", "resource": "namespaces"}, True),
    ("user-spaces", {"verb": "bind", "group": "rbac.authorization.k8s.io", "resource": "clusterroles", "name": "hub-user-pods"}, True),
    ("user-spaces", {"verb": "bind", "group": "rbac.authorization.k8s.io", "resource": "clusterroles", "name": "cluster-admin"}, False),
    ("user-spaces", {"verb": "get", "resource": "secrets", "namespace": HUB}, False),
    ("user-spaces", {"verb": "create", "resource": "pods", "namespace": "hub-user-alice"}, False),
    ("user-spaces", {"verb": "create", "resource": "serviceaccounts", "subresource": "token", "namespace": HUB}, False),
    ("user-spaces", {"verb": "update", "group": names.GROUP, "resource": names.PLURAL, "namespace": "other"}, False),
    ("user-spaces", {"verb": "delete", "resource": "persistentvolumes"}, False),
]


def test_rights_are_what_is_needed(cluster: SpacesCluster, controller: Controller) -> None:
    cluster.add("alice")
    cluster.reason("alice", "Ready")
    wrong = []
    for account, what, wanted in RIGHTS:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{HUB}", "system:authenticated"]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": f"system:serviceaccount:{HUB}:{account}", "groups": groups, "resourceAttributes": what},
        }
        answer = cluster.client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        if answer["status"]["allowed"] != wanted:
            wrong.append((account, what, answer["status"]))
    assert wrong == []


def test_what_roles_cannot_say_admission_refuses(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    cluster.add(user)
    item = cluster.reason(user, "Ready")
    account, hub = (Client(str(cluster.folder / f"{name}.kubeconfig")) for name in ("user-spaces", "hub"))
    system = cluster.client.get("Namespace", "", STORAGE)
    assert system is not None
    with pytest.raises(ApiError, match="may only write what belongs to a user's namespace"):
        account.request("DELETE", f"/api/v1/namespaces/{STORAGE}")
    with pytest.raises(ApiError, match="restricted pods"):
        account.request("POST", "/api/v1/namespaces", {"metadata": {"name": "hub-user-open"}})
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "mallory", "namespace": cluster.namespace(user)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hub-user-pods"},
        "subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    with pytest.raises(ApiError, match="nobody but the hub"):
        account.create(binding)
    with pytest.raises(ApiError, match="may only write"):
        account.create({**binding, "metadata": {"name": "mallory", "namespace": "kube-system"}})
    with pytest.raises(ApiError, match="site's own limits"):
        hub.create({**item, "metadata": {"name": "greedy", "namespace": HUB}, "spec": {"user": "greedy", "quota": {"pods": "100"}}})
    cluster.change(user, state="disabled")
    disabled = cluster.reason(user, "Disabled")
    with pytest.raises(ApiError, match="nothing of a space but its shared folders"):
        hub.replace({**disabled, "spec": {**disabled["spec"], "state": "active"}})


# Specs that the API server itself refuses, and a word of what it says.
REFUSED = [
    ({"user": ""}, "should be at least 1"),
    ({"user": "zoe", "uid": 0}, "greater than or equal to 1000"),
    ({"user": "zoe", "uid": 65534}, "nobody"),
    ({"user": "zoe", "state": "asleep"}, "Unsupported value"),
    ({"user": "zoe", "home": {"size": "big"}}, "a size such as"),
    ({"user": "zoe", "home": {"size": "0"}}, "a size such as"),
    ({"user": "zoe", "home": {"storageClass": "a", "ownClass": {}}}, "exclude each other"),
    ({"user": "zoe", "quota": {"pods": "many"}}, "a quantity such as"),
    ({"user": "zoe", "sharedFolders": [{"name": "../etc"}]}, "should match"),
    ({"user": "other"}, "the name has to be the user's"),
]


@pytest.mark.parametrize(("spec", "word"), REFUSED, ids=[word for _spec, word in REFUSED])
def test_the_schema_refuses(cluster: SpacesCluster, spec: Object, word: str) -> None:
    body = {"apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": names.KIND, "metadata": {"name": "zoe", "namespace": HUB}, "spec": spec}
    with pytest.raises(ApiError, match=word):
        cluster.client.create(body)


def test_the_schema_refuses_changes_that_files_would_not_follow(cluster: SpacesCluster, controller: Controller) -> None:
    cluster.add("wanda", uid=30001, home={"size": "2Gi"})
    assert cluster.reason("wanda", "Ready")["status"]["uid"] == 30001
    for spec, word in (({"user": "bob"}, "never changes its user"), ({"uid": 30002}, "files have their owner"), ({"home": {"size": "1Gi"}}, "never shrinks")):
        with pytest.raises(ApiError, match=word):
            cluster.change("wanda", **spec)
    cluster.change("wanda", home={"size": "3Gi"})
    wait_for(
        "the claim grows",
        lambda: (cluster.client.get("PersistentVolumeClaim", "hub-user-wanda", "home") or {})["spec"]["resources"]["requests"]["storage"] == "3Gi",
    )


def test_a_class_of_ones_own(cluster: SpacesCluster, controller: Controller, user: str) -> None:
    own = {"parameters": {"pathPattern": "special/${.PVC.namespace}", "filesPerGib": "1000"}, "mountOptions": ["nfsvers=4.2", "nosuid"]}
    cluster.add(user, home={"ownClass": own})
    cluster.reason(user, "Ready")
    klass = cluster.client.get("StorageClass", "", cluster.namespace(user))
    assert klass is not None
    assert klass["parameters"] == {"pathPattern": "special/${.PVC.namespace}", "archiveOnDelete": "true", "filesPerGib": "1000"}
    assert (cluster.export / "special" / cluster.namespace(user)).is_dir()
    cluster.remove(user)
    cluster.gone(user)
    assert cluster.client.get("StorageClass", "", cluster.namespace(user)) is None


SPAWNER = """
import asyncio, json, sys
sys.path[:0] = sys.argv[1:3]
from hub_settings import settings
from hub_spawner import UserSpawner
from traitlets.config import Config
values, secrets, user = json.load(open(sys.argv[3]))
class Person:
    def __init__(self): self.id, self.name, self.url, self.groups = 7, user, "u", []
    async def get_auth_state(self): return {"groups": ["/course"]}
async def main():
    spawner = UserSpawner(_mock=True, config=Config(settings(values, secrets)), user=Person())
    spawner.start_timeout = 20
    try:
        await spawner._ensure_namespace()
        await spawner._start_watching_pods()
        profiles = [profile["slug"] for profile in await spawner.profile_list(spawner)]
        print(json.dumps({"namespace": spawner.namespace, "uid": spawner.uid, "gid": spawner.gid, "groups": spawner.supplemental_gids, "profiles": profiles,
                          "mounts": sorted(spawner.volume_mounts), "dns": spawner.dns_name}))
        if len(sys.argv) > 4: await spawner.delete_forever()
    except Exception as error:
        print(json.dumps({"said": getattr(error, "jupyterhub_message", repr(error))}))
    await spawner._stop_all_reflectors()
asyncio.run(main())
"""


def spawn(cluster: SpacesCluster, python: Path, user: str, *more: str) -> Object:
    """What the real spawner did for a user, with the hub's own rights."""
    from tests.unit.roles.jupyterhub.samples import SECRETS, VALUES

    folder = cluster.folder / "spawner"
    folder.mkdir(exist_ok=True)
    (folder / "user_space_names.py").write_text(NAMES_FILE.read_text())
    values = {
        **VALUES,
        "shared_folders": [{"name": "course", "gid": 30001, "read_only": True, "groups": ["course"]}, {"name": "staff", "gid": 30002, "groups": ["staff"]}],
        "profiles": [
            {"display_name": "A", "slug": "a"},
            {"display_name": "B", "slug": "b", "groups": ["staff"]},
            {"display_name": "C", "slug": "c", "groups": ["course"]},
        ],
    }
    (folder / "in.json").write_text(json.dumps([values, SECRETS, user]))
    environment = {"KUBECONFIG": str(cluster.folder / "hub.kubeconfig"), "PATH": os.environ["PATH"]}
    line = [python, "-c", SPAWNER, HUB_FILES, folder, folder / "in.json", *more]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_spawner_moves_in(cluster: SpacesCluster, controller: Controller, hub_python: Path) -> None:
    run_module(cluster, "user_storage_class", shared_folder={"name": "course", "gid": 30001, "size_gib": 2, "mode": "2775"})
    seen = spawn(cluster, hub_python, "Grace@example.org")
    item = cluster.space("Grace@example.org")
    assert item is not None
    namespace = cluster.namespace("Grace@example.org")
    assert item["spec"]["sharedFolders"] == [{"name": "course", "gid": 30001, "readOnly": True}]
    assert seen == {
        "namespace": namespace,
        "uid": item["status"]["uid"],
        "gid": 100,
        "groups": [30001],
        "profiles": ["a", "c"],
        "mounts": ["home", "passwd", "shared-course", "tmp"],
        "dns": f"jupyter-mock-40name.{namespace}.svc.cluster.local" if "mock" in seen["dns"] else seen["dns"],
    }
    cluster.change("Grace@example.org", state="disabled")
    cluster.reason("Grace@example.org", "Disabled")
    assert "is disabled. Your files are kept." in spawn(cluster, hub_python, "Grace@example.org")["said"]
    cluster.change("Grace@example.org", state="active")
    cluster.reason("Grace@example.org", "Ready")
    spawn(cluster, hub_python, "Grace@example.org", "delete")
    wait_for("the space goes with the user", lambda: cluster.space("Grace@example.org") is None)


def test_the_spawner_says_what_it_waited_for(cluster: SpacesCluster, hub_python: Path) -> None:
    """Without a controller."""
    said = spawn(cluster, hub_python, "henry")["said"]
    assert "not ready within 16 s" in said
    assert "controller of user spaces may be down" in said
    cluster.remove("henry")


def test_a_course_of_200_from_a_list(cluster: SpacesCluster, controller: Controller) -> None:
    people = cluster.folder / "course.csv"
    people.write_text("user,home_size\n" + "".join(f"student{number:03},1Gi\n" for number in range(200)))
    line = ["playbooks/prepare-users.yml", "-i", "inventories/local", "-e", f"prepare_users_file={people}", "-e", f"hub_kubeconfig={cluster.server.kubeconfig}"]
    runs = [ansible("ansible-playbook", *line) for _number in range(2)]
    print(*(text for run in runs for text in run.splitlines() if "users:" in text), sep="\n")
    assert "200 users: 200 created" in runs[0]
    assert "200 users: 0 created, 0 changed" in runs[1]
    assert "changed=0" in runs[1]
    ids = [item["status"]["uid"] for item in cluster.client.list("UserSpace", HUB)]
    assert len(ids) >= 200
    assert len(set(ids)) == len(ids), "no id twice"


def test_the_module_works_without_a_controller(cluster: SpacesCluster) -> None:
    common: Object = {"namespace": HUB, "controller": False, "policy": {"home_size": "1Gi", "storage_class": CLASS}}
    people = [{"user": "ida"}, {"user": "Jan@example.org", "quota": {"pods": "2"}}]
    made = run_module(cluster, "user_space", spaces=people, **common)
    assert (made["changed"], made["counts"]["created"]) == (True, 2)
    assert all(space["ready"] for space in made["spaces"])
    assert cluster.there("ida") == WHOLE - {("RoleBinding", "hub")}, "without a hub nobody is let in"
    again = run_module(cluster, "user_space", spaces=people, **common)
    assert (again["changed"], again["counts"]["none"]) == (False, 2)
    assert again["api_calls"] < 15
    assert run_module(cluster, "user_space", spaces=people, state="absent", **common)["counts"]["removed"] == 2
    assert cluster.client.get("Namespace", "", "hub-user-ida") is None
    assert run_module(cluster, "user_space", spaces=people, state="absent", **common)["changed"] is False


def test_the_module_waits_for_the_controller(cluster: SpacesCluster, controller: Controller) -> None:
    common: Object = {"namespace": HUB, "limit_seconds": 90}
    kate = {"user": "kate", "home_size": "1Gi"}
    planned = run_module(cluster, "user_space", "--check", "--diff", spaces=[kate], **common)
    assert (planned["counts"]["created"], cluster.space("kate")) == (1, None), "a check makes nothing"
    assert '+  "user": "kate"' in planned["text"]
    assert run_module(cluster, "user_space", spaces=[kate], **common)["spaces"][0]["ready"]
    assert run_module(cluster, "user_space", spaces=[{"user": "kate"}], **common)["changed"] is False, "what is not given stays"
    disabled = run_module(cluster, "user_space", spaces=[{"user": "kate", "state": "disabled"}], **common)
    assert (disabled["counts"]["changed"], disabled["spaces"][0]["reason"]) == (1, "Disabled")
    assert ("RoleBinding", "hub") not in cluster.there("kate")
    with hub_of("somebody") as url:
        info = run_module(cluster, "user_space_info", namespace=HUB, hub_url=url, hub_token="of the test")
    assert [(space["user"], space["state"], space["home"]["size"]) for space in info["spaces"] if space["user"] == "kate"] == [("kate", "disabled", "1Gi")]
    assert [(orphan["kind"], orphan["why"]) for orphan in info["orphans"] if orphan["user"] == "kate"] == [("UserSpace", "no user of the hub")]
    assert run_module(cluster, "user_space", spaces=[kate], state="absent", **common)["spaces"][0]["reason"] == "Removed"
    assert (cluster.space("kate"), cluster.client.get("Namespace", "", "hub-user-kate")) == (None, None)


def test_storage_classes(cluster: SpacesCluster) -> None:
    wanted = {"name": "home-chemistry", "path_pattern": "chemistry/${.PVC.namespace}", "soft_quota_percent": 80}
    assert run_module(cluster, "user_storage_class", "--check", **wanted)["changed"]
    assert run_module(cluster, "user_storage_class_info", name="home-chemistry")["storage_classes"] == []
    assert run_module(cluster, "user_storage_class", **wanted)["changed"]
    assert run_module(cluster, "user_storage_class", **wanted)["changed"] is False
    changed = run_module(cluster, "user_storage_class", "--diff", **{**wanted, "soft_quota_percent": 90})
    assert changed["changed"]
    assert '-  "softQuotaPercent": "80"' in changed["text"]
    assert '+  "softQuotaPercent": "90"' in changed["text"]
    [found] = run_module(cluster, "user_storage_class_info", name="home-chemistry")["storage_classes"]
    assert found["parameters"]["softQuotaPercent"] == "90"
    assert run_module(cluster, "user_storage_class", name="home-chemistry", state="absent")["changed"]
    assert run_module(cluster, "user_storage_class", name="home-chemistry", state="absent")["changed"] is False
