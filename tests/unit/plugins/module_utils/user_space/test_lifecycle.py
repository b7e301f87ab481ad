"""What to do next about a space, step by step: a small cluster that does what it is told, one decision at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space import lifecycle, names
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.compare import Repair
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.lifecycle import Decision, Removal, World, decide
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.spec import Policy

Object = dict[str, Any]
POLICY = Policy.read({"hub_namespace": "hub"})
NOW = "2026-01-01T00:00:00Z"
CLASS: Object = {"metadata": {"name": "hub-home"}, "parameters": {}, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}


class Cluster:
    """Keeps objects, binds claims, counts quotas, archives released volumes: each only when told to."""

    def __init__(self, **spec: Any) -> None:
        self.item: Object = {"metadata": {"name": "alice", "namespace": "hub", "generation": 1}, "spec": {"user": "alice", **spec}, "status": {}}
        self.namespace: Object | None = None
        self.objects: dict[tuple[str, str], Object] = {}
        self.pods: dict[str, Object] = {}
        self.volumes: dict[str, Object] = {}
        self.classes: dict[str, Object] = {"hub-home": copy.deepcopy(CLASS)}
        self.log: list[str] = []
        self._count = 0

    def look(self) -> Decision:
        world = World(self.namespace, self.objects, self.pods, self.volumes, self.classes)
        decision = decide(copy.deepcopy(self.item), copy.deepcopy(world), POLICY, 20001, NOW)
        self.item["status"] = copy.deepcopy(decision.status)
        return decision

    def step(self) -> Decision:
        """Decide and do."""
        decision = self.look()
        for wave in decision.waves:
            for action in wave:
                self._do(action)
        return decision

    def until(self, reason: str, after: Callable[[], None] = lambda: None) -> Decision:
        for _attempt in range(12):
            decision = self.step()
            if decision.reason == reason and not decision.waves:
                return decision
            after()
        raise AssertionError(f"never {reason}; last {decision.reason}: {decision.message}; {self.log}")

    def _do(self, action: Repair | Removal) -> None:
        if isinstance(action, Removal):
            self.log.append(f"delete {action.kind} {action.name}")
            if action.kind == "Namespace":
                self.namespace, self.objects = None, {}
            elif action.kind == "Pod":
                del self.pods[action.name]
            elif action.kind == "StorageClass":
                del self.classes[action.name]
            else:
                gone = self.objects.pop((action.kind, action.name))
                volume = gone["spec"].get("volumeName") if "spec" in gone else None
                if volume:
                    self.volumes[volume]["status"] = {"phase": "Released"}
            return
        body = copy.deepcopy(action.body)
        self._count += 1
        body["metadata"]["uid"] = f"u{self._count}"
        self.log.append(f"{action.verb} {body['kind']} {body['metadata']['name']}")
        if body["kind"] == "Namespace":
            self.namespace = body
        elif body["kind"] == "StorageClass":
            self.classes[body["metadata"]["name"]] = body
        else:
            self.objects[body["kind"], body["metadata"]["name"]] = body

    def settle(self) -> None:
        """What the cluster does by itself: count, bind."""
        for (kind, name), item in self.objects.items():
            if kind == "ResourceQuota":
                item["status"] = {"hard": item["spec"]["hard"]}
            if kind == "PersistentVolumeClaim" and "volumeName" not in item["spec"]:
                volume = f"pvc-{item['metadata']['uid']}"
                policy = self.classes[item["spec"]["storageClassName"]].get("reclaimPolicy", "Delete")
                self.volumes[volume] = {"metadata": {"name": volume}, "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"name": name}}}
                item["spec"]["volumeName"] = volume
                item["status"] = {"phase": "Bound"}

    def archive(self) -> None:
        """What the provisioner does."""
        for name, volume in list(self.volumes.items()):
            if volume.get("status", {}).get("phase") == "Released" and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
                del self.volumes[name]


def ready(**spec: Any) -> Cluster:
    cluster = Cluster(**spec)
    cluster.until("Ready", cluster.settle)
    cluster.log.clear()
    return cluster


def test_it_is_ready_when_a_pod_can_start() -> None:
    cluster = Cluster()
    assert cluster.step().reason == "Preparing"
    assert cluster.log[0] == "create Namespace hub-user-alice"
    assert cluster.log[-1] == "create RoleBinding hub", "the hub's way in comes after the walls"
    assert cluster.look().message == "the quota is being counted"
    cluster.objects["ResourceQuota", "space"]["status"] = {"hard": cluster.objects["ResourceQuota", "space"]["spec"]["hard"]}
    assert cluster.look().reason == "HomePending"
    cluster.settle()
    decision = cluster.look()
    assert (decision.ready, decision.waves, decision.status["uid"]) == (True, [], 20001)


def test_a_claim_may_wait_for_its_first_pod() -> None:
    cluster = Cluster()
    cluster.classes["hub-home"]["volumeBindingMode"] = "WaitForFirstConsumer"
    cluster.step()
    cluster.objects["ResourceQuota", "space"]["status"] = {"hard": cluster.objects["ResourceQuota", "space"]["spec"]["hard"]}
    assert cluster.look().ready


def test_a_class_that_is_missing_is_named() -> None:
    cluster = Cluster(home={"storageClass": "fast"})
    cluster.step()
    cluster.objects["ResourceQuota", "space"]["status"] = {"hard": cluster.objects["ResourceQuota", "space"]["spec"]["hard"]}
    assert "storage class fast, which does not exist" in cluster.look().message


def test_a_ready_space_is_left_alone() -> None:
    assert ready().look().waves == []


@pytest.mark.parametrize(("how", "finished"), [("archived", False), ("deleted", True)])
def test_leaving_goes_in_order(how: str, finished: bool) -> None:
    cluster = ready()
    cluster.pods["p"] = {"metadata": {"name": "p", "namespace": "hub-user-alice", "uid": "p"}}
    if how == "deleted":
        cluster.item["metadata"]["deletionTimestamp"] = NOW
    else:
        cluster.item["spec"]["state"] = "archived"
    assert cluster.step().reason == "Stopping"
    assert cluster.step().reason == "Stopping"
    assert cluster.step().reason == "Archiving"
    assert cluster.log == ["delete RoleBinding hub", "delete Pod p", "delete PersistentVolumeClaim home"]
    waiting = cluster.step()
    assert (waiting.reason, waiting.waves) == ("Archiving", []), "the volume is there, so the namespace stays"
    cluster.archive()
    assert cluster.step().reason == "Removing"
    decision = cluster.step()
    assert cluster.log[-1] == "delete Namespace hub-user-alice"
    assert decision.finished is finished
    assert decision.status["archived"] == {"volume": "pvc-u7", "at": NOW, "fate": "archived"}
    assert [reason for reason, _message in decision.events] == ["Archived"]


def test_coming_back_asks_for_the_archive_until_it_is_there() -> None:
    cluster = ready()
    cluster.item["spec"]["state"] = "archived"
    cluster.until("Archived", cluster.archive)
    cluster.item["spec"]["state"] = "active"
    cluster.step()
    assert cluster.objects["PersistentVolumeClaim", "home"]["metadata"]["annotations"][names.RESTORE_ANNOTATION] == lifecycle.LATEST
    cluster.look()
    assert "archived" in cluster.item["status"], "not forgotten before the home is there"
    cluster.objects.pop(("PersistentVolumeClaim", "home"))  # deleted before it was bound
    cluster.step()
    assert cluster.objects["PersistentVolumeClaim", "home"]["metadata"]["annotations"][names.RESTORE_ANNOTATION] == lifecycle.LATEST
    cluster.settle()
    decision = cluster.look()
    assert (decision.ready, "archived" in decision.status) == (True, False)


def test_a_claim_deleted_by_hand_is_made_again_when_its_volume_is_put_away() -> None:
    cluster = ready()
    volume = cluster.item["status"]["home"]["volume"]
    cluster.objects.pop(("PersistentVolumeClaim", "home"))
    cluster.volumes[volume]["status"] = {"phase": "Released"}
    decision = cluster.step()
    assert (decision.reason, ("PersistentVolumeClaim", "home") in cluster.objects) == ("HomePending", False)
    assert volume in decision.message
    cluster.archive()
    cluster.step()
    assert cluster.objects["PersistentVolumeClaim", "home"]["metadata"]["annotations"][names.RESTORE_ANNOTATION] == lifecycle.LATEST


@pytest.mark.parametrize(
    ("klass", "fate", "asks"),
    [
        ({}, "archived", True),
        ({"parameters": {"onDelete": "retain"}}, "retained", False),
        ({"parameters": {"onDelete": "delete"}}, "deleted", False),
        ({"reclaimPolicy": "Retain"}, "retained", False),
    ],
)
def test_only_an_archive_is_asked_back(klass: Object, fate: str, asks: bool) -> None:
    """A claim that asked for an archive that cannot exist would never be bound."""
    cluster = Cluster()
    cluster.classes["hub-home"].update(klass)
    cluster.until("Ready", cluster.settle)
    cluster.item["spec"]["state"] = "archived"
    decision = cluster.until("Archived", cluster.archive)
    assert decision.status["archived"]["fate"] == fate
    cluster.item["spec"]["state"] = "active"
    cluster.step()
    assert (names.RESTORE_ANNOTATION in cluster.objects["PersistentVolumeClaim", "home"]["metadata"]["annotations"]) is asks


def test_disabled_stops_and_keeps() -> None:
    cluster = ready()
    before = set(cluster.objects)
    cluster.pods["p"] = {"metadata": {"name": "p", "namespace": "hub-user-alice", "uid": "p"}}
    cluster.item["spec"]["state"] = "disabled"
    cluster.until("Disabled")
    assert cluster.log == ["delete RoleBinding hub", "delete Pod p"]
    assert set(cluster.objects) == before - {("RoleBinding", "hub")}
    cluster.item["spec"]["state"] = "active"
    cluster.until("Ready")


def test_who_is_disabled_from_the_start_gets_nothing() -> None:
    cluster = Cluster(state="disabled")
    assert (cluster.step().reason, cluster.log) == ("Disabled", [])


def test_a_shared_folder_comes_and_goes_with_the_spec() -> None:
    cluster = ready()
    cluster.classes["shared-course"] = copy.deepcopy(CLASS)
    cluster.item["spec"]["sharedFolders"] = [{"name": "course"}]
    cluster.until("Ready", cluster.settle)
    assert cluster.log == ["create PersistentVolumeClaim shared-course"]
    cluster.item["spec"]["sharedFolders"] = []
    cluster.until("Ready")
    assert cluster.log[-1] == "delete PersistentVolumeClaim shared-course"


def test_claims_of_others_hold_everything() -> None:
    cluster = ready()
    cluster.objects["PersistentVolumeClaim", "other"] = {"metadata": {"name": "other", "namespace": "hub-user-alice", "uid": "o"}, "spec": {}}
    cluster.item["metadata"]["deletionTimestamp"] = NOW
    decision = cluster.until("ClaimsLeft")
    assert "other" in decision.message
    assert ("PersistentVolumeClaim", "home") in cluster.objects


@pytest.mark.parametrize("deleted", [False, True])
def test_a_namespace_of_others_is_not_touched(deleted: bool) -> None:
    cluster = Cluster()
    cluster.namespace = {"metadata": {"name": "hub-user-alice", "labels": {names.SPACE_LABEL: "bob"}}}
    if deleted:
        cluster.item["metadata"]["deletionTimestamp"] = NOW
    decision = cluster.step()
    assert (decision.reason, decision.waves, decision.finished) == ("NamespaceTaken", [], deleted)


@pytest.mark.parametrize("spec", [{"user": "bob"}, {"user": "alice", "uid": 1}, {"user": "alice", "unknown": 1}])
def test_a_wrong_spec_makes_nothing_and_may_leave(spec: Object) -> None:
    cluster = Cluster()
    cluster.item["spec"] = spec
    assert (cluster.step().reason, cluster.log) == ("Refused", [])
    cluster.item["metadata"]["deletionTimestamp"] = NOW
    assert cluster.step().finished


def test_what_is_being_deleted_is_waited_for() -> None:
    cluster = ready()
    assert cluster.namespace is not None
    cluster.namespace["metadata"]["deletionTimestamp"] = NOW
    decision = cluster.step()
    assert (decision.reason, decision.waves) == ("Preparing", [])
    assert "is being deleted" in decision.message
