"""The objects of a space, and how differences are found."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space import manifests, names
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.compare import settle
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.spec import Policy, Space

Object = dict[str, Any]
POLICY = Policy.read({"hub_namespace": "hub", "quota": {"pods": 10, "limits.memory": "8Gi"}, "denied_networks": ["10.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16"]})


def made(spec: Object | None = None, policy: Policy = POLICY) -> dict[tuple[str, str], Object]:
    space = Space.read({"user": "Alice@example.org", **(spec or {})})
    return {(item["kind"], item["metadata"]["name"]): item for item in manifests.objects(space, policy, 20007)}


def as_stored(item: Object) -> Object:
    """As the API server gives an object back."""
    stored = copy.deepcopy(item)
    stored["metadata"].update(uid="u", resourceVersion="7", creationTimestamp="2026-01-01T00:00:00Z", managedFields=[{}])
    stored.setdefault("status", {"phase": "Active"})
    return stored


def test_everything_is_there_in_order() -> None:
    assert [kind for kind, _name in made()] == [
        "Namespace", "ServiceAccount", "ResourceQuota", "LimitRange", "NetworkPolicy", "NetworkPolicy", "PersistentVolumeClaim", "RoleBinding",
    ]  # fmt: skip
    labels = {item["metadata"]["labels"][names.SPACE_LABEL] for item in made().values()}
    assert labels == {names.space_name("Alice@example.org")}
    where = {item["metadata"].get("namespace") for item in made().values()}
    assert where == {None, names.namespace_name("hub-user-", "Alice@example.org")}


def test_the_namespace_says_whose_it_is_and_is_restricted() -> None:
    metadata = next(item for (kind, _name), item in made().items() if kind == "Namespace")["metadata"]
    assert metadata["annotations"] == {names.USER_ANNOTATION: "Alice@example.org", names.UID_ANNOTATION: "20007"}
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_networks_are_closed() -> None:
    objects = made()
    closed, notebook = objects["NetworkPolicy", "default"]["spec"], objects["NetworkPolicy", "notebook"]["spec"]
    assert (closed["podSelector"], closed["policyTypes"], "ingress" in closed) == ({}, ["Ingress", "Egress"], False)
    assert [[port["port"] for port in rule["ports"]] for rule in closed["egress"]] == [[53, 53]]
    assert [rule["ports"][0]["port"] for rule in notebook["ingress"]] == [8888]
    blocks = [peer["ipBlock"] for rule in notebook["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert blocks == [{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "169.254.0.0/16"]}]


def test_without_a_hub_nobody_is_let_in() -> None:
    objects = made(policy=Policy.read({}))
    assert "RoleBinding" not in {kind for kind, _name in objects}
    assert "ingress" not in objects["NetworkPolicy", "notebook"]["spec"]


def test_limits_of_a_user_go_before_the_sites() -> None:
    hard = made({"quota": {"limits.memory": "16Gi", "requests.nvidia.com/gpu": "1"}})["ResourceQuota", "space"]["spec"]["hard"]
    assert hard == {"services.nodeports": "0", "services.loadbalancers": "0", "pods": "10", "limits.memory": "16Gi", "requests.nvidia.com/gpu": "1"}


def test_claims() -> None:
    folder = {"name": "course", "gid": 30001, "readOnly": True}
    objects = made({"gid": 2000, "home": {"size": "2Gi", "restore": "latest"}, "sharedFolders": [folder]})
    home, shared = objects["PersistentVolumeClaim", "home"], objects["PersistentVolumeClaim", "shared-course"]
    assert home["metadata"]["annotations"] == {names.UID_ANNOTATION: "20007", names.GID_ANNOTATION: "2000", names.RESTORE_ANNOTATION: "latest"}
    assert (home["spec"]["storageClassName"], home["spec"]["resources"]["requests"]["storage"]) == ("hub-home", "2Gi")
    assert (shared["spec"]["storageClassName"], shared["spec"]["accessModes"]) == ("shared-course", ["ReadOnlyMany"])


def test_a_class_of_ones_own_is_named_as_the_namespace() -> None:
    objects = made({"home": {"ownClass": {"parameters": {"onDelete": "retain"}, "mountOptions": ["ro"]}}})
    name = names.namespace_name("hub-user-", "Alice@example.org")
    klass = objects["StorageClass", name]
    assert klass["parameters"] == {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true", "onDelete": "retain"}
    assert (klass["mountOptions"], objects["PersistentVolumeClaim", "home"]["spec"]["storageClassName"]) == (["ro"], name)


@pytest.mark.parametrize("key", list(made({"home": {"ownClass": {}}})), ids="/".join)
def test_what_was_made_needs_nothing(key: tuple[str, str]) -> None:
    wanted = made({"home": {"ownClass": {}}})[key]
    assert settle(as_stored(wanted), wanted) is None
    first = settle(None, wanted)
    assert first is not None
    assert (first.verb, first.body) == ("create", wanted)


def test_quantities_may_be_written_otherwise() -> None:
    wanted = made()["ResourceQuota", "space"]
    stored = as_stored(wanted)
    stored["spec"]["hard"]["limits.memory"] = "8192Mi"
    assert settle(stored, wanted) is None


def changed(kind: str, path: tuple[Any, ...], value: Any) -> tuple[Object, Object]:
    wanted = next(item for (found, _name), item in made({"home": {"ownClass": {}}}).items() if found == kind)
    stored = as_stored(wanted)
    place: Any = stored
    for part in path[:-1]:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    place[path[-1]] = value
    return stored, wanted


@pytest.mark.parametrize(
    ("kind", "path", "value", "verb"),
    [
        ("Namespace", ("metadata", "labels", "pod-security.kubernetes.io/enforce"), "privileged", "update"),
        ("Namespace", ("metadata", "labels", "pod-security.kubernetes.io/enforce-version"), "v1.0", "update"),
        ("Namespace", ("metadata", "annotations", names.USER_ANNOTATION), "mallory", "update"),
        ("Namespace", ("metadata", "labels", "somebody"), "else", None),
        ("ServiceAccount", ("automountServiceAccountToken",), True, "update"),
        ("ServiceAccount", ("secrets",), [{"name": "x"}], None),
        ("ResourceQuota", ("spec", "hard", "pods"), "11", "update"),
        ("ResourceQuota", ("spec", "scopes"), ["BestEffort"], "update"),
        ("LimitRange", ("spec", "limits", 0, "default", "memory"), "2Gi", "update"),
        ("NetworkPolicy", ("spec", "ingress"), [{}], "update"),
        ("RoleBinding", ("subjects",), [], "update"),
        ("RoleBinding", ("roleRef", "name"), "admin", "replace"),
        ("StorageClass", ("mountOptions",), ["nosuid"], "update"),
        ("StorageClass", ("parameters", "onDelete"), "delete", "replace"),
        ("PersistentVolumeClaim", ("spec", "resources", "requests", "storage"), "9Gi", "update"),
        ("PersistentVolumeClaim", ("spec", "resources", "requests", "storage"), "11Gi", None),
        ("PersistentVolumeClaim", ("metadata", "annotations", names.UID_ANNOTATION), "1", None),
        ("PersistentVolumeClaim", ("spec", "storageClassName"), "other", None),
    ],
)
def test_differences(kind: str, path: tuple[Any, ...], value: Any, verb: str | None) -> None:
    stored, wanted = changed(kind, path, value)
    repair = settle(stored, wanted)
    assert (repair and repair.verb) == verb
    if repair is not None and verb == "update":
        assert repair.body["metadata"]["resourceVersion"] == "7", "over the version that was read"
        assert settle(repair.body, wanted) is None, "once is enough"
