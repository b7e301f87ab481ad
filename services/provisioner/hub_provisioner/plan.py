"""What to do about a claim or a volume, decided from API objects alone. Pure.

API objects are plain dicts in the API's own spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import limits, pattern, quantity
from .errors import RefusedError
from .limits import Limits

Object = dict[str, Any]

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_STORAGE_PROVISIONER = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
UID_ANNOTATION = "hub.airavata.org/uid"
GID_ANNOTATION = "hub.airavata.org/gid"
RESTORE_ANNOTATION = "hub.airavata.org/restore"
# On volumes: what their class said when they were made, as with mount options. An operator may change one volume's.
SHARED_ANNOTATION = "hub.airavata.org/shared"
_LIMIT_ANNOTATIONS = {limits.SOFT_PARAMETER: "hub.airavata.org/soft-quota-percent", limits.FILES_PARAMETER: "hub.airavata.org/files-per-gib"}
# On claims, written by us, for the hub and the portal
USED_BYTES_ANNOTATION = "hub.airavata.org/used-bytes"
USED_FILES_ANNOTATION = "hub.airavata.org/used-files"
LIMIT_FILES_ANNOTATION = "hub.airavata.org/limit-files"
_NOBODY = (65534, 65535)  # what root is squashed to, and its 16-bit twin
_ID_LIMIT = 2**31
_GIB = 2**30
_SHARED_MODES = ("2770", "2775", "2750", "2755")
_FULL_PERCENT = 99


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
    warn_percent: int = 90  # full to that much, a volume gets an event; 0: never
    delete_archives_after_days: int = 0  # 0: never


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
    limits: Limits
    mode: int = 0o700
    shared: bool = False  # one directory for the claims of many namespaces, owned by root and a group
    restore: str = ""  # the archive to take back, or "latest"


def limits_for(size: int, parameters: Mapping[str, str], settings: Settings) -> Limits:
    """Limits of a directory of `size` bytes, by the parameters of its class."""
    return limits.limits_for(size, parameters, settings.inodes_per_gib, settings.minimum_inodes)


def volume_limits(volume: Object, size: int, settings: Settings) -> Limits:
    """Limits of a volume that is there."""
    annotations = volume["metadata"].get("annotations") or {}
    return limits_for(size, {key: annotations[name] for key, name in _LIMIT_ANNOTATIONS.items() if name in annotations}, settings)


def _owner(kind: str, annotation: str | None, claim: Object, parameters: dict[str, str], minimum: int) -> int:
    text = (claim["metadata"].get("annotations") or {}).get(annotation) if annotation else None
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


def is_shared(volume: Object) -> bool:
    """Whether the volume is one view of a shared folder."""
    return bool((volume["metadata"].get("annotations") or {}).get(SHARED_ANNOTATION) == "true")


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
    shared = _shared(parameters)
    path = pattern.expand(parameters.get("pathPattern", ""), metadata, name)
    volumes = list(volumes)
    if any(item["metadata"]["name"] == name and (item["spec"].get("claimRef") or {}).get("uid") == metadata["uid"] for item in volumes):
        return None  # provisioned; the volume controller is about to bind it
    for other in volumes:
        taken = path_of(other, settings)
        if shared and taken == path and is_shared(other) and is_ours(other, settings):
            continue
        if taken is not None and other["metadata"]["name"] != name and pattern.overlaps(path, taken):
            raise RefusedError(
                "PathInUse",
                f"the directory {'/'.join(path)!r} overlaps that of volume {other['metadata']['name']}; wait until that volume is gone, or choose another name",
            )
    size, restore = _requested(claim), annotations.get(RESTORE_ANNOTATION, "")
    if shared:
        folder_size = (limits.number(parameters, "sizeGib", 1, 2**20) or 0) * _GIB
        if size > folder_size:
            raise RefusedError(
                "SizeRefused", f"the shared folder has {quantity.show(folder_size)}, and the claim asks for {quantity.show(size)}; ask for no more than it has"
            )
        if restore:
            raise RefusedError("RestoreRefused", f"a shared folder is never archived; remove the annotation {RESTORE_ANNOTATION}")
        size, owner, mode = folder_size, 0, int(parameters.get("mode", "2770"), 8)
        group = _owner("gid", None, claim, parameters, settings.minimum_gid)
    else:
        owner, mode = _owner("uid", UID_ANNOTATION, claim, parameters, settings.minimum_uid), 0o700
        group = _owner("gid", GID_ANNOTATION, claim, parameters, settings.minimum_gid)
    return Order(
        volume=name,
        namespace=metadata["namespace"],
        claim=metadata["name"],
        claim_uid=metadata["uid"],
        path=path,
        uid=owner,
        gid=group,
        limits=limits_for(size, parameters, settings),
        mode=mode,
        shared=shared,
        restore=restore,
    )


def _shared(parameters: dict[str, str]) -> bool:
    """Whether a class is one of a shared folder.

    :raises RefusedError: its parameters contradict each other.
    """
    if parameters.get("shared", "false") == "false":
        return False
    wrong = ""
    if parameters["shared"] != "true":
        wrong = f"its shared is {parameters['shared']!r}, not true or false"
    elif not parameters.get("pathPattern") or "$" in parameters["pathPattern"]:
        wrong = "a shared folder has one fixed path: pathPattern without ${...}"
    elif parameters.get("mode", "2770") not in _SHARED_MODES:
        wrong = f"its mode is {parameters['mode']!r}, not one of {', '.join(_SHARED_MODES)}"
    elif "sizeGib" not in parameters or "gid" not in parameters:
        wrong = "a shared folder needs the parameters sizeGib and gid"
    elif "uid" in parameters:
        wrong = "a shared folder belongs to root and a group; remove uid"
    if wrong:
        raise RefusedError("ClassRefused", f"the parameters of the class do not fit: {wrong}")
    return True


@dataclass(frozen=True)
class Archive:
    """A directory that was put away, as its name and its mark tell."""

    name: str
    namespace: str
    claim: str
    uid: int
    usage: limits.Usage
    project: int = 0


def choose_archive(order: Order, archives: Iterable[Archive]) -> Archive:
    """The archive an order wants back: nobody is given another's.

    :raises RefusedError: there is none, it is somebody else's, or it holds more than the claim asks for.
    """
    archives = list(archives)
    theirs = [archive for archive in archives if (archive.namespace, archive.uid) == (order.namespace, order.uid)]
    names = ", ".join(sorted(archive.name for archive in theirs)[-5:]) or "none"
    if order.restore == "latest":
        found = max((archive for archive in theirs if archive.claim == order.claim), key=lambda archive: pattern.archived_at(archive.name), default=None)
        if found is None:
            raise RefusedError(
                "RestoreRefused",
                f"user {order.uid} has no archive of a claim {order.namespace}/{order.claim} (of others in the namespace: {names}); name one of those in "
                f"{RESTORE_ANNOTATION}, or remove the annotation for an empty volume",
            )
    else:
        found = next((archive for archive in archives if archive.name == order.restore), None)
        if found is None:
            raise RefusedError("RestoreRefused", f"there is no archive {order.restore[:250]!r} (archives of this user in this namespace: {names})")
        if found not in theirs:
            raise RefusedError(
                "RestoreRefused", f"the archive {found.name} is not of user {order.uid} and namespace {order.namespace}; nobody is given another's files"
            )
    if order.limits.size < found.usage.used or 0 < order.limits.inodes < found.usage.inodes:
        raise RefusedError(
            "RestoreRefused",
            f"the archive {found.name} holds {quantity.show(found.usage.used)} in {found.usage.inodes} files, and the claim allows "
            f"{quantity.show(order.limits.size)} in {order.limits.inodes}; ask for more",
        )
    return found


def new_volume(order: Order, claim: Object, klass: Object, settings: Settings) -> Object:
    """The PersistentVolume for a directory that is ready."""
    parameters = klass.get("parameters") or {}
    annotations = {PROVISIONED_BY: settings.provisioner, GID_ANNOTATION: str(order.gid)}
    annotations.update({SHARED_ANNOTATION: "true"} if order.shared else {UID_ANNOTATION: str(order.uid)})
    annotations.update({name: parameters[key] for key, name in _LIMIT_ANNOTATIONS.items() if key in parameters})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": order.volume,
            "annotations": annotations,
        },
        "spec": {
            "capacity": {"storage": quantity.show(order.limits.size)},
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
    if claim["metadata"].get("deletionTimestamp") or is_shared(volume):  # a shared folder has the size of its class
        return None
    current = capacity_of(volume)
    size = max(_requested(claim), current)
    shown = quantity.parse((claim["status"].get("capacity") or {}).get("storage", "0"))
    if size == current and shown >= current:
        return None
    return Growth(size=size, volume_behind=size > current, claim_behind=shown < size)


def plan_release(volume: Object, classes: dict[str, Object], settings: Settings) -> str | None:
    """What becomes of a volume's directory: ``archive``, ``delete``, ``retain``, ``leave`` (a shared folder), or None while it is not released.

    Only ``onDelete: delete`` deletes. Everything unclear (no class any more, unknown words, ``archiveOnDelete: "false"`` alone) archives.
    """
    if not is_ours(volume, settings) or volume["metadata"].get("deletionTimestamp"):
        return None
    if (volume.get("status") or {}).get("phase") not in ("Released", "Failed") or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
        return None
    if is_shared(volume):  # said on the volume: its class may be gone
        return "leave"
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


def due_limits(volume: Object, size: int, classes: dict[str, Object], settings: Settings) -> Limits:
    """Limits a volume's directory should have; a shared folder's follow its class, so that it grows with it.

    :param size: bytes the volume has, or is growing to.
    """
    if is_shared(volume):
        parameters = (classes.get(class_of(volume)) or {}).get("parameters") or {}
        if parameters.get("shared") == "true":
            return limits_for((limits.number(parameters, "sizeGib", 1, 2**20) or 0) * _GIB, parameters, settings)
    return volume_limits(volume, size, settings)


def fullness(usage: limits.Usage, settings: Settings) -> tuple[str, str] | None:
    """Reason and message of the event that a volume deserves, or None."""
    over_soft = 0 < usage.soft < usage.used or 0 < usage.inode_soft < usage.inodes
    if not settings.warn_percent or (usage.percent < settings.warn_percent and not over_soft):
        return None
    has = f"{quantity.round_show(usage.used)} of {quantity.round_show(usage.limit)}, {usage.inodes} of {usage.inode_limit or 'any number of'} files"
    if usage.percent >= _FULL_PERCENT:
        return "VolumeFull", f"the volume is full: {has}; nothing can be written until files are deleted, or until the claim asks for more"
    return "VolumeAlmostFull", f"the volume is {'above its soft limit, so that soon nothing can be written' if over_soft else 'almost full'}: {has}"


def usage_annotations(claim: Object, usage: limits.Usage) -> dict[str, str]:
    """Annotations that tell a claim's use, if they differ from what it has by 1 % of a limit or more; else nothing."""
    has = claim["metadata"].get("annotations") or {}
    told = {USED_BYTES_ANNOTATION: (usage.used, usage.limit), USED_FILES_ANNOTATION: (usage.inodes, usage.inode_limit)}
    wish = {name: str(value) for name, (value, _limit) in told.items()}
    wish[LIMIT_FILES_ANNOTATION] = str(usage.inode_limit)
    far = any(not has.get(name, "").isdecimal() or abs(int(has[name]) - value) > limit // 100 for name, (value, limit) in told.items())
    return wish if far or has.get(LIMIT_FILES_ANNOTATION) != wish[LIMIT_FILES_ANNOTATION] else {}
