"""Claims and volumes: what is to be done about them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hub_provisioner import plan
from hub_provisioner.errors import RefusedError
from hub_provisioner.limits import Limits
from hub_provisioner.plan import Growth, Settings

SETTINGS = Settings(provisioner="hub.airavata.org/nfs", server="10.77.0.31", export="/srv/hub")
CLASS = {
    "metadata": {"name": "hub-home"},
    "provisioner": "hub.airavata.org/nfs",
    "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}"},
    "mountOptions": ["nfsvers=4.2", "nosuid"],
    "reclaimPolicy": "Delete",
}
CLAIM = {
    "metadata": {
        "name": "home-alice",
        "namespace": "hub-users",
        "uid": "u1",
        "resourceVersion": "7",
        "annotations": {"volume.kubernetes.io/storage-provisioner": "hub.airavata.org/nfs", "hub.airavata.org/uid": "20001", "hub.airavata.org/gid": "100"},
    },
    "spec": {"storageClassName": "hub-home", "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "2Gi"}}},
    "status": {"phase": "Pending"},
}


def changed(item: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of an object with values set by dotted path (`__` between parts); None removes."""
    item = copy.deepcopy(item)
    for path, value in changes.items():
        *way, last = path.split("__")
        inner = item
        for part in way:
            inner = inner.setdefault(part, {})
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return item


def annotated(**annotations: str | None) -> dict[str, Any]:
    claim = copy.deepcopy(CLAIM)
    for key, value in annotations.items():
        full = f"hub.airavata.org/{key}"
        if value is None:
            del claim["metadata"]["annotations"][full]
        else:
            claim["metadata"]["annotations"][full] = value
    return claim


def order_for(claim: dict[str, Any], klass: dict[str, Any] | None = None, volumes: list[dict[str, Any]] | None = None) -> plan.Order | None:
    return plan.plan_claim(claim, {"hub-home": klass or CLASS}, volumes or [], SETTINGS)


VOLUME = plan.new_volume(order_for(CLAIM), CLAIM, CLASS, SETTINGS)  # type: ignore[arg-type]


