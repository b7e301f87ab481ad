# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next about a space, decided from what is there alone. Pure.

The controller calls `decide` whenever something changed and now and then, does what it says, and forgets the rest: so it may be killed at
any moment, and an object that somebody deleted or loosened is repaired by the same way as one that was never made.

The order of leaving keeps data safe: the hub is locked out, pods are stopped, claims are deleted (the provisioner archives them), and the
namespace goes only when every claim is gone and it is known what became of its volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import manifests, names
from .compare import Repair, settle
from .errors import SpaceError
from .spec import Policy, Space

Object = dict[str, Any]
Key = tuple[str, str]  # kind, name
LATEST = "latest"


@dataclass(frozen=True)
class Removal:
    """An object to delete, exactly this one: ``uid`` is the API's."""

    kind: str
    name: str
    namespace: str
    uid: str


@dataclass(frozen=True)
class World:
    """What is there of a space. ``objects`` are those in its namespace, ``volumes`` and ``classes`` all of the cluster by name."""

    namespace: Object | None = None
    objects: Mapping[Key, Object] = field(default_factory=dict)
    pods: Mapping[str, Object] = field(default_factory=dict)
    volumes: Mapping[str, Object] = field(default_factory=dict)
    classes: Mapping[str, Object] = field(default_factory=dict)

    def get(self, kind: str, name: str) -> Object | None:
        """The object, None if it is not there."""
        if kind == "Namespace":
            return self.namespace
        return self.classes.get(name) if kind == "StorageClass" else self.objects.get((kind, name))

    def claims(self) -> dict[str, Object]:
        """The claims in the namespace, by name."""
        return {name: item for (kind, name), item in self.objects.items() if kind == "PersistentVolumeClaim"}


@dataclass
class Decision:
    """What to do, and what to say. ``waves`` are done one after the other, what is in one at once."""

    ready: bool
    reason: str
    message: str
    waves: list[list[Repair | Removal]] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    finished: bool = False  # a deleted space has nothing left: its finalizer may go
    events: list[tuple[str, str]] = field(default_factory=list)  # reason, message


def _terminating(item: Object | None) -> bool:
    return bool(item and item["metadata"].get("deletionTimestamp"))


def _remove(kind: str, item: Object) -> Removal:
    metadata = item["metadata"]
    return Removal(kind, metadata["name"], metadata.get("namespace", ""), metadata["uid"])


def is_ours(item: Object, name: str) -> bool:
    """Whether an object was made for the space ``name``."""
    return bool((item["metadata"].get("labels") or {}).get(names.SPACE_LABEL) == name)


def _pending_volume(status: Mapping[str, Any], world: World) -> Object | None:
    """The volume of the home's earlier claim, if it is still there although the claim is not."""
    volume = world.volumes.get((status.get("home") or {}).get("volume", ""))
    return volume if volume is not None and names.HOME_CLAIM not in world.claims() else None


def _stopping(world: World) -> tuple[list[Repair | Removal], str]:
    """How to lock the hub out and stop every pod; the message is empty when that is done."""
    binding = world.get("RoleBinding", "hub")
    if binding is not None:
        return ([] if _terminating(binding) else [_remove("RoleBinding", binding)]), "the hub's way in is being closed"
    left = [pod for pod in world.pods.values() if not _terminating(pod)]
    return [_remove("Pod", pod) for pod in left], f"{len(world.pods)} pods are being stopped" if world.pods else ""


def _note_home(status: Object, world: World) -> None:
    """Remember the home's volume while its claim can be seen."""
    claim = world.claims().get(names.HOME_CLAIM)
    if claim is None:
        return
    spec, phase = claim["spec"], (claim.get("status") or {}).get("phase", "Pending")
    status["home"] = {
        "claim": names.HOME_CLAIM,
        "phase": phase,
        "size": spec["resources"]["requests"]["storage"],
        "storageClass": spec.get("storageClassName", ""),
    }
    if spec.get("volumeName"):
        status["home"]["volume"] = spec["volumeName"]


def _fate(home: Mapping[str, Any], world: World) -> str:
    """What becomes of the home's volume when its claim is deleted: ``archived``, ``retained`` or ``deleted``, as volume and class say."""
    volume, klass = (found.get(home.get(key, "")) or {} for found, key in ((world.volumes, "volume"), (world.classes, "storageClass")))
    if (volume.get("spec") or klass).get("persistentVolumeReclaimPolicy", klass.get("reclaimPolicy")) == "Retain":
        return "retained"
    wish = (klass.get("parameters") or {}).get("onDelete", "")
    return {"delete": "deleted", "retain": "retained"}.get(wish, "archived")


