"""What a cluster lacks, in sentences."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.ready import missing_daemonsets, missing_deployments, missing_nodes


def _node(name: str, status: str | None, message: str = "") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": status, "message": message}] if status else []
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def test_nodes() -> None:
    assert missing_nodes([_node("a", "True"), _node("other", "False")], ["a"]) == []
    assert missing_nodes([], ["a"]) == ["node a is not registered (on a: journalctl -u kubelet)"]
    (told,) = missing_nodes([_node("a", "False", "cni plugin not initialized")], ["a"])
    assert "cni plugin not initialized" in told
    assert "on a:" in told
    assert len(missing_nodes([_node("a", None)], ["a"])) == 1
    assert len(missing_nodes([_node("a", "Unknown", "Kubelet stopped posting node status.")], ["a"])) == 1


def _deployment(generation: int, observed: int, available: int | None, updated: int | None) -> dict[str, Any]:
    status = {"observedGeneration": observed, "availableReplicas": available, "updatedReplicas": updated}
    return {"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status}


@pytest.mark.parametrize(
    ("item", "lacking"),
    [
        (_deployment(1, 1, 2, 2), 0),
        (_deployment(1, 1, 1, 2), 1),
        (_deployment(1, 1, None, None), 1),
        (_deployment(2, 1, 2, 2), 1),
        (_deployment(2, 2, 2, 1), 1),
        (None, 1),
    ],
)
def test_deployments(item: dict[str, Any] | None, lacking: int) -> None:
    assert len(missing_deployments({"kube-system/coredns": item})) == lacking


def _daemonset(desired: int, ready: int | None, updated: int | None, observed: int = 1) -> dict[str, Any]:
    status = {"observedGeneration": observed, "desiredNumberScheduled": desired, "numberReady": ready, "updatedNumberScheduled": updated}
    return {"metadata": {"generation": 1}, "status": status}


@pytest.mark.parametrize(
    ("item", "lacking"),
    [
        (_daemonset(3, 3, 3), 0),
        (_daemonset(4, 4, 4), 0),
        (_daemonset(4, 3, 4), 1),
        # Not yet scheduled at all, or a node has only just joined.
        (_daemonset(0, None, None), 1),
        (_daemonset(2, 2, 2), 1),
        (_daemonset(3, 3, 2), 1),
        (_daemonset(3, 3, 3, observed=0), 1),
        (None, 1),
    ],
)
def test_daemonsets(item: dict[str, Any] | None, lacking: int) -> None:
    assert len(missing_daemonsets({"kube-flannel/flannel": item}, 3)) == lacking
