# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules do about many spaces at once, with few requests: everything is listed in whole kinds, only differences are written.

Two ways, with the same specs. `Resources` writes UserSpaces, and the controller does the rest. `Direct` does what the controller would do,
by the same `lifecycle.decide`, for clusters without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any

from . import ids, names
from .client import CONNECTIONS, ApiError, Client
from .compare import Repair, settle, view
from .errors import SpaceError
from .lifecycle import Decision, Removal, World, decide
from .paths import OWNED
from .spec import Policy, Space

Object = dict[str, Any]


@dataclass
class Outcome:
    """What became of one space: ``change`` is created, changed, removed or none."""

    name: str
    user: str
    change: str = "none"
    status: Object = field(default_factory=dict)
    ready: bool = False
    reason: str = ""
    message: str = ""

    @property
    def settled(self) -> bool:
        """Whether waiting would bring nothing more."""
        return self.ready or self.reason in ("Disabled", "Archived", "Removed", "Refused", "NamespaceTaken", "ClaimsLeft")


def merged(current: Mapping[str, Any], given: Mapping[str, Any]) -> Object:
    """Return a spec with what is given; what is not given stays. ``home`` and ``quota`` are merged by their keys."""
    result = {**current, **given}
    for key in ("home", "quota"):
        if key in current and key in given:
            result[key] = {**current[key], **given[key]}
    return result


def checked(specs: Iterable[Mapping[str, Any]]) -> dict[str, Object]:
    """Return the specs by the name of their space, all checked. Raises SpaceError for a wrong one and for a user who is there twice."""
    found: dict[str, Object] = {}
    for spec in specs:
        space = Space.read(spec)
        if space.name in found:
            raise SpaceError("Refused", f"{space.user} is in the list twice; leave one of them out")
        found[space.name] = dict(spec)
    return found


def now() -> str:
    """The time, as the API writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_parallel(jobs: Iterable[Callable[[], Any]]) -> None:
    """Run jobs on as many connections as there are; the first exception is raised when all have ended."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for future in [pool.submit(job) for job in jobs]:
            future.result()


def condition(item: Mapping[str, Any], name: str = "Ready") -> Object:
    """Return a condition of an object, empty if it has none of that name."""
    found = [entry for entry in (item.get("status") or {}).get("conditions") or [] if entry.get("type") == name]
    return dict(found[0]) if found else {}


