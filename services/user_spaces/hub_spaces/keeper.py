"""The loop: whatever changed wakes the space it belongs to, and one worker at a time looks what to do about that space, and does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from user_space import ids, names, report
from user_space.compare import Repair, settle
from user_space.lifecycle import Decision, Removal, World, decide
from user_space.paths import OWNED
from user_space.spec import Policy

from .api import Api, ApiError
from .store import Store

log = logging.getLogger(__name__)
Object = dict[str, Any]
_WORKERS = 8
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 60.0


def now() -> str:
    """The time, as the API writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(item: Mapping[str, Any], decision: Decision, time: str) -> list[Object]:
    """Return the conditions after a decision. The time of a condition changes with its status only."""
    status = "True" if decision.ready else "False"
    old: Object = next((entry for entry in (item.get("status") or {}).get("conditions") or [] if entry["type"] == "Ready"), {})
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    generation = item["metadata"].get("generation", 0)
    return [
        {
            "type": "Ready",
            "status": status,
            "reason": decision.reason,
            "message": decision.message,
            "lastTransitionTime": since or time,
            "observedGeneration": generation,
        }
    ]


class Ids:
    """The list of user ids in the cluster. Written before an id is used, over the version that was read."""

    def __init__(self, api: Api, namespace: str, first: int) -> None:
        self._api, self._namespace, self._first = api, namespace, first
        self._lock = asyncio.Lock()
        self._known: dict[str, int] | None = None

    async def of(self, name: str, waiting: Mapping[str, int | None]) -> int:
        """Return the id of a space. All that are ``waiting`` (with their wish) get theirs in the same write."""
        async with self._lock:
            if self._known is not None and name in self._known:
                return self._known[name]
            waiting = {name: None, **waiting}
            current = await self._api.get("ConfigMap", self._namespace, names.IDS_CONFIG_MAP)
            known = ids.read((current or {}).get("data"))
            added = ids.assign(known, waiting.items(), self._first)
            if added:
                body = current or {"metadata": {"name": names.IDS_CONFIG_MAP, "namespace": self._namespace}}
                data = {**(body.get("data") or {}), **{key: str(uid) for key, uid in added.items()}}
                body = {**body, "apiVersion": "v1", "kind": "ConfigMap", "data": data}
                await (self._api.create(body) if current is None else self._api.replace(body))
            self._known = {**known, **added}
            return self._known[name]

    def known(self, name: str) -> int | None:
        """Return the id of a space if it was read lately."""
        return (self._known or {}).get(name)

    def forget(self) -> None:
        """Read the list again before it is used next."""
        self._known = None


