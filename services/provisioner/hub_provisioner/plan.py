"""What to do about a claim or a volume, decided from API objects alone. Pure.

API objects are plain dicts in the API's own spelling.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import pattern, quantity
from .errors import RefusedError

Object = dict[str, Any]

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_STORAGE_PROVISIONER = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
UID_ANNOTATION = "hub.airavata.org/uid"
GID_ANNOTATION = "hub.airavata.org/gid"
_NOBODY = (65534, 65535)  # what root is squashed to, and its 16-bit twin
_ID_LIMIT = 2**31
_GIB = 2**30


@dataclass(frozen=True)
class Settings:
    """What an instance is told at start."""

    provisioner: str
    server: str
    export: str  # path by which clients mount
    minimum_uid: int = 1000
    minimum_gid: int = 100
    inodes_per_gib: int = 65536  # 0: no limit on the number of files
    minimum_inodes: int = 10000


@dataclass(frozen=True)
class Order:
    """A directory to have: whose, where, how big."""

    volume: str
    namespace: str
    claim: str
    claim_uid: str
    path: tuple[str, ...]
    uid: int
    gid: int
    size: int  # bytes
    inodes: int  # 0: no limit


def inode_limit(size: int, settings: Settings) -> int:
    """Number of files, directories and links a volume of `size` bytes may have; 0 for any."""
    if not settings.inodes_per_gib:
        return 0
    return max(settings.minimum_inodes, size * settings.inodes_per_gib // _GIB)


def _owner(kind: str, annotation: str, claim: Object, parameters: dict[str, str], minimum: int) -> int:
    text = (claim["metadata"].get("annotations") or {}).get(annotation)
    origin = f"the claim's annotation {annotation}"
    if text is None:
        text = parameters.get(kind)
        origin = f"the class's parameter {kind}"
    if text is None:
        raise RefusedError(
            "OwnerUnknown", f"nobody would own the directory: set the annotation {annotation} on the claim (or the parameter {kind} on its class)"
        )
    # isdecimal() alone takes digits of every script
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1
    if number == 0:
        raise RefusedError("OwnerRefused", f"{origin} is 0: no volume belongs to root")
    if not minimum <= number < _ID_LIMIT or number in _NOBODY:
        raise RefusedError(
            "OwnerRefused", f"{origin} is {text[:20]!r}: it must be a number from {minimum} to {_ID_LIMIT - 1}, and not {_NOBODY[0]} or {_NOBODY[1]}"
        )
    return number


def is_ours(volume: Object, settings: Settings) -> bool:
    """Whether this provisioner made the volume."""
    return bool((volume["metadata"].get("annotations") or {}).get(PROVISIONED_BY) == settings.provisioner)


def path_of(volume: Object, settings: Settings) -> tuple[str, ...] | None:
    """The names below the export of an NFS volume on this server, or None if it is somewhere else.

    What is not a plain name is kept: this is for comparing; `checked_path_of` is for acting.
    """
    source = volume["spec"].get("nfs") or {}
    prefix = settings.export.rstrip("/") + "/"
    if source.get("server") != settings.server or not str(source.get("path", "")).startswith(prefix):
        return None
    return tuple(name for name in source["path"][len(prefix) :].split("/") if name)


def checked_path_of(volume: Object, settings: Settings) -> tuple[str, ...]:
    """As `path_of`, for acting on the directory: a volume is an object others may write, so its path is not trusted.

    :raises RefusedError: the path is not one this provisioner would have made.
    """
    path = path_of(volume, settings)
    name = volume["metadata"]["name"]
    if not path or path[0].startswith(pattern.RESERVED_PREFIX):
        raise RefusedError("PathRefused", f"the volume {name} is not below {settings.server}:{settings.export}; its directory is left alone")
    for part in path:
        pattern.check_name(part, f"the path of volume {name}")
    return path


def _requested(claim: Object) -> int:
    text = (claim["spec"].get("resources") or {}).get("requests", {}).get("storage", "0")
    try:
        size = quantity.parse(text)
    except ValueError as error:
        raise RefusedError("SizeRefused", f"the claim's size: {error}") from error
    if size <= 0:
        raise RefusedError("SizeRefused", f"the claim's size is {text!r}: it must be more than nothing")
    return size


def class_of(item: Object) -> str:
    """Name of the storage class of a claim or volume."""
    return str(item["spec"].get("storageClassName") or "")


def plan_claim(claim: Object, classes: dict[str, Object], volumes: Iterable[Object], settings: Settings) -> Order | None:
    """The directory a claim waits for, or None when there is nothing to provision.

    :param classes: storage classes by name.
    :param volumes: all volumes of the cluster.
    :raises RefusedError: the claim waits for us and cannot be served as it is.
    """
    metadata, spec = claim["metadata"], claim["spec"]
    if spec.get("volumeName") or metadata.get("deletionTimestamp") or (claim.get("status") or {}).get("phase", "Pending") != "Pending":
        return None
    annotations = metadata.get("annotations") or {}
    asked = next((annotations[key] for key in _STORAGE_PROVISIONER if key in annotations), None)
    klass = classes.get(class_of(claim))
    if asked != settings.provisioner or klass is None or klass.get("provisioner") != settings.provisioner:
        return None  # the volume controller names the provisioner once it has looked for a fitting volume
    if klass.get("volumeBindingMode") == "WaitForFirstConsumer" and _SELECTED_NODE not in annotations:
        return None
    if spec.get("selector"):
        raise RefusedError("SelectorRefused", "a claim with a selector cannot be provisioned; remove spec.selector")
    if spec.get("volumeMode", "Filesystem") != "Filesystem":
        raise RefusedError("BlockRefused", "this class has file systems only; remove spec.volumeMode")
    if spec.get("dataSource") or spec.get("dataSourceRef"):
        raise RefusedError("DataSourceRefused", "this class cannot copy another volume; remove spec.dataSource")
    parameters = klass.get("parameters") or {}
    name = f"pvc-{metadata['uid']}"
    path = pattern.expand(parameters.get("pathPattern", ""), metadata, name)
    volumes = list(volumes)
    if any(item["metadata"]["name"] == name and (item["spec"].get("claimRef") or {}).get("uid") == metadata["uid"] for item in volumes):
        return None  # provisioned; the volume controller is about to bind it
    for other in volumes:
        taken = path_of(other, settings)
        if taken is not None and other["metadata"]["name"] != name and pattern.overlaps(path, taken):
            raise RefusedError(
                "PathInUse",
                f"the directory {'/'.join(path)!r} overlaps that of volume {other['metadata']['name']}; wait until that volume is gone, or choose another name",
            )
    size = _requested(claim)
    return Order(
        volume=name,
        namespace=metadata["namespace"],
        claim=metadata["name"],
        claim_uid=metadata["uid"],
        path=path,
        uid=_owner("uid", UID_ANNOTATION, claim, parameters, settings.minimum_uid),
        gid=_owner("gid", GID_ANNOTATION, claim, parameters, settings.minimum_gid),
        size=size,
        inodes=inode_limit(size, settings),
    )


def new_volume(order: Order, claim: Object, klass: Object, settings: Settings) -> Object:
    """The PersistentVolume for a directory that is ready."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": order.volume,
            "annotations": {PROVISIONED_BY: settings.provisioner, UID_ANNOTATION: str(order.uid), GID_ANNOTATION: str(order.gid)},
        },
        "spec": {
            "capacity": {"storage": quantity.show(order.size)},
            "accessModes": claim["spec"].get("accessModes", []),
            "persistentVolumeReclaimPolicy": klass.get("reclaimPolicy", "Delete"),
            "storageClassName": klass["metadata"]["name"],
            "volumeMode": "Filesystem",
            "mountOptions": klass.get("mountOptions") or [],
            "nfs": {"server": settings.server, "path": "/".join([settings.export.rstrip("/"), *order.path])},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": order.namespace,
                "name": order.claim,
                "uid": order.claim_uid,
                "resourceVersion": claim["metadata"].get("resourceVersion", ""),
            },
        },
    }


