# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster still lacks: pure functions on API objects (as dicts) that return one sentence for each thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def condition(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the condition ``name`` of an object, or an empty mapping."""
    for entry in item.get("status", {}).get("conditions") or []:
        if entry.get("type") == name:
            return dict(entry)
    return {}


def missing_nodes(nodes: Iterable[Mapping[str, Any]], wanted: Sequence[str]) -> list[str]:
    """Name the wanted nodes that are not registered or not Ready, each with its own reason and where to look."""
    found = {node["metadata"]["name"]: node for node in nodes}
    lacking = []
    for name in wanted:
        if name not in found:
            lacking.append(f"node {name} is not registered (on {name}: journalctl -u kubelet)")
            continue
        ready = condition(found[name], "Ready")
        if ready.get("status") != "True":
            why = ready.get("message") or ready.get("reason") or "no status yet"
            lacking.append(f"node {name} is not Ready: {why} (on {name}: journalctl -u kubelet; crictl ps -a)")
    return lacking


def missing_deployments(deployments: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Name the deployments (keyed namespace/name; None: absent) that are not available in their newest generation."""
    lacking = []
    for key, item in deployments.items():
        namespace, _slash, name = key.partition("/")
        look = f"kubectl -n {namespace} describe deployment {name}; kubectl -n {namespace} get pods"
        if item is None:
            lacking.append(f"deployment {key} does not exist")
            continue
        status = item.get("status", {})
        wanted = item.get("spec", {}).get("replicas", 1)
        current = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        available = status.get("availableReplicas") or 0
        if not current or available < wanted or (status.get("updatedReplicas") or 0) < wanted:
            lacking.append(f"deployment {key} has {available} of {wanted} pods available ({look})")
    return lacking


def missing_daemonsets(daemonsets: Mapping[str, Mapping[str, Any] | None], nodes: int) -> list[str]:
    """Name the daemon sets (keyed namespace/name; None: absent) that do not run their newest generation on at least ``nodes`` nodes."""
    lacking = []
    for key, item in daemonsets.items():
        namespace, _slash, name = key.partition("/")
        look = f"kubectl -n {namespace} describe daemonset {name}; kubectl -n {namespace} get pods -o wide"
        if item is None:
            lacking.append(f"daemon set {key} does not exist")
            continue
        status = item.get("status", {})
        wanted = max(status.get("desiredNumberScheduled") or 0, nodes)
        current = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        good = min(status.get("numberReady") or 0, status.get("updatedNumberScheduled") or 0)
        if not current or good < wanted:
            lacking.append(f"daemon set {key} is ready on {good} of {wanted} nodes ({look})")
    return lacking
