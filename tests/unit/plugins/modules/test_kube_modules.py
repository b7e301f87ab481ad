"""The kubeadm modules against programs that behave like kubeadm, also when they are killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("kube_driver.py")
TOKEN = "abcdef.0123456789abcdef"
HASH = "sha256:" + "a" * 64

# init and join leave what the real ones leave, in the same order, and stop where the file `stop` says; reset takes it away.
KUBEADM = """#!/bin/sh
root="{root}"; k="$root/etc/kubernetes"
echo "kubeadm $*" >> "$root/calls"
step() {{
  if [ "$(cat "$root/stop" 2>/dev/null)" = "$1" ]; then echo "[x] stopped at $1 with token {token}" >&2; exit 1; fi
  if [ "$(cat "$root/hang" 2>/dev/null)" = "$1" ]; then while [ -e "$root/hang" ]; do sleep 0.1; done; echo "kubeadm goes on" >> "$root/calls"; fi
}}
case "$1" in
init) mkdir -p "$k/manifests" "$root/var/lib/etcd/member"; step begin; touch "$k/manifests/etcd.yaml"; step manifests; echo admin > "$k/admin.conf"; step end;;
join) mkdir -p "$k"; cp "$3" "$root/joined-with"; step begin; echo kubelet > "$k/kubelet.conf"; touch "$k/bootstrap-kubelet.conf" "$root/registered"; step end;;
reset) rm -rf "$k" "$root/registered";;
--kubeconfig) case "$*" in
  *create*) touch "$root/secret"; echo "kubeadm join 10.77.0.11:6443 --token {token} --discovery-token-ca-cert-hash {hash}";;
  esac;;
esac
"""
KUBECTL = """#!/bin/sh
root="{root}"
case "$*" in
*/readyz*) [ -e "$root/etc/kubernetes/admin.conf" ] && [ ! -e "$root/sick" ] && {{ echo ok; exit 0; }}; echo "connection refused" >&2; exit 1;;
*"get secret"*) [ -e "$root/secret" ] && echo "secret/bootstrap-token-abcdef"; exit 0;;
*"delete secret"*) [ -e "$root/secret" ] && echo "secret/bootstrap-token-abcdef"; rm -f "$root/secret"; exit 0;;
*"delete node"*) rm -f "$root/registered"; echo deleted >> "$root/calls"; exit 0;;
*"get node"*) [ -e "$root/answer" ] && {{ cat "$root/answer" >&2; exit 1; }}
  [ -e "$root/registered" ] && {{ cat "$root/node.json" 2>/dev/null || echo '{{}}'; exit 0; }}
  echo 'Error from server (NotFound): nodes "worker1" not found' >&2; exit 1;;
esac
exit 1
"""
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "{root}/calls"; rm -f "{root}/answer"; touch "{root}/registered"
"""


class Machine:
    """A folder that stands for a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        for name, text in (("kubeadm", KUBEADM), ("kubectl", KUBECTL), ("systemctl", SYSTEMCTL)):
            program = root / "bin" / name
            program.write_text(text.format(root=root, token=TOKEN, hash=HASH))
            program.chmod(0o755)

    def start(self, module: str, check: bool = False, **arguments: Any) -> subprocess.Popen[str]:
        command = [sys.executable, str(DRIVER), str(self.root), module, json.dumps({**arguments, "_ansible_check_mode": check})]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def run(self, module: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        out, err = self.start(module, check, **arguments).communicate(timeout=60)
        assert out, err
        assert TOKEN not in out or module == "kube_join_token"
        result: dict[str, Any] = json.loads(out)
        return result

    @property
    def calls(self) -> list[str]:
        """The programs that were called since this was asked last, by name and verb."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in lines]

    def phase(self, name: str) -> str:
        return str(json.loads((self.root / f"var/lib/airavata-jupyterhub/kube/{name}.json").read_text())["phase"])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


CONTROL = {"config": "kind: InitConfiguration\n", "init_limit_seconds": 20, "ready_limit_seconds": 1}
WORKER = {"node_name": "worker1", "node_address": "10.77.0.21", "endpoint": "10.77.0.11:6443", "api_limit_seconds": 1, "join_limit_seconds": 20}
SECRET = {"token": TOKEN, "ca_hashes": [HASH]}


