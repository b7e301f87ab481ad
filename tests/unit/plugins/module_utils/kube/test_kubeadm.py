"""Tables of what kubeadm can leave behind, and what follows from it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import (
    ControlPlaneFacts,
    WorkerFacts,
    classify_answer,
    decide_control_plane,
    decide_worker,
    join_configuration,
    kubeadm_reason,
    last_lines,
    mask_tokens,
    node_claim,
    parse_join_command,
)

TOKEN = "abcdef.0123456789abcdef"


@pytest.mark.parametrize(
    ("phase", "admin", "leftovers", "actions", "refused"),
    [
        ("", False, (), ("init",), ""),
        ("initializing", False, (), ("reset", "init"), ""),
        ("initializing", False, ("/etc/kubernetes/manifests/etcd.yaml",), ("reset", "init"), ""),
        ("initializing", True, ("/etc/kubernetes/admin.conf",), ("reset", "init"), ""),
        ("initialized", True, ("/etc/kubernetes/admin.conf",), (), ""),
        ("initialized", False, ("/var/lib/etcd/member",), (), "is gone"),
        ("initialized", False, (), (), "is gone"),
        ("", False, ("/var/lib/etcd/member",), (), "did not make (/var/lib/etcd/member)"),
        ("", True, ("/etc/kubernetes/admin.conf",), (), "did not make"),
    ],
)
def test_control_plane(phase: str, admin: bool, leftovers: tuple[str, ...], actions: tuple[str, ...], refused: str) -> None:
    decision = decide_control_plane(ControlPlaneFacts(phase, admin, leftovers), "control1")
    assert decision.actions == actions
    assert bool(decision.refuse) == bool(refused)
    assert refused in decision.refuse
    assert not decision.refuse or "control1" in decision.refuse


def test_a_cluster_that_was_healthy_is_never_reset() -> None:
    for admin in (True, False):
        for leftovers in ((), ("/var/lib/etcd/member",)):
            for phase in ("", "initialized"):
                assert "reset" not in decide_control_plane(ControlPlaneFacts(phase, admin, leftovers), "c").actions


@pytest.mark.parametrize(
    ("phase", "kubeconfig", "answer", "actions", "refused"),
    [
        ("", False, "", ("join",), ""),
        ("joined", False, "", ("join",), ""),
        ("joining", False, "", ("reset", "join"), ""),
        ("joined", True, "registered", (), ""),
        ("joining", True, "registered", ("adopt",), ""),
        ("joining", True, "not_found", ("reset", "join"), ""),
        ("joining", True, "unreachable", ("reset", "join"), ""),
        ("joined", True, "not_found", ("register",), ""),
        ("joined", True, "refused", ("reset", "join"), ""),
        ("joining", True, "refused", ("reset", "join"), ""),
        ("joined", True, "unreachable", (), "no answer from the API server at 10.77.0.11:6443"),
        ("", True, "registered", (), "did not join it to"),
        ("", True, "unreachable", (), "did not join it to"),
    ],
)
def test_worker(phase: str, kubeconfig: bool, answer: str, actions: tuple[str, ...], refused: str) -> None:
    decision = decide_worker(WorkerFacts(phase, kubeconfig, answer), "worker1", "10.77.0.11:6443")
    assert decision.actions == actions
    assert bool(decision.refuse) == bool(refused)
    assert refused in decision.refuse


@pytest.mark.parametrize(
    ("rc", "stderr", "answer"),
    [
        (0, "", "registered"),
        (1, 'Error from server (NotFound): nodes "worker1" not found', "not_found"),
        (1, "error: You must be logged in to the server (Unauthorized)", "refused"),
        (1, "tls: failed to verify certificate: x509: certificate signed by unknown authority", "refused"),
        (1, 'Error from server (Forbidden): nodes "worker1" is forbidden', "refused"),
        (1, "error: unable to read client-cert /var/lib/kubelet/pki/kubelet-client-current.pem: no such file or directory", "refused"),
        (1, "The connection to the server 10.77.0.11:6443 was refused - did you specify the right host or port?", "unreachable"),
        (1, "dial tcp 10.77.0.11:6443: i/o timeout", "unreachable"),
        (124, "no end after 20 s", "unreachable"),
    ],
)
def test_classify_answer(rc: int, stderr: str, answer: str) -> None:
    assert classify_answer(rc, stderr) == answer


def test_parse_join_command() -> None:
    line = f"kubeadm join 10.77.0.11:6443 --token {TOKEN} --discovery-token-ca-cert-hash sha256:{'a' * 64} "
    assert parse_join_command(f"W1123 warning\n{line}\n") == {
        "token": TOKEN,
        "token_id": "abcdef",
        "endpoint": "10.77.0.11:6443",
        "ca_hashes": [f"sha256:{'a' * 64}"],
    }


@pytest.mark.parametrize(
    "text", ["", "kubeadm join", f"kubeadm join 10.77.0.11:6443 --token {TOKEN}", "kubeadm join a:1 --token x --discovery-token-ca-cert-hash y"]
)
def test_parse_join_command_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="no join command"):
        parse_join_command(text)


def test_tokens_never_reach_a_message() -> None:
    assert mask_tokens(f"--token {TOKEN} x") == "--token abcdef.**************** x"
    told = last_lines(f"first\n\nerror: token {TOKEN} is invalid\nTo see the stack trace of this error execute with --v=5 or higher\n", 2)
    assert told == "first | error: token abcdef.**************** is invalid"


def test_kubeadm_reason() -> None:
    stderr = "E1123 pull failed\n\t[ERROR ImagePull]: no image a\n\t[ERROR ImagePull]: no image a\nerror: preflight checks failed\nTo see the stack trace"
    assert kubeadm_reason(stderr, "story") == "[ERROR ImagePull]: no image a | error: preflight checks failed"
    assert kubeadm_reason("", f"first\nlast {TOKEN}\n") == "first | last abcdef.****************"


def test_join_configuration() -> None:
    config = json.loads(
        join_configuration(
            node_name="worker1",
            node_address="10.77.0.21",
            endpoint="10.77.0.11:6443",
            token=TOKEN,
            ca_hashes=["sha256:a"],
            ignored_preflight_errors=["SystemVerification"],
            cri_socket="unix:///run/containerd/containerd.sock",
            limit_seconds=60,
        )
    )
    assert config["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert config["discovery"]["bootstrapToken"] == {"apiServerEndpoint": "10.77.0.11:6443", "token": TOKEN, "caCertHashes": ["sha256:a"]}
    assert config["nodeRegistration"]["kubeletExtraArgs"] == [{"name": "node-ip", "value": "10.77.0.21"}]
    assert config["nodeRegistration"]["ignorePreflightErrors"] == ["SystemVerification"]


def _node(*addresses: str) -> dict[str, object]:
    return {"status": {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]}}


@pytest.mark.parametrize(
    ("node", "delete", "refused"),
    [
        (None, False, False),
        (_node("10.77.0.21"), True, False),
        (_node(), True, False),
        ({}, True, False),
        (_node("10.77.0.22"), False, True),
    ],
)
def test_node_claim(node: dict[str, object] | None, delete: bool, refused: bool) -> None:
    assert node_claim(node, "10.77.0.21", "worker1")[0] is delete
    assert bool(node_claim(node, "10.77.0.21", "worker1")[1]) is refused