def kind_namespace_name(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what an object is found by."""
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


class Resources:
    """UserSpaces in the hub's namespace."""

    def __init__(self, client: Client, namespace: str, specs: Mapping[str, Object], present: bool) -> None:
        self._client, self._namespace, self._specs, self._present = client, namespace, specs, present
        self.diffs: list[tuple[Object | None, Object | None]] = []
        self.outcomes = {name: Outcome(name, spec["user"]) for name, spec in specs.items()}

    def _listed(self) -> dict[str, Object]:
        try:
            return {item["metadata"]["name"]: item for item in self._client.list("UserSpace", self._namespace)}
        except ApiError as error:
            if error.status == 404:
                text = "the cluster knows no UserSpaces: run role user_spaces first, or give controller: false to make the spaces from here"
                raise SpaceError("Refused", text) from error
            raise

    def run(self, check: bool) -> None:
        """Write what differs; with ``check`` only find out."""
        there = self._listed()
        jobs: list[Callable[[], Any]] = []
        for name, spec in self._specs.items():
            current, outcome = there.get(name), self.outcomes[name]
            if not self._present:
                if current is not None:
                    outcome.change = "removed"
                    self.diffs.append((view({**current, "apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": names.KIND}), None))
                    jobs.append(partial(self._client.delete, "UserSpace", self._namespace, name, current["metadata"]["uid"]))
                continue
            wanted = {
                "apiVersion": f"{names.GROUP}/{names.VERSION}",
                "kind": names.KIND,
                "metadata": {"name": name, "namespace": self._namespace},
                "spec": merged((current or {}).get("spec") or {"state": "active"}, spec),
            }
            repair = settle(current, wanted)
            if repair is not None:
                outcome.change = "created" if current is None else "changed"
                self.diffs.append((repair.before, view(repair.body)))
                jobs.append(partial(self._client.create if repair.verb == "create" else self._client.replace, repair.body))
        if jobs and not check:
            in_parallel(jobs)
            there = self._listed()  # what was written has not been seen by the controller yet, and says so by its generation
        self._look(there)

    def _look(self, there: Mapping[str, Object]) -> bool:
        for name, outcome in self.outcomes.items():
            item = there.get(name)
            if item is None:
                outcome.ready, outcome.reason = False, "" if self._present else "Removed"
                continue
            ready = condition(item)
            current = (item.get("status") or {}).get("observedGeneration") == item["metadata"].get("generation")
            outcome.status = {key: value for key, value in (item.get("status") or {}).items() if key != "conditions"}
            outcome.ready = current and ready.get("status") == "True"
            outcome.reason, outcome.message = (ready.get("reason", ""), ready.get("message", "")) if current else ("", "the controller has not seen it yet")
        return all(outcome.settled for outcome in self.outcomes.values())

    def look(self) -> bool:
        """Read again; whether every space is settled."""
        return self._look(self._listed())


class Direct:
    """The objects themselves, for a cluster without the controller."""

    def __init__(self, client: Client, namespace: str, specs: Mapping[str, Object], present: bool, policy: Policy) -> None:
        self._client, self._namespace, self._specs, self._present, self._policy = client, namespace, specs, present, policy
        self.diffs: list[tuple[Object | None, Object | None]] = []
        self.outcomes = {name: Outcome(name, spec["user"]) for name, spec in specs.items()}
        self._status: dict[str, Object] = {}
        self._ids: dict[str, int] = {}

    def _worlds(self) -> dict[str, World]:
        """What is there of each space."""
        listed = {kind: self._client.list(kind, labelSelector=names.SPACE_LABEL) for kind in ("Namespace", *OWNED)}
        volumes, classes = ({item["metadata"]["name"]: item for item in self._client.list(kind)} for kind in ("PersistentVolume", "StorageClass"))
        leaving = not self._present or any(spec.get("state", "active") != "active" for spec in self._specs.values())
        # Pods have no label of the space: they are asked for only when some have to be stopped.
        pods = self._client.list("Pod") if leaving else []
        spaces = {item["metadata"]["name"]: item for item in listed["Namespace"]}
        worlds = {}
        for name in self._specs:
            where = self._policy.prefix + name
            own = {(kind, item["metadata"]["name"]): item for kind in OWNED for item in listed[kind] if item["metadata"]["namespace"] == where}
            theirs = {pod["metadata"]["name"]: pod for pod in pods if pod["metadata"]["namespace"] == where}
            worlds[name] = World(spaces.get(where), own, theirs, volumes, classes)
        return worlds

    def _assign_ids(self, check: bool) -> None:
        where = ("ConfigMap", self._namespace, names.IDS_CONFIG_MAP)
        current = self._client.get(*where)
        try:
            self._ids = ids.read((current or {}).get("data"))
        except ValueError as error:
            raise SpaceError("Refused", str(error)) from error
        added = ids.assign(self._ids, [(name, spec.get("uid")) for name, spec in self._specs.items()], self._policy.first_uid) if self._present else {}
        if not added:
            return
        self._ids.update(added)
        body = current or {"metadata": {"name": names.IDS_CONFIG_MAP, "namespace": self._namespace}}
        body = {
            **body,
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "data": {**((current or {}).get("data") or {}), **{key: str(uid) for key, uid in added.items()}},
        }
        if not check:
            (self._client.create if current is None else self._client.replace)(body)

    def _decide(self, name: str, world: World) -> Decision:
        item: Object = {"metadata": {"name": name, "generation": 1}, "spec": self._specs[name], "status": self._status.get(name, {})}
        if not self._present:
            item["metadata"]["deletionTimestamp"] = now()
        decision = decide(item, world, self._policy, self._ids.get(name), now())
        self._status[name] = decision.status
        return decision

    def _carry_out(self, waves: list[list[Repair | Removal]]) -> None:
        for wave in waves:
            for action in wave:
                try:
                    self._do(action)
                except ApiError as error:
                    if error.status != 409:  # somebody else was faster: the next round sees what they made
                        raise

    def _do(self, action: Repair | Removal) -> None:
        if isinstance(action, Removal):
            self._client.delete(action.kind, action.namespace, action.name, action.uid)
            return
        kind, where, name = key = kind_namespace_name(action.body)
        if action.verb == "update":
            self._client.replace(action.body)
            return
        there = self._client.get(*key) if action.verb == "replace" or kind == "ServiceAccount" else None
        if there is not None and action.verb == "create":
            # The cluster makes an account in every namespace by itself, without the label by which ours are found.
            mend = settle(there, action.body)
            if mend is not None:
                self._client.replace(mend.body)
            return
        if there is not None:
            self._client.delete(kind, where, name, there["metadata"]["uid"])
        self._client.create(action.body)

    def _round(self, check: bool) -> bool:
        """One look and what follows from it; whether every space is settled with nothing left to do."""
        self._assign_ids(check)
        done = True
        jobs: list[Callable[[], Any]] = []
        for name, world in self._worlds().items():
            decision, outcome = self._decide(name, world), self.outcomes[name]
            outcome.status, outcome.ready, outcome.reason, outcome.message = decision.status, decision.ready, decision.reason, decision.message
            if decision.waves:
                made = world.namespace is None and any(isinstance(action, Repair) for wave in decision.waves for action in wave)
                if outcome.change == "none":
                    outcome.change = "created" if made else "changed" if self._present else "removed"
                self.diffs += [
                    (action.before, view(action.body)) if isinstance(action, Repair) else ({"kind": action.kind, "name": action.name}, None)
                    for wave in decision.waves
                    for action in wave
                ]
                jobs.append(partial(self._carry_out, decision.waves))
            done = done and outcome.settled and not decision.waves
        if not check:
            in_parallel(jobs)
        return done

    def run(self, check: bool) -> None:
        """Write what differs; with ``check`` only find out what the first step would be."""
        self._round(check)

    def look(self) -> bool:
        """Look again and do what is next; whether every space is settled."""
        return self._round(check=False)


def as_text(items: Iterable[Object | None]) -> str:
    """Return objects as text for a diff, one after the other."""
    return "".join(json.dumps(item, indent=1, sort_keys=True) + "\n" for item in items if item is not None)