def test_control_plane_is_made_once(machine: Machine) -> None:
    assert machine.run("kube_control_plane", check=True, **CONTROL)["changed"] is True
    assert machine.calls == []
    first = machine.run("kube_control_plane", **CONTROL)
    assert first["changed"] is True
    assert machine.calls == ["kubeadm init"]
    assert machine.phase("control-plane") == "initialized"
    for check in (False, True):
        again = machine.run("kube_control_plane", check=check, **CONTROL)
        assert again["changed"] is False
        assert again["config_applied"] is True
    assert machine.calls == []
    assert machine.run("kube_control_plane_info")["control_planes"][0] == {
        "phase": "initialized",
        "api_ready": True,
        "leftovers": [f"{machine.root}/etc/kubernetes/{name}" for name in ("admin.conf", "manifests/etcd.yaml")] + [f"{machine.root}/var/lib/etcd/member"],
    }


def test_another_configuration_is_told_not_applied(machine: Machine) -> None:
    machine.run("kube_control_plane", **CONTROL)
    told = machine.run("kube_control_plane", **{**CONTROL, "config": "kind: Other\n"})
    assert told["changed"] is False
    assert told["config_applied"] is False
    assert "differs from the one this cluster was made with" in str(told["warnings"])


@pytest.mark.parametrize("stop", ["begin", "manifests", "end"])
def test_a_failed_init_is_told_and_done_again(machine: Machine, stop: str) -> None:
    (machine.root / "stop").write_text(stop)
    failed = machine.run("kube_control_plane", **CONTROL)
    assert failed["failed"] is True
    assert f"stopped at {stop} with token abcdef.****************" in failed["msg"]
    assert machine.phase("control-plane") == "initializing"
    (machine.root / "stop").unlink()
    machine.calls  # noqa: B018
    assert machine.run("kube_control_plane", **CONTROL)["actions"] == ["reset", "init"]
    assert machine.calls == ["kubeadm reset", "kubeadm init"]
    assert machine.run("kube_control_plane", **CONTROL)["changed"] is False


def test_a_killed_init_keeps_the_lock_until_its_kubeadm_ends(machine: Machine) -> None:
    (machine.root / "hang").write_text("manifests")
    process = machine.start("kube_control_plane", **CONTROL)
    while not (machine.root / "etc/kubernetes/manifests/etcd.yaml").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    second = machine.start("kube_control_plane", **CONTROL)
    with pytest.raises(subprocess.TimeoutExpired):  # it waits, as kubeadm is still at work
        second.communicate(timeout=2)
    (machine.root / "hang").unlink()
    assert json.loads(second.communicate(timeout=60)[0])["actions"] == ["reset", "init"]
    assert machine.calls == ["kubeadm init", "kubeadm goes", "kubeadm reset", "kubeadm init"]


def test_a_cluster_of_somebody_else_is_left_alone(machine: Machine) -> None:
    (machine.root / "var/lib/etcd/member").mkdir(parents=True)
    for arguments in (CONTROL, {"state": "absent"}):
        refused = machine.run("kube_control_plane", **arguments)
        assert refused["failed"] is True
        assert "did not make" in refused["msg"]
    assert machine.calls == []


def test_a_sick_api_server_is_waited_for_and_never_reset(machine: Machine) -> None:
    machine.run("kube_control_plane", **CONTROL)
    machine.calls  # noqa: B018
    (machine.root / "sick").touch()
    failed = machine.run("kube_control_plane", **CONTROL)
    assert "was not ready within" in failed["msg"]
    assert "journalctl -u kubelet" in failed["msg"]
    assert machine.calls == []


def test_control_plane_absent(machine: Machine) -> None:
    machine.run("kube_control_plane", **CONTROL)
    assert machine.run("kube_control_plane", state="absent")["actions"] == ["reset"]
    assert not (machine.root / "var/lib/etcd/member").exists()
    assert machine.run("kube_control_plane", state="absent")["changed"] is False


