# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which state kubeadm left a machine in, and what follows from it. Pure; the modules do the reading and the acting."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ETC = "/etc/kubernetes"
ADMIN_KUBECONFIG = f"{ETC}/admin.conf"
KUBELET_KUBECONFIG = f"{ETC}/kubelet.conf"
BOOTSTRAP_KUBECONFIG = f"{ETC}/bootstrap-kubelet.conf"
MANIFESTS = tuple(f"{ETC}/manifests/{name}.yaml" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"))
ETCD_DATA = "/var/lib/etcd/member"
LOOK = "Look at: journalctl -u kubelet; crictl ps -a; crictl logs <id>"
_TOKEN = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b")


@dataclass(frozen=True)
class ControlPlaneFacts:
    """What lies on a machine: the phase our marker tells ('', 'initializing', 'initialized'), and which things of kubeadm exist."""

    phase: str
    admin_kubeconfig: bool
    leftovers: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """What to do, in order, and the reason a person reads. ``refuse`` is the sentence of a failure, if any."""

    actions: tuple[str, ...]
    reason: str
    refuse: str = ""


def decide_control_plane(facts: ControlPlaneFacts, host: str) -> Decision:
    """Return the steps ('reset', 'init') that make ``host`` a control plane.

    A machine is reset only when our own marker says that its first start never finished; nothing of a cluster that once was healthy, or of
    one made by somebody else, is ever taken away.
    """
    if facts.phase == "initialized":
        if facts.admin_kubeconfig:
            return Decision((), "initialized")
        return Decision(
            (),
            "lost",
            f"{host} was made a control plane before, but {ADMIN_KUBECONFIG} is gone. Restore {ETC} from a backup, or give the cluster up with"
            f" 'kubeadm reset' on {host}, remove /var/lib/airavata-jupyterhub/kube there and run again.",
        )
    if facts.phase == "initializing":
        return Decision(("reset", "init"), "an earlier first start was interrupted")
    if facts.leftovers:
        return Decision(
            (),
            "foreign",
            f"{host} carries a cluster that this role did not make ({', '.join(facts.leftovers)}). Take it away with 'kubeadm reset' on {host} if"
            " nobody needs it, or take the machine out of the inventory.",
        )
    return Decision(("init",), "new")


@dataclass(frozen=True)
class WorkerFacts:
    """What lies on a worker and what the API server says to its own credential.

    ``phase`` is our marker ('', 'joining', 'joined'); ``answer`` is '' without a credential, else see :func:`classify_answer`.
    """

    phase: str
    kubelet_kubeconfig: bool
    answer: str


def classify_answer(rc: int, stderr: str) -> str:
    """Classify what kubectl said when a node asked for its own Node object: registered, not_found, refused or unreachable."""
    if rc == 0:
        return "registered"
    lower = stderr.lower()
    if "notfound" in lower or "not found" in lower:
        return "not_found"
    # A remade cluster (other CA), a certificate that ran out, or a credential for another node's name.
    if any(word in lower for word in ("x509", "unauthorized", "forbidden", "must be logged in", "provide credentials")):
        return "refused"
    if "unable to read client" in lower or "no such file" in lower:
        return "refused"
    return "unreachable"


def decide_worker(facts: WorkerFacts, host: str, endpoint: str) -> Decision:
    """Return the steps ('reset', 'join', 'adopt', 'register') that make ``host`` a node of the cluster at ``endpoint``.

    'adopt' only writes the marker: an interrupted join that the kubelet finished by itself. 'register' restarts the kubelet, which makes
    its Node object anew.
    """
    if not facts.kubelet_kubeconfig:
        return Decision(("reset", "join"), "an earlier join was interrupted") if facts.phase == "joining" else Decision(("join",), "new")
    if not facts.phase:
        return Decision(
            (),
            "foreign",
            f"{host} is a node of a cluster that this role did not join it to ({KUBELET_KUBECONFIG}). Take it away with 'kubeadm reset' on"
            f" {host} if nobody needs it, or take the machine out of the inventory.",
        )
    if facts.answer == "registered":
        return Decision((), "joined") if facts.phase == "joined" else Decision(("adopt",), "an interrupted join had come through")
    if facts.answer == "refused":
        return Decision(("reset", "join"), f"the API server at {endpoint} no longer accepts this machine's credential")
    if facts.phase == "joining":
        return Decision(("reset", "join"), "an earlier join was interrupted")
    if facts.answer == "not_found":
        return Decision(("register",), "its Node object was deleted")
    return Decision(
        (),
        "unreachable",
        f"{host} gets no answer from the API server at {endpoint}. Look at the network between them and, on the control plane, at: crictl ps -a"
        " --name kube-apiserver",
    )


def mask_tokens(text: str) -> str:
    """Return ``text`` without bootstrap tokens; only their public part (the id) is left."""
    return _TOKEN.sub(lambda match: match.group(0)[:7] + "****************", text)


def last_lines(text: str, count: int = 8) -> str:
    """Return the last lines that say something, joined, without tokens: the end of a program's output for an error message."""
    lines = [line.strip() for line in mask_tokens(text).splitlines() if line.strip() and not line.startswith("To see the stack trace")]
    return " | ".join(lines[-count:])


def kubeadm_reason(stderr: str, stdout: str) -> str:
    """Return why kubeadm ended: its own error lines, without the log of every attempt; the end of its story when there are none."""
    named = [line.strip() for line in mask_tokens(stderr).splitlines() if line.strip().startswith(("[ERROR", "error:"))]
    return " | ".join(dict.fromkeys(named)) or last_lines(stderr, 6) or last_lines(stdout)


def parse_join_command(text: str) -> dict[str, Any]:
    """Parse what ``kubeadm token create --print-join-command`` prints.

    Returns token, token_id, endpoint and ca_hashes. Raises ValueError when the line is not there.
    """
    for line in text.splitlines():
        words = line.split()
        if words[:2] != ["kubeadm", "join"]:
            continue
        options: dict[str, list[str]] = {}
        for key, value in zip(words, words[1:]):
            if key.startswith("--"):
                options.setdefault(key, []).append(value)
        token = options.get("--token", [""])[0]
        hashes = options.get("--discovery-token-ca-cert-hash", [])
        if _TOKEN.fullmatch(token) and hashes and len(words) > 2:
            return {"token": token, "token_id": token[:6], "endpoint": words[2], "ca_hashes": hashes}
    raise ValueError("no join command in the output of kubeadm")


def join_configuration(
    *,
    node_name: str,
    node_address: str,
    endpoint: str,
    token: str,
    ca_hashes: Sequence[str],
    ignored_preflight_errors: Sequence[str],
    cri_socket: str,
    limit_seconds: int,
) -> str:
    """Return a kubeadm v1beta4 JoinConfiguration as JSON (which is YAML). It holds a secret: keep it in a file of mode 0600."""
    return json.dumps(
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "JoinConfiguration",
            "discovery": {"bootstrapToken": {"apiServerEndpoint": endpoint, "token": token, "caCertHashes": list(ca_hashes)}},
            "nodeRegistration": {
                "name": node_name,
                "criSocket": cri_socket,
                "imagePullPolicy": "IfNotPresent",
                "kubeletExtraArgs": [{"name": "node-ip", "value": node_address}],
                "ignorePreflightErrors": list(ignored_preflight_errors),
            },
            "timeouts": {"kubeletHealthCheck": f"{limit_seconds}s", "tlsBootstrap": f"{limit_seconds}s", "discovery": f"{limit_seconds}s"},
        }
    )


def node_claim(node: Mapping[str, Any] | None, address: str, name: str) -> tuple[bool, str]:
    """Decide about a Node object that bears the name of a machine about to join.

    Returns (delete it, sentence of a refusal). A Node with this machine's address is what an interrupted join or a remade machine left, and
    kubeadm would refuse to join beside it; one with another address is another machine.
    """
    if node is None:
        return False, ""
    addresses = [entry.get("address") for entry in node.get("status", {}).get("addresses", []) if entry.get("type") == "InternalIP"]
    if not addresses or address in addresses:
        return True, ""
    others = ", ".join(str(entry) for entry in addresses)
    return False, f"The cluster has a node named {name} at {others}, and this {name} is at {address}. Give one of them another name."