class Keeper:
    """Keeps the spaces of one namespace.

    :param period_seconds: how often everything is looked at even if nothing changed.
    """

    def __init__(self, api: Api, store: Store, policy: Policy, namespace: str, period_seconds: float) -> None:
        self._api, self._store, self._policy, self._namespace, self._period = api, store, policy, namespace, period_seconds
        self._ids = Ids(api, namespace, policy.first_uid)
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}
        self._orphans: set[tuple[str, str]] = set()

    def wake(self, name: str) -> None:
        """Have a space looked at soon, once, however often this is called before."""
        if name not in self._waiting:
            self._waiting.add(name)
            self._queue.put_nowait(name)

    def wake_all(self) -> None:
        """Have every space looked at."""
        for name in self._store.spaces():
            self.wake(name)

    async def run(self) -> None:
        """Work until cancelled."""
        workers = [asyncio.create_task(self._work()) for _number in range(_WORKERS)]
        try:
            while True:
                await asyncio.sleep(self._period)
                self._ids.forget()
                self.wake_all()
                self._tell_orphans()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _tell_orphans(self) -> None:
        found = report.orphans(self._store.spaces().values(), self._store.namespaces().values(), [], None)
        keys = {(str(orphan["kind"]), str(orphan["name"])) for orphan in found}
        for kind, name in sorted(keys - self._orphans):
            log.warning("%s %s belongs to no UserSpace: make one for its user, or delete it", kind, name)
        self._orphans = keys

    async def _work(self) -> None:
        while True:
            name = await self._queue.get()
            self._waiting.discard(name)
            if name in self._busy:
                asyncio.get_running_loop().call_later(_FIRST_PAUSE_SECONDS, self.wake, name)
                continue
            self._busy.add(name)
            try:
                await self._look(name)
                self._failures.pop(name, None)
            except Exception as error:  # one space must not stop the others; what went wrong is tried again
                count = self._failures[name] = self._failures.get(name, 0) + 1
                pause = min(_FIRST_PAUSE_SECONDS * 2 ** (count - 1), _LONGEST_PAUSE_SECONDS)
                known = isinstance(error, (ApiError, ValueError))
                conflict = isinstance(error, ApiError) and error.status == 409
                log.log(logging.DEBUG if conflict else logging.WARNING, "%s: %s; tried again in %.1f s", name, error, pause, exc_info=not known)
                asyncio.get_running_loop().call_later(pause, self.wake, name)
            finally:
                self._busy.discard(name)

    def _world(self, name: str) -> World:
        where = self._policy.prefix + name
        objects = {(kind, item["metadata"]["name"]): item for kind in OWNED for item in self._store.within(kind, where)}
        pods = {item["metadata"]["name"]: item for item in self._store.within("Pod", where)}
        return World(self._store.namespaces().get(where), objects, pods, self._store.volumes(), self._store.classes())

    async def _uid(self, item: Object) -> int | None:
        name = item["metadata"]["name"]
        if item["metadata"].get("deletionTimestamp") or self._ids.known(name) is not None:
            return self._ids.known(name)
        waiting = {}
        for other, space in sorted(self._store.spaces().items(), key=lambda pair: str(pair[1]["metadata"].get("creationTimestamp", ""))):
            # One that the list has forgotten gets what it has been using.
            waiting[other] = (space.get("status") or {}).get("uid") or space["spec"].get("uid")
        return await self._ids.of(name, waiting)

    async def _look(self, name: str) -> None:
        item = self._store.spaces().get(name)
        if item is None:
            return
        finalizers = item["metadata"].get("finalizers") or []
        deleted = bool(item["metadata"].get("deletionTimestamp"))
        if deleted and names.FINALIZER not in finalizers:
            return
        if not deleted and names.FINALIZER not in finalizers:
            # Before anything is made, so that nothing is left behind.
            item = await self._api.replace({**item, "metadata": {**item["metadata"], "finalizers": [*finalizers, names.FINALIZER]}})
        decision = decide(item, self._world(name), self._policy, await self._uid(item), now())
        item = await self._write_status(item, decision)
        for wave in decision.waves:
            await asyncio.gather(*(self._do(name, action) for action in wave))
        for reason, message in decision.events:
            await self._tell(item, reason, message)
        if decision.finished:
            left = [entry for entry in item["metadata"].get("finalizers") or [] if entry != names.FINALIZER]
            await self._api.replace({**item, "metadata": {**item["metadata"], "finalizers": left}})
            log.info("%s: removed", name)

    async def _write_status(self, item: Object, decision: Decision) -> Object:
        """Write what is known before anything is done: where a home is must not be forgotten with its claim."""
        status = {**decision.status, "conditions": conditions(item, decision, now())}
        if status == item.get("status"):
            return item
        if decision.reason != next((entry.get("reason") for entry in (item.get("status") or {}).get("conditions") or []), None):
            log.info("%s: %s, %s", item["metadata"]["name"], decision.reason, decision.message)
        return await self._api.replace({**item, "status": status}, "/status")

    async def _do(self, name: str, action: Repair | Removal) -> None:
        if isinstance(action, Removal):
            log.info("%s: deleting %s %s", name, action.kind, action.name)
            await self._api.delete(action.kind, action.namespace, action.name, action.uid)
            return
        body = action.body
        kind, metadata = body["kind"], body["metadata"]
        if action.verb != "create":
            log.info("%s: mending %s %s", name, kind, metadata["name"])
        if action.verb == "update":
            await self._api.replace(body)
            return
        if action.verb == "replace":
            there = await self._api.get(kind, metadata.get("namespace", ""), metadata["name"])
            if there is not None:
                await self._api.delete(kind, metadata.get("namespace", ""), metadata["name"], there["metadata"]["uid"])
        try:
            await self._api.create(body)
        except ApiError as error:
            if error.status != 409:
                raise
            # The cluster makes an account in every namespace by itself; anything else was made by an instance of us that died.
            there = await self._api.get(kind, metadata.get("namespace", ""), metadata["name"])
            mend = settle(there, body) if there is not None else None
            if mend is not None:
                await self._api.replace(mend.body)

    async def _tell(self, item: Object, reason: str, message: str) -> None:
        log.info("%s: %s, %s", item["metadata"]["name"], reason, message)
        metadata, time = item["metadata"], now()
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": f"{names.GROUP}/{names.VERSION}",
                "kind": names.KIND,
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "type": "Normal",
            "reason": reason,
            "message": message,
            "source": {"component": "hub-user-spaces"},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        await self._api.request("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", event)