def test_order_and_volume() -> None:
    order = order_for(CLAIM)
    assert order == plan.Order("pvc-u1", "hub-users", "home-alice", "u1", ("hub-users", "home-alice"), 20001, 100, Limits(2 * 2**30, 131072))
    assert VOLUME["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == "hub.airavata.org/nfs"
    spec = VOLUME["spec"]
    assert spec["nfs"] == {"server": "10.77.0.31", "path": "/srv/hub/hub-users/home-alice"}
    assert spec["mountOptions"] == ["nfsvers=4.2", "nosuid"]
    assert spec["capacity"] == {"storage": "2Gi"}
    assert (spec["claimRef"]["namespace"], spec["claimRef"]["name"], spec["claimRef"]["uid"]) == ("hub-users", "home-alice", "u1")
    assert (spec["persistentVolumeReclaimPolicy"], spec["storageClassName"], spec["accessModes"]) == ("Delete", "hub-home", ["ReadWriteMany"])


@pytest.mark.parametrize(
    "claim",
    [
        changed(CLAIM, spec__volumeName="pvc-u1"),
        changed(CLAIM, status__phase="Bound"),
        changed(CLAIM, status__phase="Lost"),
        changed(CLAIM, metadata__deletionTimestamp="2026-11-23T22:00:00Z"),
        changed(CLAIM, metadata__annotations={}),
        changed(CLAIM, metadata__annotations={"volume.kubernetes.io/storage-provisioner": "other"}),
        changed(CLAIM, spec__storageClassName="other"),
        changed(CLAIM, spec__storageClassName=None),
    ],
)
def test_not_for_us(claim: dict[str, Any]) -> None:
    assert order_for(claim) is None


def test_class_of_another_provisioner_and_late_binding() -> None:
    assert order_for(CLAIM, changed(CLASS, provisioner="other")) is None
    late = changed(CLASS, volumeBindingMode="WaitForFirstConsumer")
    assert order_for(CLAIM, late) is None
    placed = copy.deepcopy(CLAIM)
    placed["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = "worker1"
    assert order_for(placed, late) is not None


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (annotated(uid="0"), "OwnerRefused"),
        (annotated(uid="999"), "OwnerRefused"),
        (annotated(uid="65534"), "OwnerRefused"),
        (annotated(uid="65535"), "OwnerRefused"),
        (annotated(uid="-1"), "OwnerRefused"),
        (annotated(uid="4294967295"), "OwnerRefused"),
        (annotated(uid="2147483648"), "OwnerRefused"),
        (annotated(uid="0x5000"), "OwnerRefused"),
        (annotated(uid="20001 "), "OwnerRefused"),
        (annotated(uid="٢٠٠٠١"), "OwnerRefused"),
        (annotated(uid=""), "OwnerRefused"),
        (annotated(uid="9" * 5000), "OwnerRefused"),
        (annotated(gid="0"), "OwnerRefused"),
        (annotated(gid="42"), "OwnerRefused"),
        (annotated(uid=None), "OwnerUnknown"),
        (annotated(gid=None), "OwnerUnknown"),
        (changed(CLAIM, spec__selector={"matchLabels": {"a": "b"}}), "SelectorRefused"),
        (changed(CLAIM, spec__volumeMode="Block"), "BlockRefused"),
        (changed(CLAIM, spec__dataSource={"name": "x"}), "DataSourceRefused"),
        (changed(CLAIM, spec__resources={"requests": {"storage": "0"}}), "SizeRefused"),
        (changed(CLAIM, spec__resources={"requests": {"storage": "-1Gi"}}), "SizeRefused"),
        (changed(CLAIM, spec__resources={"requests": {"storage": "big"}}), "SizeRefused"),
    ],
)
def test_refused(claim: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        order_for(claim)
    assert caught.value.reason == reason


def test_owner_from_the_class_and_the_annotation_first() -> None:
    klass = changed(CLASS, parameters__uid="5000", parameters__gid="500")
    plain = order_for(annotated(uid=None, gid=None), klass)
    assert plain is not None
    assert (plain.uid, plain.gid) == (5000, 500)
    annotated_order = order_for(annotated(gid=None), klass)
    assert annotated_order is not None
    assert (annotated_order.uid, annotated_order.gid) == (20001, 500)


@pytest.mark.parametrize(
    ("path", "free"),
    [
        ("/srv/hub/hub-users/home-alice", False),
        ("/srv/hub/hub-users", False),
        ("/srv/hub//hub-users/home-alice/", False),
        ("/srv/hub/hub-users/home-alice/deeper", False),
        ("/srv/hub/hub-users/home-alicia", True),
        ("/srv/other/hub-users/home-alice", True),
    ],
)
def test_place_of_another_volume(path: str, free: bool) -> None:
    other = changed(VOLUME, metadata__name="by-hand", spec__nfs={"server": "10.77.0.31", "path": path})
    if free:
        assert order_for(CLAIM, volumes=[other]) is not None
        return
    with pytest.raises(RefusedError, match="by-hand"):
        order_for(CLAIM, volumes=[other])


def test_provisioned_and_not_yet_bound() -> None:
    assert order_for(CLAIM, volumes=[VOLUME]) is None


def test_other_servers_are_in_nobodys_way() -> None:
    assert (
        order_for(CLAIM, volumes=[changed(VOLUME, metadata__name="x", spec__nfs={"server": "10.0.0.9", "path": "/srv/hub/hub-users/home-alice"})]) is not None
    )


@pytest.mark.parametrize(
    ("size", "per_gib", "inodes"), [(2**30, 65536, 65536), (10 * 2**30, 65536, 655360), (2**20, 65536, 10000), (2**40, 0, 0), (3 * 2**29, 100000, 150000)]
)
def test_inode_limit(size: int, per_gib: int, inodes: int) -> None:
    assert plan.limits_for(size, {}, Settings("p", "s", "/e", inodes_per_gib=per_gib)) == Limits(size, inodes)


def bound(asked: str, capacity: str, shown: str) -> tuple[dict[str, Any], dict[str, Any]]:
    claim = changed(
        CLAIM, spec__volumeName="pvc-u1", spec__resources={"requests": {"storage": asked}}, status={"phase": "Bound", "capacity": {"storage": shown}}
    )
    return claim, changed(VOLUME, spec__capacity={"storage": capacity}, status={"phase": "Bound"})


@pytest.mark.parametrize(
    ("asked", "capacity", "shown", "expected"),
    [
        ("2Gi", "2Gi", "2Gi", None),
        ("3Gi", "2Gi", "2Gi", Growth(3 * 2**30, True, True)),
        ("3Gi", "3Gi", "2Gi", Growth(3 * 2**30, False, True)),  # ended between the volume and the claim
        ("1Gi", "2Gi", "2Gi", None),
        ("2Gi", "3Gi", "2Gi", Growth(3 * 2**30, False, True)),  # lowered again after the volume grew
        ("2048Mi", "2Gi", "2Gi", None),
    ],
)
def test_growth(asked: str, capacity: str, shown: str, expected: Growth | None) -> None:
    assert plan.plan_growth(*bound(asked, capacity, shown), SETTINGS) == expected


def test_growth_only_of_own_bound_volumes() -> None:
    claim, volume = bound("3Gi", "2Gi", "2Gi")
    assert plan.plan_growth(claim, changed(volume, metadata__annotations={}), SETTINGS) is None
    assert plan.plan_growth(claim, changed(volume, spec__claimRef={"uid": "u2"}), SETTINGS) is None
    assert plan.plan_growth(changed(claim, status__phase="Pending"), volume, SETTINGS) is None
    assert plan.plan_growth(changed(claim, metadata__deletionTimestamp="now"), volume, SETTINGS) is None


RELEASED = changed(VOLUME, status={"phase": "Released"})


@pytest.mark.parametrize(
    ("parameters", "wish", "remark"),
    [
        ({}, "archive", ""),
        ({"onDelete": "delete"}, "delete", ""),
        ({"onDelete": "retain"}, "retain", ""),
        ({"onDelete": "delete", "archiveOnDelete": "true"}, "delete", ""),
        ({"onDelete": "retain", "archiveOnDelete": "false"}, "retain", ""),
        ({"archiveOnDelete": "true"}, "archive", ""),
        ({"archiveOnDelete": "false"}, "archive", "never deletes"),
        ({"onDelete": "Delete"}, "archive", "not known"),
        ({"onDelete": "purge"}, "archive", "not known"),
        ({"onDelete": ""}, "archive", ""),
    ],
)
def test_release(parameters: dict[str, str], wish: str, remark: str) -> None:
    classes = {"hub-home": changed(CLASS, parameters=parameters)}
    assert plan.plan_release(RELEASED, classes, SETTINGS) == wish
    said = plan.release_remark(RELEASED, classes)
    assert (remark in said) if remark else not said


def test_release_without_a_class_archives() -> None:
    assert plan.plan_release(RELEASED, {}, SETTINGS) == "archive"
    assert "gone" in plan.release_remark(RELEASED, {})


@pytest.mark.parametrize(
    "volume",
    [
        VOLUME,
        changed(VOLUME, status={"phase": "Bound"}),
        changed(RELEASED, spec__persistentVolumeReclaimPolicy="Retain"),
        changed(RELEASED, metadata__annotations={"pv.kubernetes.io/provisioned-by": "other"}),
        changed(RELEASED, metadata__deletionTimestamp="now"),
    ],
)
def test_not_released_to_us(volume: dict[str, Any]) -> None:
    assert plan.plan_release(volume, {"hub-home": changed(CLASS, parameters={"onDelete": "delete"})}, SETTINGS) is None


@pytest.mark.parametrize(
    "path",
    ["/srv/hub", "/srv/hub/", "/srv/hub/../../etc", "/srv/hub/a/../b", "/srv/hub/.hub/new", "/srv/hub/archived-x", "/etc", "", "/srv/hubris/x", "/srv/hub/a b"],
)
def test_path_of_a_forged_volume_is_not_acted_on(path: str) -> None:
    with pytest.raises(RefusedError):
        plan.checked_path_of(changed(RELEASED, spec__nfs={"server": "10.77.0.31", "path": path}), SETTINGS)


def test_path_of_own_volume() -> None:
    assert plan.checked_path_of(RELEASED, SETTINGS) == ("hub-users", "home-alice")


# Shared folders

SHARED_CLASS = {
    "metadata": {"name": "course"},
    "provisioner": "hub.airavata.org/nfs",
    "parameters": {"shared": "true", "pathPattern": "shared/course", "gid": "5000", "mode": "2775", "sizeGib": "50", "filesPerGib": "1000"},
    "mountOptions": ["nfsvers=4.2", "ro"],
}
STUDENT = changed(annotated(uid="20001", gid="100"), spec__storageClassName="course")


def shared_order(claim: dict[str, Any] = STUDENT, volumes: tuple[dict[str, Any], ...] = (), **parameters: str | None) -> plan.Order | None:
    klass = changed(SHARED_CLASS, **{f"parameters__{key}": value for key, value in parameters.items()})
    return plan.plan_claim(claim, {"course": klass}, volumes, SETTINGS)


def shared_volume() -> dict[str, Any]:
    order = shared_order()
    assert order is not None
    return plan.new_volume(order, STUDENT, SHARED_CLASS, SETTINGS)


def test_shared_order_and_volume() -> None:
    order = shared_order()
    assert order == plan.Order("pvc-u1", "hub-users", "home-alice", "u1", ("shared", "course"), 0, 5000, Limits(50 * 2**30, 50_000), mode=0o2775, shared=True)
    volume = shared_volume()
    assert volume["metadata"]["annotations"] == {
        "pv.kubernetes.io/provisioned-by": "hub.airavata.org/nfs",
        "hub.airavata.org/gid": "5000",
        "hub.airavata.org/shared": "true",
        "hub.airavata.org/files-per-gib": "1000",
    }
    assert (volume["spec"]["capacity"], volume["spec"]["mountOptions"]) == ({"storage": "50Gi"}, ["nfsvers=4.2", "ro"])


def test_claims_of_a_shared_folder_share_it_and_nothing_else() -> None:
    second = changed(STUDENT, metadata__uid="u2", metadata__namespace="team-b")
    assert shared_order(second, (shared_volume(),)) is not None
    for other in (
        changed(shared_volume(), metadata__annotations={"hub.airavata.org/shared": "true"}),  # somebody else's volume that says so
        changed(shared_volume(), metadata__annotations={"pv.kubernetes.io/provisioned-by": "hub.airavata.org/nfs"}),
        changed(shared_volume(), spec__nfs={"server": "10.77.0.31", "path": "/srv/hub/shared"}),
        changed(shared_volume(), spec__nfs={"server": "10.77.0.31", "path": "/srv/hub/shared/course/inner"}),
    ):
        with pytest.raises(RefusedError, match="overlaps") as caught:
            shared_order(second, (other,))
        assert caught.value.reason == "PathInUse"
    home = changed(CLASS, parameters={"pathPattern": "shared/course"})
    with pytest.raises(RefusedError, match="overlaps"):
        order_for(changed(CLAIM, metadata__uid="u2"), home, [shared_volume()])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"shared": "yes"}, "not true or false"),
        ({"shared": "True"}, "not true or false"),
        ({"pathPattern": None}, "one fixed path"),
        ({"pathPattern": "shared/${.PVC.name}"}, "one fixed path"),
        ({"mode": "0777"}, "not one of"),
        ({"mode": "2777"}, "not one of"),
        ({"sizeGib": None}, "needs the parameters"),
        ({"gid": None}, "needs the parameters"),
        ({"uid": "20001"}, "remove uid"),
        ({"sizeGib": "0"}, "sizeGib"),
        ({"sizeGib": "1.5"}, "sizeGib"),
        ({"sizeGib": "50Gi"}, "sizeGib"),
    ],
)
def test_class_that_makes_no_shared_folder(parameters: dict[str, str | None], message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        shared_order(**parameters)
    assert caught.value.reason == "ClassRefused"


@pytest.mark.parametrize(
    ("claim", "parameters", "reason"),
    [
        (changed(STUDENT, spec__resources={"requests": {"storage": "51Gi"}}), {}, "SizeRefused"),  # the volume would never be bound
        (STUDENT, {"gid": "0"}, "OwnerRefused"),
        (STUDENT, {"gid": "65534"}, "OwnerRefused"),
        (changed(STUDENT, metadata__annotations={**STUDENT["metadata"]["annotations"], "hub.airavata.org/restore": "latest"}), {}, "RestoreRefused"),
        (STUDENT, {"pathPattern": "archived-x"}, "PathPatternFailed"),
        (STUDENT, {"pathPattern": "../x"}, "PathPatternFailed"),
    ],
)
def test_shared_claim_refused(claim: dict[str, Any], parameters: dict[str, str | None], reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        shared_order(claim, **parameters)
    assert caught.value.reason == reason


def test_shared_group_is_the_classs_whoever_asks() -> None:
    order = shared_order(changed(STUDENT, metadata__annotations={**STUDENT["metadata"]["annotations"], "hub.airavata.org/gid": "6000"}))
    assert order is not None
    assert (order.uid, order.gid) == (0, 5000)


@pytest.mark.parametrize("classes", [{}, {"course": changed(SHARED_CLASS, parameters={"onDelete": "delete"})}, {"course": SHARED_CLASS}])
def test_shared_folder_outlives_its_claims_whatever_became_of_its_class(classes: dict[str, Any]) -> None:
    assert plan.plan_release(changed(shared_volume(), status={"phase": "Released"}), classes, SETTINGS) == "leave"


def test_shared_folder_has_the_size_of_its_class() -> None:
    claim, volume = bound("60Gi", "50Gi", "50Gi")
    volume["metadata"]["annotations"]["hub.airavata.org/shared"] = "true"
    assert plan.plan_growth(claim, volume, SETTINGS) is None
    old = changed(shared_volume(), spec__storageClassName="course")
    assert plan.due_limits(old, 50 * 2**30, {"course": SHARED_CLASS}, SETTINGS) == Limits(50 * 2**30, 50_000)
    grown = changed(SHARED_CLASS, parameters__sizeGib="80")
    assert plan.due_limits(old, 50 * 2**30, {"course": grown}, SETTINGS) == Limits(80 * 2**30, 80_000)
    assert plan.due_limits(old, 50 * 2**30, {}, SETTINGS) == Limits(50 * 2**30, 50_000)  # the volume remembers


def test_volume_remembers_the_limits_of_its_class() -> None:
    klass = changed(CLASS, parameters__softQuotaPercent="80", parameters__filesPerGib="1024")
    order = order_for(CLAIM, klass)
    assert order is not None
    assert order.limits == Limits(2 * 2**30, 2048, 2 * 2**30 * 80 // 100, 1638)
    volume = plan.new_volume(order, CLAIM, klass, SETTINGS)
    assert plan.due_limits(volume, 2 * 2**30, {}, SETTINGS) == order.limits
    assert plan.due_limits(VOLUME, 2 * 2**30, {"hub-home": klass}, SETTINGS) == Limits(2 * 2**30, 131072)  # made before the class said so


def test_restore_is_asked_for_on_the_claim() -> None:
    order = order_for(changed(CLAIM, metadata__annotations={**CLAIM["metadata"]["annotations"], "hub.airavata.org/restore": "latest"}))
    assert order is not None
    assert order.restore == "latest"
