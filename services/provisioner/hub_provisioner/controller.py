"""The loop: what the API shows is compared with what is on the disk, one claim or volume at a time, by the instance that leads."""

from __future__ import annotations

import copy
import json
import logging
import threading
import time
from dataclasses import replace
from typing import Any

from . import plan, quantity, report
from .api import Api, ApiError
from .archives import Archives, utc
from .archivist import Archivist
from .errors import NotLeaderError, RefusedError, StorageError
from .lease import Elector
from .lease import stamp as now_stamp
from .limits import Limits, Usage
from .metrics import Metrics, Reading
from .plan import Object, Order, Settings
from .queue import WorkQueue
from .volumes import Volumes

log = logging.getLogger(__name__)
Key = tuple[str, str, str]  # kind ("claim", "volume"), namespace ("" for volumes), name
_REVIEW_SECONDS = 300.0
_SAME_EVENT_SECONDS = 300.0


class Cache:
    """The objects of the three collections, kept up to date by one thread each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, dict[tuple[str, str], Object]] = {"claims": {}, "volumes": {}, "classes": {}}

    @staticmethod
    def key(item: Object) -> tuple[str, str]:
        """(namespace, name)"""
        return item["metadata"].get("namespace", ""), item["metadata"]["name"]

    def replace(self, collection: str, items: list[Object]) -> None:
        with self._lock:
            self._objects[collection] = {self.key(item): item for item in items}

    def put(self, collection: str, item: Object) -> None:
        with self._lock:
            self._objects[collection][self.key(item)] = item

    def offer(self, collection: str, item: Object) -> None:
        """Put what a request returned, unless the watch has brought something newer meanwhile."""
        with self._lock:
            there = self._objects[collection].get(self.key(item))
            if there is None or int(there["metadata"]["resourceVersion"]) < int(item["metadata"]["resourceVersion"]):
                self._objects[collection][self.key(item)] = item

    def drop(self, collection: str, item: Object) -> None:
        with self._lock:
            self._objects[collection].pop(self.key(item), None)

    def get(self, collection: str, namespace: str, name: str) -> Object | None:
        with self._lock:
            return self._objects[collection].get((namespace, name))

    def all(self, collection: str) -> list[Object]:
        with self._lock:
            return list(self._objects[collection].values())


class Controller:
    """Everything an instance does, from `run` until `stop`."""

    def __init__(self, api: Api, volumes: Volumes, archives: Archives, settings: Settings, elector: Elector) -> None:
        self._api, self._volumes, self._archives, self._settings, self._elector = api, volumes, archives, settings, elector
        self._cache = Cache()
        self._queue: WorkQueue[Key] = WorkQueue()
        self._synced = {collection: threading.Event() for collection in ("claims", "volumes", "classes")}
        self._stopping = threading.Event()
        self._trash = threading.Event()
        self._limits = volumes.limits
        self._said: dict[tuple[str, str, str], float] = {}
        self._warned: dict[str, str] = {}  # volume: reason of the last event about its fullness
        self.metrics = Metrics(self._read_usage)
        self._archivist = Archivist(volumes, archives, settings, elector, self.metrics, self._tell_deleted)

    # -- threads --------------------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End `run` soon; what is being worked on is finished first."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`."""
        for collection in self._synced:
            threading.Thread(target=self._follow, args=(collection,), name=f"watch-{collection}", daemon=True).start()
        threading.Thread(target=self._empty_trash, name="trash", daemon=True).start()
        self._archivist.start()
        self._elector.start()
        reviewed_at = float("-inf")
        while not self._stopping.is_set():
            leading = self._elector.leading() and all(event.is_set() for event in self._synced.values())
            self.metrics.leader.set(int(leading))
            self.metrics.waiting.set(len(self._queue))
            if not leading:
                reviewed_at = float("-inf")
                self._elector.changed.wait(0.5)
                self._elector.changed.clear()
                continue
            if time.monotonic() - reviewed_at > _REVIEW_SECONDS:
                reviewed_at = time.monotonic()
                self._review()
            key = self._queue.get(0.5)
            if key is not None:
                self._work(key)
        self._archivist.stop()
        self._elector.stop()
        self.metrics.leader.set(0)

    def _follow(self, collection: str) -> None:
        """Keep one collection of the cache up to date, for ever."""
        version, wait = "", 0.5
        while True:
            try:
                if not version:
                    items, version = self._api.list(collection)
                    self._cache.replace(collection, items)
                    for item in items:
                        self._changed(collection, item)
                    self._synced[collection].set()
                for kind, item in self._api.watch(collection, version):
                    version = item["metadata"]["resourceVersion"]
                    if kind == "DELETED":
                        self._cache.drop(collection, item)
                        if collection == "volumes":
                            self._wake_claims()
                    elif kind != "BOOKMARK":
                        self._cache.put(collection, item)
                    if kind != "BOOKMARK":
                        self._changed(collection, item)
                    wait = 0.5
            except ApiError as error:
                log.log(logging.INFO if error.status == 410 else logging.WARNING, "%s; again in %.0f s", error, wait)
                version = ""
                time.sleep(wait)
                wait = min(wait * 2, 30.0)
            except Exception:
                log.exception("watch %s", collection)
                version = ""
                time.sleep(30)

    def _changed(self, collection: str, item: Object) -> None:
        namespace, name = Cache.key(item)
        if collection == "claims":
            self._queue.add(("claim", namespace, name))
        elif collection == "volumes":
            reference = item["spec"].get("claimRef") or {}
            self._queue.add(("volume", "", name))
            if reference:
                self._queue.add(("claim", reference.get("namespace", ""), reference.get("name", "")))
        elif item.get("provisioner") == self._settings.provisioner:
            for claim in self._cache.all("claims"):
                if plan.class_of(claim) == name:
                    self._queue.add(("claim", *Cache.key(claim)))

    def _wake_claims(self) -> None:
        """A volume is gone: a claim may have waited for its place."""
        for claim in self._cache.all("claims"):
            if not claim["spec"].get("volumeName"):
                self._queue.add(("claim", *Cache.key(claim)))

    def _empty_trash(self) -> None:
        """Remove deleted directories beside the other work, since a big one takes minutes."""
        while True:
            self._trash.wait(_REVIEW_SECONDS)
            self._trash.clear()
            if not self._elector.leading():
                continue
            try:
                for name in self._volumes.empty_trash():
                    log.info("the directory of volume %s is removed", name)
            except StorageError as error:
                log.error("%s", error)
            except Exception:
                log.exception("trash")

    # -- one object -----------------------------------------------------------------------------------------------------------------

    def _work(self, key: Key) -> None:
        try:
            if key[0] == "claim":
                self._claim(*key[1:])
            else:
                self._volume(key[2])
        except NotLeaderError as error:
            log.warning("%s is left for later: %s", "/".join(key), error)
            self._queue.add(key, 1.0)
        except (ApiError, StorageError, RefusedError) as error:
            wait = self._queue.retry(key)
            log.warning("%s: %s; again in %.1f s", "/".join(key), error, wait)
        except Exception:
            wait = self._queue.retry(key)
            log.exception("%s; again in %.1f s", "/".join(key), wait)
        else:
            self._queue.forget(key)

    def _classes(self) -> dict[str, Object]:
        return {item["metadata"]["name"]: item for item in self._cache.all("classes")}

    def _claim(self, namespace: str, name: str) -> None:
        claim = self._cache.get("claims", namespace, name)
        if claim is None:
            return
        if claim["spec"].get("volumeName"):
            volume = self._cache.get("volumes", "", claim["spec"]["volumeName"])
            if volume is not None:
                self._grow(claim, volume)
            return
        classes = self._classes()
        started = time.monotonic()
        try:
            order = plan.plan_claim(claim, classes, self._cache.all("volumes"), self._settings)
            if order is None:
                return
            self._elector.confirm()
            if order.restore and not self._volumes.has(order.path, order.volume):
                proven = self._proven(order, claim)
                if proven is None:
                    return
                order = proven
            how = self._volumes.ensure(order)
            body = plan.new_volume(order, claim, classes[plan.class_of(claim)], self._settings)
            self._cache.offer("volumes", self._create(body))
        except RefusedError as error:
            self._outcome("provision", "refused", started)
            self._event(claim, "Warning", error.reason, error.message)
            raise
        except (StorageError, ApiError) as error:
            self._outcome("provision", "failed", started)
            self._event(claim, "Warning", "ProvisioningFailed", str(error))
            raise
        self._outcome("provision", "done", started)
        where = "/".join(order.path)
        words = {
            "made": "made",
            "there": "there already: the shared folder" if order.shared else "completed",
            "reused": "given back with the files that were kept in it",
            "restored": f"taken back from the archive {order.restore}",
        }[how]
        size = quantity.show(order.limits.size)
        log.info("claim %s/%s: %s %s for user %d, %d bytes", namespace, name, where, how, order.uid, order.limits.size)
        self._event(claim, "Normal", "ProvisioningSucceeded", f"the directory {where} was {words}: owner {order.uid}:{order.gid}, limit {size}")
        if how == "restored":
            self._archivist.forget(order.restore)

    def _proven(self, order: Order, claim: Object) -> Order | None:
        """The order with the name of the archive it gets, which was read and found whole; None while it is being read.

        :raises RefusedError: there is no such archive for it, or it is damaged.
        """
        archive = plan.choose_archive(order, self._volumes.archives())
        key: Key = ("claim", order.namespace, order.claim)
        problems = self._archivist.proof(archive.name, lambda: self._queue.add(key))
        if problems is None:
            self._event(
                claim,
                "Normal",
                "RestoreVerifies",
                f"the archive {archive.name} ({quantity.round_show(archive.usage.used)}) is read first, to see that it is whole",
            )
            return None
        if problems:
            raise RefusedError(
                "RestoreRefused", f"the archive {archive.name} is not what was archived: {'; '.join(problems[:3])}; see `hub-provisioner verify-archive`"
            )
        return replace(order, restore=archive.name)

    def _create(self, body: Object) -> Object:
        """Create a volume, or find the one that an earlier try created."""
        name = body["metadata"]["name"]
        try:
            return self._api.create_volume(body)
        except ApiError as error:
            if error.status != 409:
                raise
        there = self._api.get_volume(name)
        if there is None:
            raise ApiError(f"create volume {name}", 409, "it existed and was gone again")
        if (there["spec"].get("claimRef") or {}).get("uid") != body["spec"]["claimRef"]["uid"] or there["spec"].get("nfs") != body["spec"]["nfs"]:
            raise RefusedError("VolumeExists", f"a volume {name} exists that is not this claim's; remove it")
        return there

    def _grow(self, claim: Object, volume: Object) -> None:
        if plan.plan_growth(claim, volume, self._settings) is None:
            return
        name, started = volume["metadata"]["name"], time.monotonic()
        try:
            self._elector.confirm()
            # Not from the cache: what is written must be based on what is there.
            new_claim, new_volume = self._api.get_claim(*Cache.key(claim)), self._api.get_volume(name)
            growth = plan.plan_growth(new_claim, new_volume, self._settings) if new_claim and new_volume else None
            if new_claim is None or new_volume is None or growth is None:
                return
            claim, volume = new_claim, new_volume
            if growth.volume_behind:
                self._volumes.resize(plan.checked_path_of(volume, self._settings), name, plan.volume_limits(volume, growth.size, self._settings))
                bigger = copy.deepcopy(volume)
                bigger["spec"]["capacity"]["storage"] = quantity.show(growth.size)
                self._cache.offer("volumes", self._api.put_volume(bigger))
            shown = copy.deepcopy(claim)
            shown["status"].setdefault("capacity", {})["storage"] = quantity.show(growth.size)
            shown["status"]["conditions"] = [
                condition for condition in shown["status"].get("conditions") or [] if condition["type"] not in ("Resizing", "FileSystemResizePending")
            ]
            self._cache.offer("claims", self._api.put_claim_status(shown))
        except (RefusedError, StorageError, ApiError) as error:
            if not (isinstance(error, ApiError) and error.status == 409):  # somebody wrote in between: simply again
                self._outcome("resize", "failed", started)
                self._event(claim, "Warning", "VolumeResizeFailed", str(error))
            raise
        self._outcome("resize", "done", started)
        log.info("claim %s/%s: volume %s has %d bytes now", *Cache.key(claim), name, growth.size)
        self._event(claim, "Normal", "VolumeResizeSuccessful", f"the volume has {quantity.show(growth.size)} now")

    def _volume(self, name: str) -> None:
        volume = self._cache.get("volumes", "", name)
        classes = self._classes()
        if volume is None or plan.plan_release(volume, classes, self._settings) is None:
            return
        started = time.monotonic()
        try:
            self._elector.confirm()
            volume = self._api.get_volume(name)  # not from the cache: nothing is put away on old news
            wish = plan.plan_release(volume, classes, self._settings) if volume else None
            if volume is None or wish is None:
                return
            path = plan.checked_path_of(volume, self._settings)
            reason, message = self._put_away(volume, path, wish, plan.release_remark(volume, classes))
            self._event(volume, "Warning" if reason == "VolumeDeleted" else "Normal", reason, message)
            log.info("volume %s: %s", name, message)
            self._api.delete_volume(volume)
            self._cache.drop("volumes", volume)
            self._wake_claims()
        except (RefusedError, StorageError, ApiError) as error:
            self._outcome("release", "failed", started)
            if volume is not None:
                self._event(volume, "Warning", "VolumeReleaseFailed", str(error))
            raise
        self._outcome(wish, "done", started)

    def _put_away(self, volume: Object, path: tuple[str, ...], wish: str, remark: str) -> tuple[str, str]:
        """Do what the class wishes with a released volume's directory.

        :return: reason and message for the event.
        """
        name, where = volume["metadata"]["name"], "/".join(path)
        reference = volume["spec"].get("claimRef") or {}
        whose = f"of claim {reference.get('namespace')}/{reference.get('name')}"
        if wish == "leave":
            return "VolumeRetained", f"the shared folder {where} stays with its files; only the claim {whose[9:]} is gone"
        if wish == "retain":
            return "VolumeRetained", f"the directory {where} {whose} is kept in its place (onDelete: retain)"
        if wish == "delete":
            if not self._volumes.trash(path, name):
                return "VolumeMissing", f"the directory {where} {whose} was gone already"
            self._trash.set()
            return "VolumeDeleted", f"the directory {where} {whose} is deleted with its files (onDelete: delete)"
        archive = self._volumes.archive(path, name, str(reference.get("uid", name)))
        if archive is None:
            return "VolumeMissing", f"the directory {where} {whose} was gone already; there was nothing to archive"
        self._archivist.wake()
        return "VolumeArchived", f"the directory {where} {whose} is archived as {archive}" + (f" ({remark})" if remark else "")

    # -- review ---------------------------------------------------------------------------------------------------------------------

    def _ours(self) -> list[Object]:
        return [item for item in self._cache.all("volumes") if plan.is_ours(item, self._settings)]

    def _review(self) -> None:
        """Look at everything again: what an earlier leader left, limits that are not what the volumes say, deletions half done."""
        self._trash.set()
        for collection, kind in (("claims", "claim"), ("volumes", "volume")):
            for item in self._cache.all(collection):
                self._queue.add((kind, *Cache.key(item)))
        self._archivist.wake()
        try:
            self._elector.confirm()
            for project in self._volumes.forget_removed():
                log.info("the limit of project %d is freed: its files are gone", project)
            used = self._volumes.usage(self._places())
            if self._limits:
                self._mend_limits(used)
                for volume in self._ours():
                    if volume["metadata"]["name"] in used:
                        self._tell_usage(volume, used[volume["metadata"]["name"]])
            self._report(used)
        except (StorageError, RefusedError, NotLeaderError) as error:
            log.warning("review: %s", error)

    def _mend_limits(self, used: dict[str, Usage]) -> None:
        """Set limits again that are not what the volumes say."""
        due: dict[tuple[str, ...], tuple[str | None, Limits, Usage]] = {}
        classes = self._classes()
        for volume in self._ours():
            name = volume["metadata"]["name"]
            if name not in used:
                continue
            try:
                path = plan.checked_path_of(volume, self._settings)
                limits = plan.due_limits(volume, self._due_size(volume), classes, self._settings).blocks
            except RefusedError as error:
                log.warning("volume %s: its limits are left alone: %s", name, error)
                continue
            if path not in due or due[path][1].size < limits.size:  # of two views of a shared folder the one that allows more counts
                due[path] = (None if plan.is_shared(volume) else name, limits, used[name])
        for path, (owner, limits, usage) in due.items():
            if usage.limits != limits:
                log.warning("%s: its limits are %s, not %s; set again", "/".join(path), usage.limits, limits)
                self._volumes.resize(path, owner, limits)

    def _tell_usage(self, volume: Object, usage: Usage) -> None:
        """Tell a claim how full its volume is: in annotations, and once in an event when there is little left."""
        reference, name = volume["spec"].get("claimRef") or {}, volume["metadata"]["name"]
        claim = self._cache.get("claims", reference.get("namespace", ""), reference.get("name", ""))
        if claim is None or claim["metadata"]["uid"] != reference.get("uid") or claim["metadata"].get("deletionTimestamp"):
            return
        warning = plan.fullness(usage, self._settings)
        if warning is None:
            self._warned.pop(name, None)
        elif self._warned.get(name) != warning[0]:
            self._warned[name] = warning[0]
            self._event(claim, "Warning", *warning)
        annotations = plan.usage_annotations(claim, usage)
        if not annotations:
            return
        told = copy.deepcopy(claim)
        told["metadata"].setdefault("annotations", {}).update(annotations)
        try:
            self._cache.offer("claims", self._api.put_claim_status(told))
        except ApiError as error:
            if error.status not in (404, 409):  # gone, or somebody wrote in between: the next review tells it
                log.warning("usage of claim %s/%s was not written: %s", *Cache.key(claim), error)

    def _report(self, used: dict[str, Usage]) -> None:
        """Write down what belongs to nothing, and what is archived."""
        folders, archives = self._volumes.folders(), self._volumes.archives()
        stray = self._volumes.stray_projects([*(folder.project for folder in folders), *(archive.project for archive in archives)])
        told = [(archive, self._archives.summary(archive.name)) for archive in archives]
        found = report.build(folders, told, self._cache.all("volumes"), used, stray, self._settings, utc())
        self._volumes.write_report(json.dumps(found, indent=1) + "\n")
        for kind, items in found["orphans"].items():
            self.metrics.orphans.labels(kind).set(len(items))
            if items:
                log.warning("orphans: %d %s, see `hub-provisioner report`", len(items), kind.replace("_", " "))
        self.metrics.unchecked.set(sum(summary is None for _archive, summary in told))

    def _due_size(self, volume: Object) -> int:
        """Bytes a volume should be limited to: its capacity, or more while it is growing."""
        size, reference = plan.capacity_of(volume), volume["spec"].get("claimRef") or {}
        claim = self._cache.get("claims", reference.get("namespace", ""), reference.get("name", ""))
        growth = plan.plan_growth(claim, volume, self._settings) if claim else None
        return growth.size if growth else size

    def _places(self) -> list[tuple[str, tuple[str, ...], bool]]:
        found = []
        for volume in self._ours():
            try:
                found.append((volume["metadata"]["name"], plan.checked_path_of(volume, self._settings), plan.is_shared(volume)))
            except RefusedError as error:
                log.warning("%s", error)
        return found

    def _read_usage(self) -> Reading:
        used = self._volumes.usage(self._places())
        rows, shared = [], {}
        for volume in self._ours():
            reference, name = volume["spec"].get("claimRef") or {}, volume["metadata"]["name"]
            if not self._limits or name not in used:
                continue
            if plan.is_shared(volume):
                shared["/".join(plan.path_of(volume, self._settings) or ())] = used[name]
            else:
                rows.append((str(reference.get("namespace", "")), str(reference.get("name", "")), name, used[name]))
        return rows, list(shared.items()), [archive.usage for archive in self._volumes.archives()]

    # -- telling --------------------------------------------------------------------------------------------------------------------

    def _outcome(self, operation: str, outcome: str, started: float) -> None:
        self.metrics.operations.labels(operation, outcome).inc()
        self.metrics.seconds.labels(operation).observe(time.monotonic() - started)

    def _tell_deleted(self, record: dict[str, Any]) -> None:
        """Tell that an archive was deleted, about the lease: its claim and namespace may be gone for long."""
        self._trash.set()
        try:
            lease = self._elector.read()
        except ApiError as error:
            log.warning("no event for the deleted archive %s: %s", record["archive"], error)
            return
        self._event(lease, "Warning", "ArchiveDeleted", json.dumps(record, sort_keys=True))

    def _event(self, item: Object, kind: str, reason: str, message: str) -> None:
        """Tell about an object, once in a while; an event that cannot be written is only logged."""
        metadata, now = item["metadata"], time.monotonic()
        said = (metadata["uid"], reason, message)
        self._said = {key: at for key, at in self._said.items() if now - at < _SAME_EVENT_SECONDS}
        if said in self._said:
            return
        self._said[said] = now
        namespace = metadata.get("namespace") or "default"
        at = now_stamp()[:19] + "Z"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": namespace},
            "involvedObject": {
                "apiVersion": item.get("apiVersion", "v1"),
                "kind": item.get("kind") or ("PersistentVolumeClaim" if metadata.get("namespace") else "PersistentVolume"),
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "type": kind,
            "reason": reason,
            "message": message[:1000],
            "source": {"component": self._settings.provisioner},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        try:
            self._api.create_event(namespace, body)
        except ApiError as error:
            log.warning("event %s for %s was not written: %s", reason, metadata["name"], error)