def test_worker_joins_once(machine: Machine) -> None:
    info = machine.run("kube_worker_info", node_name="worker1", endpoint=WORKER["endpoint"])
    assert (info["actions"], info["needs_token"], info["workers"]) == (["join"], True, [])
    assert "no token was given" in machine.run("kube_worker", **WORKER)["msg"]
    assert machine.run("kube_worker", **WORKER, **SECRET)["actions"] == ["join"]
    assert machine.calls == ["kubeadm join"]
    assert TOKEN in (machine.root / "joined-with").read_text()
    assert list((machine.root / "run").glob("*-join-*")) == []
    assert not (machine.root / "etc/kubernetes/bootstrap-kubelet.conf").exists()
    assert machine.run("kube_worker", **WORKER)["changed"] is False
    info = machine.run("kube_worker_info", node_name="worker1", endpoint=WORKER["endpoint"])
    assert info["workers"] == [{"phase": "joined", "answer": "registered"}]
    assert info["needs_token"] is False


@pytest.mark.parametrize(("stop", "actions"), [("begin", ["reset", "join"]), ("end", ["adopt"])])
def test_an_interrupted_join_is_adopted_or_done_again(machine: Machine, stop: str, actions: list[str]) -> None:
    (machine.root / "stop").write_text(stop)
    failed = machine.run("kube_worker", **WORKER, **SECRET)
    assert f"stopped at {stop}" in failed["msg"]
    assert machine.phase("worker") == "joining"
    (machine.root / "stop").unlink()
    assert machine.run("kube_worker", **WORKER, **SECRET)["actions"] == actions
    assert machine.phase("worker") == "joined"
    assert machine.run("kube_worker", **WORKER)["changed"] is False


def test_a_deleted_node_registers_again_and_a_remade_cluster_is_joined_again(machine: Machine) -> None:
    machine.run("kube_worker", **WORKER, **SECRET)
    (machine.root / "registered").unlink()
    assert machine.run("kube_worker", **WORKER)["actions"] == ["register"]
    (machine.root / "answer").write_text("x509: certificate signed by unknown authority")
    assert machine.run("kube_worker_info", node_name="worker1", endpoint="e")["needs_token"] is True
    (machine.root / "answer").write_text("dial tcp 10.77.0.11:6443: connect: connection refused")
    assert "no answer from the API server" in machine.run("kube_worker_info", node_name="worker1", endpoint="e", api_limit_seconds=1)["msg"]


def test_a_node_of_another_cluster_is_left_alone(machine: Machine) -> None:
    (machine.root / "etc/kubernetes").mkdir(parents=True)
    (machine.root / "etc/kubernetes/kubelet.conf").touch()
    for arguments in ({**WORKER, **SECRET}, {"state": "absent"}):
        assert "did not join it to" in machine.run("kube_worker", **arguments)["msg"]
    assert machine.calls == []


def test_token(machine: Machine) -> None:
    made = machine.run("kube_join_token", node_name="worker1", node_address="10.77.0.21")
    assert (made["token"], made["token_id"], made["ca_hashes"], made["deleted_node"]) == (TOKEN, "abcdef", [HASH], False)
    assert machine.run("kube_join_token", state="absent", token_id="abcdef", check=True)["changed"] is True
    assert machine.run("kube_join_token", state="absent", token_id="abcdef")["changed"] is True
    assert machine.run("kube_join_token", state="absent", token_id="abcdef")["changed"] is False
    assert "six lower-case letters" in machine.run("kube_join_token", state="absent", token_id="abc;ef")["msg"]


@pytest.mark.parametrize(("address", "deleted"), [("10.77.0.21", True), ("10.77.0.99", False)])
def test_token_clears_the_way_only_of_the_same_machine(machine: Machine, address: str, deleted: bool) -> None:
    (machine.root / "registered").touch()
    (machine.root / "node.json").write_text(json.dumps({"status": {"addresses": [{"type": "InternalIP", "address": address}]}}))
    made = machine.run("kube_join_token", node_name="worker1", node_address="10.77.0.21")
    assert made.get("deleted_node", False) is deleted
    assert ("another name" in made.get("msg", "")) is not deleted
    assert (machine.root / "registered").exists() is not deleted