def decide(item: Object, world: World, policy: Policy, uid: int | None, now: str) -> Decision:
    """Decide about the UserSpace ``item``.

    :param uid: its user id in the list of ids; None when it has none, which is enough to leave.
    :param now: the time, as the API writes it.
    """
    name, status = item["metadata"]["name"], dict(item.get("status") or {})
    status.pop("conditions", None)
    where = policy.prefix + name
    status.update(namespace=where, observedGeneration=item["metadata"].get("generation", 0))
    leaving = _terminating(item)
    if world.namespace is not None and not is_ours(world.namespace, name):
        text = f"the namespace {where} is there and was not made for this space; it is left alone. Rename or delete it, or give the user another name"
        return Decision(False, "NamespaceTaken", text, status=status, finished=leaving)
    try:
        space = Space.read(item.get("spec") or {})
        if space.name != name:
            raise SpaceError("Refused", f"the space of {space.user} has to be named {space.name}, not {name}")
    except SpaceError as error:
        if not leaving:
            return Decision(False, error.reason, str(error), status=status)
        space = Space(user=name)  # what is wrong with it does not keep it from leaving
    _note_home(status, world)
    if leaving or space.state == "archived":
        return _leave(name, world, status, leaving, now)
    if uid is None:
        return Decision(False, "Preparing", "a user id is being given", status=status)
    status.update(uid=uid, gid=manifests.group_id(space, policy))
    if space.state == "disabled":
        return _disable(space, world, policy, uid, status)
    return _keep(space, world, policy, uid, status, now)


def _repairs(desired: list[Object], world: World) -> list[list[Repair | Removal]]:
    """Waves of what is to be made or mended: the namespace, what is in it, the hub's way in."""
    first: list[Repair | Removal] = []
    middle: list[Repair | Removal] = []
    last: list[Repair | Removal] = []
    for wanted in desired:
        current = world.get(wanted["kind"], wanted["metadata"]["name"])
        repair = None if _terminating(current) else settle(current, wanted)
        if repair is not None:
            (first if wanted["kind"] in ("Namespace", "StorageClass") else last if wanted["kind"] == "RoleBinding" else middle).append(repair)
    return [wave for wave in (first, middle, last) if wave]


def _left_folders(desired: list[Object], world: World, name: str) -> list[Repair | Removal]:
    """Removals of claims of shared folders that the user has no longer. The folder itself is its class's, and stays."""
    wanted = {item["metadata"]["name"] for item in desired}
    return [
        _remove("PersistentVolumeClaim", claim)
        for claim_name, claim in world.claims().items()
        if claim_name.startswith(names.SHARED_PREFIX) and claim_name not in wanted and is_ours(claim, name) and not _terminating(claim)
    ]


def _lacking(desired: list[Object], world: World) -> tuple[str, str]:
    """Reason and sentence for the first thing that keeps a space from being ready; empty when it is."""
    for wanted in desired:
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        current = world.get(kind, name)
        if current is None:
            return "Preparing", f"{kind} {name} is being made"
        if _terminating(current):
            return "Preparing", f"{kind} {name} is being deleted, and is made anew when it is gone"
        status = current.get("status") or {}
        if kind == "ResourceQuota" and not set(wanted["spec"]["hard"]) <= set(status.get("hard") or {}):
            return "Preparing", "the quota is being counted"  # until then the API server refuses pods
        if kind == "PersistentVolumeClaim" and status.get("phase") != "Bound":
            klass = world.classes.get(current["spec"].get("storageClassName", ""))
            if klass is None:
                return "HomePending", f"the claim {name} wants the storage class {current['spec'].get('storageClassName')}, which does not exist; make it"
            if klass.get("volumeBindingMode") != "WaitForFirstConsumer":
                look = f"look at: kubectl -n {current['metadata']['namespace']} describe pvc {name}"
                return "HomePending", f"the claim {name} is {status.get('phase', 'Pending')} and waits for its volume ({look})"
    return "", ""


def _mark_away(status: Object, world: World, now: str) -> list[tuple[str, str]]:
    """Move what is known of a home whose claim and volume are gone to ``archived``, where it is kept until the next home is there."""
    home = status.pop("home", None) or {}
    if not home.get("volume"):
        return []
    status["archived"] = {"volume": home["volume"], "at": now, "fate": _fate(home, world)}
    return [("Archived", f"the home, volume {home['volume']}, was {status['archived']['fate']}")]