def capacity_of(volume: Object) -> int:
    """Bytes a volume says it has."""
    return quantity.parse(volume["spec"]["capacity"]["storage"])


@dataclass(frozen=True)
class Growth:
    """What is left to do to grow a bound volume; sizes in bytes."""

    size: int
    volume_behind: bool  # the volume's capacity (and so the quota) is less than asked
    claim_behind: bool  # the claim's status does not show the volume's capacity yet


def plan_growth(claim: Object, volume: Object, settings: Settings) -> Growth | None:
    """How a claim's volume has to grow, or None. A volume never shrinks: a claim lowered again keeps what it has."""
    reference = volume["spec"].get("claimRef") or {}
    if not is_ours(volume, settings) or reference.get("uid") != claim["metadata"]["uid"] or (claim.get("status") or {}).get("phase") != "Bound":
        return None
    if claim["metadata"].get("deletionTimestamp"):
        return None
    current = capacity_of(volume)
    size = max(_requested(claim), current)
    shown = quantity.parse((claim["status"].get("capacity") or {}).get("storage", "0"))
    if size == current and shown >= current:
        return None
    return Growth(size=size, volume_behind=size > current, claim_behind=shown < size)


def plan_release(volume: Object, classes: dict[str, Object], settings: Settings) -> str | None:
    """What becomes of a volume's directory: ``archive``, ``delete``, ``retain``, or None while the volume is not released.

    Only ``onDelete: delete`` deletes. Everything unclear (no class any more, unknown words, ``archiveOnDelete: "false"`` alone) archives.
    """
    if not is_ours(volume, settings) or volume["metadata"].get("deletionTimestamp"):
        return None
    if (volume.get("status") or {}).get("phase") not in ("Released", "Failed") or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
        return None
    parameters = (classes.get(class_of(volume)) or {}).get("parameters") or {}
    wish = parameters.get("onDelete", "")
    return wish if wish in ("delete", "retain") else "archive"


def release_remark(volume: Object, classes: dict[str, Object]) -> str:
    """Why a directory is archived although somebody may have expected otherwise; empty if nothing is odd."""
    klass = classes.get(class_of(volume))
    if klass is None:
        return f"its class {class_of(volume)!r} is gone"
    parameters = klass.get("parameters") or {}
    if parameters.get("onDelete", "") not in ("", "delete", "retain"):
        return f"the class's onDelete {parameters['onDelete']!r} is not known"
    if "onDelete" not in parameters and parameters.get("archiveOnDelete", "true").lower() not in ("true", "t", "1"):
        return "archiveOnDelete alone never deletes here; set onDelete: delete on the class if that is meant"
    return ""
