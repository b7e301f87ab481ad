"""Where the seconds of a start go: when a user's pod was made, placed, and its container started, as the API server tells it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.spawn_check.timing import percentile

# What a pod reaches, in order, and what the time before it was spent on. The last one is the hub's own word that the server answers.
PHASES = {
    "made": "hub: request to pod",
    "scheduled": "scheduler: pod to machine",
    "running": "kubelet: volume, network, container",
    "ready": "notebook server: start until the hub says ready",
}


def reached(pod: Any) -> set[str]:
    """The phases that a pod object shows it has reached."""
    found = {"made"}
    if pod.spec.node_name:
        found.add("scheduled")
    if any(status.state.running or status.state.terminated for status in pod.status.container_statuses or []):
        found.add("running")
    return found


def durations(asked: float, marks: Mapping[str, float], ready: float) -> dict[str, float] | None:
    """Seconds of each phase of one start; None when the pod was never seen. A phase that was missed counts to the next one."""
    if "made" not in marks:
        return None
    result, last = {}, asked
    for phase in PHASES:
        moment = ready if phase == "ready" else marks.get(phase, last)
        result[phase] = max(0.0, moment - last)
        last = max(last, moment)
    return result


def phase_rows(samples: Sequence[Mapping[str, float]]) -> list[tuple[str, str, str, str]]:
    """Rows (what, p50, p99, share of the whole) of a table."""
    whole = sum(sum(sample.values()) for sample in samples)
    rows = []
    for phase, text in PHASES.items():
        values = [sample[phase] for sample in samples]
        rows.append((text, f"{percentile(values, 50):.2f}", f"{percentile(values, 99):.2f}", f"{100 * sum(values) / whole:.0f} %"))
    return rows


class PodWatch(threading.Thread):
    """Follows everybody's notebook pods and notes, in this program's clock, when each was first seen to reach a phase."""

    def __init__(self, core: Any) -> None:
        super().__init__(daemon=True)
        self.core = core
        self.marks: dict[str, dict[str, float]] = {}
        self.nodes: dict[str, str] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        """Follows until ended; a watch that breaks is opened again."""
        from kubernetes import watch
        from kubernetes.client.exceptions import ApiException

        while not self.ended.is_set():
            try:
                for event in watch.Watch().stream(self.core.list_pod_for_all_namespaces, label_selector="component=singleuser-server", timeout_seconds=20):
                    self.note(event["object"])
                    if self.ended.is_set():
                        return
            except ApiException:
                self.ended.wait(1)

    def note(self, pod: Any) -> None:
        """Notes what a pod has reached."""
        now = time.monotonic()
        marks = self.marks.setdefault(pod.metadata.uid, {})
        for phase in reached(pod):
            marks.setdefault(phase, now)
        if pod.spec.node_name:
            self.nodes[pod.metadata.uid] = pod.spec.node_name

    def newest(self, since: float) -> str | None:
        """The pod that was made last, when that was after ``since``."""
        made = {uid: marks["made"] for uid, marks in list(self.marks.items()) if marks["made"] >= since}
        return max(made, key=made.__getitem__) if made else None
