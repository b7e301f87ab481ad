"""What is in the cluster, kept in memory by kopf: it lists and watches, we read. Also says which space a change belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf
from user_space import names
from user_space.paths import KINDS, OWNED

Object = dict[str, Any]
WATCHED = ("UserSpace", "Namespace", *OWNED, "PersistentVolume", "StorageClass", "Pod")
# Objects that carry the label of a space are asked for by it; the rest is asked for whole: of these some that are not ours matter too.
_BY_LABEL = ("ResourceQuota", "LimitRange", "NetworkPolicy", "RoleBinding")


def resource_of(kind: str) -> tuple[str, str, str]:
    """Return group, version and resource of a kind, as kopf has them."""
    group, resource, _namespaced = KINDS[kind]
    parts = group.strip("/").split("/")
    return ("", parts[1], resource) if parts[0] == "api" else (parts[1], parts[2], resource)


def plain(kind: str, body: Any) -> Object:
    """Return what is kept of an object. Of pods, which are many, only what tells them apart."""
    item = dict(body)
    if kind == "Pod":
        wanted = ("name", "namespace", "uid", "deletionTimestamp")
        item = {"metadata": {key: item["metadata"][key] for key in wanted if key in item["metadata"]}}
    else:
        item["metadata"] = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    group, version, _resource = resource_of(kind)
    return {**item, "apiVersion": f"{group}/{version}" if group else version, "kind": kind}


class Store:
    """The objects, by kind. ``prefix`` begins the names of users' namespaces, ``namespace`` has the UserSpaces."""

    def __init__(self, prefix: str, namespace: str) -> None:
        self._prefix, self._namespace = prefix, namespace
        self._indices: Any = {}

    def watch(self, registry: Any, settings: Any, wake: Callable[[str], None], wake_all: Callable[[], None]) -> None:
        """Have kopf keep the objects and call ``wake`` with the name of the space that a change belongs to."""
        for kind in WATCHED:
            self._watch(kind, registry, wake, wake_all)
            if kind in _BY_LABEL:
                settings.watching.label_selectors[resource_of(kind)] = names.SPACE_LABEL

    def _watch(self, kind: str, registry: Any, wake: Callable[[str], None], wake_all: Callable[[], None]) -> None:
        def key_of(item: Any) -> str:
            return str(item["metadata"].get("namespace") or "") if KINDS[kind][2] and kind != "UserSpace" else str(item["metadata"]["name"])

        def index(body: Any, **_more: Any) -> Any:
            # What is in other namespaces is nothing to us.
            metadata = body["metadata"]
            if kind == "UserSpace" and metadata["namespace"] != self._namespace:
                return None
            if KINDS[kind][2] and kind != "UserSpace" and not metadata["namespace"].startswith(self._prefix):
                return None
            return {key_of(body): plain(kind, body)}

        def changed(body: Any, indices: Any = None, **more: Any) -> None:
            self._indices = {name: more[name] for name in more if name in KINDS}
            if kind == "StorageClass":
                wake_all()
                return
            name = self.space_of(kind, body)
            if name and name in self.spaces():
                wake(name)

        resource = resource_of(kind)
        kopf.index(*resource, id=kind, registry=registry)(index)
        kopf.on.event(*resource, id=f"{kind}-changed", registry=registry)(changed)

    def space_of(self, kind: str, item: Any) -> str:
        """Return the name of the space that an object belongs to; empty for none."""
        metadata = item["metadata"]
        if kind == "UserSpace":
            return str(metadata["name"]) if metadata["namespace"] == self._namespace else ""
        if kind == "PersistentVolume":
            where = str((item["spec"].get("claimRef") or {}).get("namespace", ""))
        else:
            where = str(metadata["name"] if kind == "Namespace" else metadata["namespace"])
        return where[len(self._prefix) :] if where.startswith(self._prefix) else ""

    def _all(self, kind: str) -> dict[str, Object]:
        index = self._indices.get(kind) or {}
        return {key: next(iter(index[key])) for key in list(index)}

    def spaces(self) -> dict[str, Object]:
        """UserSpaces by name."""
        return self._all("UserSpace")

    def namespaces(self) -> dict[str, Object]:
        """Namespaces whose name is that of a user's, by name."""
        return {name: item for name, item in self._all("Namespace").items() if name.startswith(self._prefix)}

    def volumes(self) -> dict[str, Object]:
        """All volumes by name."""
        return self._all("PersistentVolume")

    def classes(self) -> dict[str, Object]:
        """All storage classes by name."""
        return self._all("StorageClass")

    def within(self, kind: str, namespace: str) -> list[Object]:
        """Objects of a kind in a namespace."""
        index = self._indices.get(kind) or {}
        return list(index[namespace]) if namespace in index else []
