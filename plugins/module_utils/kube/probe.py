# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of the probe that proves that network policies are enforced. Pure."""

from __future__ import annotations

from typing import Any

PORT = 8080


def namespace(name: str) -> dict[str, Any]:
    """Return a throwaway namespace under the restricted Pod Security level."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted", "app.kubernetes.io/managed-by": "airavata-jupyterhub-probe"}},
    }


def pod(name: str, image: str, command: list[str], node: str | None) -> dict[str, Any]:
    """Return a pod that satisfies the restricted level; ``node`` pins it, which a probe across machines needs."""
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": name,
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "workingDir": "/",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            }
        ],
    }
    if node:
        # Affinity and not nodeName: the scheduler must still say no to a node that cannot take the pod.
        spec["affinity"] = {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
                }
            }
        }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def server_command(python: str) -> list[str]:
    """Return the command of a pod that accepts connections on PORT and says hello on each."""
    program = (
        "import socket\n"
        f"server = socket.create_server(('', {PORT}))\n"
        "while True:\n"
        "    peer, _ = server.accept()\n"
        "    peer.sendall(b'hello')\n"
        "    peer.close()\n"
    )
    return [python, "-c", program]


def client_command(python: str) -> list[str]:
    """Return the command of a pod that only stays, for commands to be run in it."""
    return [python, "-c", "import time\nwhile True: time.sleep(3600)"]


def ask_command(python: str, address: str, limit_seconds: float) -> list[str]:
    """Return what the client runs to try the server once: it prints open or closed."""
    program = (
        "import socket\n"
        "try:\n"
        f"    peer = socket.create_connection(({address!r}, {PORT}), {limit_seconds!r})\n"
        f"    peer.settimeout({limit_seconds!r})\n"
        "    print('open' if peer.recv(5) == b'hello' else 'closed')\n"
        "except OSError:\n"
        "    print('closed')\n"
    )
    return [python, "-c", program]


def deny_all() -> dict[str, Any]:
    """Return the policy that isolates every pod of the namespace, in both directions.

    Both ends have to be isolated: where only the server is, its replies are allowed as traffic of their own, and a kernel that forgets which
    connections were accepted (no labels on connections from a queue's verdict) goes unnoticed.
    """
    return _policy("deny-all", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def allow_ingress() -> dict[str, Any]:
    """Return the policy that lets the client reach the server, as the server's end sees it."""
    way = {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"protocol": "TCP", "port": PORT}]}
    return _policy("allow-ingress", {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"], "ingress": [way]})


def allow_egress() -> dict[str, Any]:
    """Return the policy that lets the client reach the server, as the client's end sees it."""
    way = {"to": [{"podSelector": {"matchLabels": {"app": "server"}}}], "ports": [{"protocol": "TCP", "port": PORT}]}
    return _policy("allow-egress", {"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"], "egress": [way]})


def _policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