def _keep(space: Space, world: World, policy: Policy, uid: int, status: Object, now: str) -> Decision:
    if _terminating(world.namespace):
        return Decision(False, "Preparing", f"the namespace {status['namespace']} is being deleted, and is made anew when it is gone", status=status)
    events: list[tuple[str, str]] = []
    old = _pending_volume(status, world)
    if old is None and names.HOME_CLAIM not in world.claims():
        events = _mark_away(status, world, now)  # whoever deleted the claim, its archive is taken back
    desired = manifests.objects(space, policy, uid, LATEST if (status.get("archived") or {}).get("fate") == "archived" else "")
    if old is not None:
        # A claim made now could not get the directory that this volume still has.
        desired = [wanted for wanted in desired if wanted["metadata"]["name"] != names.HOME_CLAIM]
        volume = old["metadata"]["name"]
        what = (
            f"is kept: `kubectl delete pv {volume}` (its files stay) lets the home be made anew"
            if _fate(status["home"], world) == "retained"
            else "is being put away"
        )
        return Decision(False, "HomePending", f"the claim of the home was deleted; its volume {volume} {what}", _repairs(desired, world), status)
    waves = [*_repairs(desired, world), *filter(None, [_left_folders(desired, world, space.name)])]
    reason, message = _lacking(desired, world)
    if reason:
        return Decision(False, reason, message, waves, status, events=events)
    if (status.pop("archived", None) or {}).get("fate") == "archived":
        events.append(("Restored", f"the home of {space.user} is back from its archive"))
    wish = f"; the id {space.uid} was asked for and is another's, or {space.user} had this one before" if space.uid not in (None, uid) else ""
    return Decision(True, "Ready", f"uid {uid}{wish}", waves, status, events=events)


def _disable(space: Space, world: World, policy: Policy, uid: int, status: Object) -> Decision:
    actions, message = _stopping(world)
    waves: list[list[Repair | Removal]] = [actions] if actions else []
    if world.namespace is not None and not _terminating(world.namespace):
        desired = [wanted for wanted in manifests.objects(space, policy, uid) if wanted["kind"] not in ("RoleBinding", "PersistentVolumeClaim")]
        waves += _repairs(desired, world)
    return Decision(False, "Stopping" if message else "Disabled", message or f"{space.user} is disabled; the home stays as it is", waves, status)


def _leave(name: str, world: World, status: Object, deleted: bool, now: str) -> Decision:
    def wait(reason: str, message: str, actions: list[Repair | Removal]) -> Decision:
        return Decision(False, reason, message, [actions] if actions else [], status)

    actions, message = _stopping(world)
    if message:
        return wait("Stopping", message, actions)
    claims = world.claims()
    others = sorted(claim for claim, item in claims.items() if not is_ours(item, name))
    if others:
        text = f"the namespace has claims that were not made for this space ({', '.join(others)}): see what they hold, then delete them; until then it stays"
        return wait("ClaimsLeft", text, [])
    if claims:
        left: list[Repair | Removal] = [_remove("PersistentVolumeClaim", claim) for claim in claims.values() if not _terminating(claim)]
        return wait("Archiving", f"the claims {', '.join(sorted(claims))} are being deleted", left)
    volume = (status.get("home") or {}).get("volume", "")
    if volume in world.volumes and world.volumes[volume]["spec"].get("persistentVolumeReclaimPolicy") != "Retain":
        return wait("Archiving", f"volume {volume} is being put away (look at: kubectl describe pv {volume})", [])
    if world.namespace is not None:
        return wait("Removing", "the namespace is being deleted", [] if _terminating(world.namespace) else [_remove("Namespace", world.namespace)])
    events = _mark_away(status, world, now)
    # The class stays until now: what it says about deleting is read when the volume is released.
    own = world.classes.get(status["namespace"])
    if own is not None and is_ours(own, name):
        actions = [] if _terminating(own) else [_remove("StorageClass", own)]
        return Decision(False, "Removing", "the storage class is being deleted", [actions] if actions else [], status, events=events)
    if deleted:
        return Decision(False, "Removed", "nothing is left in the cluster", [], status, finished=True, events=events)
    kept = status.get("archived")
    text = f"the home, volume {kept['volume']}, was {kept['fate']} at {kept['at']}; spec.state: active brings it back" if kept else "there is no home"
    return Decision(False, "Archived", text, [], status, events=events)
