# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of a space, as the API server would show them: every default is spelled out, so that `compare` need not guess. Pure."""

from __future__ import annotations

from typing import Any

from . import names
from .spec import Policy, SharedFolder, Space, StorageClass

Object = dict[str, Any]
MANAGED_BY = {"app.kubernetes.io/managed-by": "hub-user-spaces"}
NOTEBOOK_PORT, HUB_PORT = 8888, 8081
POD_SECURITY = "pod-security.kubernetes.io/"
# How nodes mount what the provisioner makes; the same as the site's own class has.
MOUNT_OPTIONS = ("nfsvers=4.2", "hard", "noatime", "nodev", "nosuid")


def _labels(space: Space) -> dict[str, str]:
    return {**MANAGED_BY, names.SPACE_LABEL: space.name}


def _object(api_version: str, kind: str, name: str, namespace: str, space: Space, **body: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": _labels(space)}, **body}


def _in_namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _ports(*numbers: int, protocols: tuple[str, ...] = ("TCP",)) -> list[Object]:
    return [{"port": number, "protocol": protocol} for number in numbers for protocol in protocols]


def namespace(space: Space, policy: Policy, uid: int) -> Object:
    """The user's namespace: pods are restricted, and whose it is can be read."""
    restricted = {f"{POD_SECURITY}{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": names.namespace_name(policy.prefix, space.user),
            "labels": {**_labels(space), **restricted},
            "annotations": {names.USER_ANNOTATION: space.user, names.UID_ANNOTATION: str(uid)},
        },
    }


def service_account(space: Space, where: str) -> Object:
    """The account of pods that name none: without a token."""
    return _object("v1", "ServiceAccount", "default", where, space, automountServiceAccountToken=False)


def resource_quota(space: Space, policy: Policy, where: str) -> Object:
    """How much all pods together may have. What opens ports of nodes is nothing for users."""
    hard = {"services.nodeports": "0", "services.loadbalancers": "0", **policy.quota, **space.quota}
    return _object("v1", "ResourceQuota", "space", where, space, spec={"hard": hard})


def limit_range(space: Space, policy: Policy, where: str) -> Object:
    """What a container has that does not say."""
    limit = {"type": "Container", "default": dict(policy.container_defaults), "defaultRequest": dict(policy.container_requests)}
    return _object("v1", "LimitRange", "space", where, space, spec={"limits": [limit]})


def network_policies(space: Space, policy: Policy, where: str) -> list[Object]:
    """Nothing but names for any pod; the hub and the world for notebooks, and only hub and proxy may connect to those."""
    dns = {**_in_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [dns], "ports": _ports(53, protocols=("UDP", "TCP"))}]}
    world = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(policy.denied_networks)}}]}
    notebook: Object = {"podSelector": {"matchLabels": {"component": "singleuser-server"}}, "policyTypes": ["Ingress", "Egress"], "egress": [world]}
    if policy.hub_namespace:
        hub = _in_namespace(policy.hub_namespace)
        callers = {**hub, "podSelector": {"matchExpressions": [{"key": "component", "operator": "In", "values": ["hub", "proxy"]}]}}
        server = {**hub, "podSelector": {"matchLabels": {"app": "jupyterhub", "component": "hub"}}}
        notebook["ingress"] = [{"from": [callers], "ports": _ports(NOTEBOOK_PORT)}]
        notebook["egress"] = [{"to": [server], "ports": _ports(HUB_PORT)}, world]
    return [
        _object("networking.k8s.io/v1", "NetworkPolicy", "default", where, space, spec=closed),
        _object("networking.k8s.io/v1", "NetworkPolicy", "notebook", where, space, spec=notebook),
    ]


def role_binding(space: Space, policy: Policy, where: str) -> Object:
    """What lets the hub work in this namespace."""
    return _object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "hub",
        where,
        space,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": names.USER_PODS_ROLE},
        subjects=[{"kind": "ServiceAccount", "name": policy.hub_service_account, "namespace": policy.hub_namespace}],
    )


def storage_class(name: str, provisioner: str, given: StorageClass, labels: dict[str, str]) -> Object:
    """A storage class of the provisioner. Without a pathPattern a claim's place is its namespace and name, without onDelete it is archived."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "labels": labels},
        "provisioner": provisioner,
        "parameters": {"pathPattern": "${.PVC.namespace}/${.PVC.name}", "archiveOnDelete": "true", **given.parameters},
        "mountOptions": list(MOUNT_OPTIONS if given.mount_options is None else given.mount_options),
        "reclaimPolicy": given.reclaim_policy,
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }


def own_storage_class(space: Space, policy: Policy) -> Object | None:
    """The user's own storage class, if they have one."""
    if space.own_class is None:
        return None
    return storage_class(names.namespace_name(policy.prefix, space.user), policy.provisioner, space.own_class, _labels(space))


def _claim(space: Space, where: str, name: str, klass: str, size: str, mode: str, annotations: dict[str, str]) -> Object:
    spec = {"accessModes": [mode], "storageClassName": klass, "resources": {"requests": {"storage": size}}, "volumeMode": "Filesystem"}
    claim = _object("v1", "PersistentVolumeClaim", name, where, space, spec=spec)
    claim["metadata"]["annotations"] = annotations
    return claim


def home_claim(space: Space, policy: Policy, where: str, uid: int, restore: str = "") -> Object:
    """The claim of the home. ``restore`` names the archive that the provisioner puts back first."""
    annotations = {names.UID_ANNOTATION: str(uid), names.GID_ANNOTATION: str(group_id(space, policy))}
    if restore:
        annotations[names.RESTORE_ANNOTATION] = restore
    klass = names.namespace_name(policy.prefix, space.user) if space.own_class is not None else space.storage_class or policy.storage_class
    return _claim(space, where, names.HOME_CLAIM, klass, space.home_size or policy.home_size, "ReadWriteMany", annotations)


def shared_claim(space: Space, policy: Policy, where: str, folder: SharedFolder, uid: int) -> Object:
    """The claim by which a member has a shared folder."""
    annotations = {names.UID_ANNOTATION: str(uid), names.GID_ANNOTATION: str(folder.gid or group_id(space, policy))}
    mode = "ReadOnlyMany" if folder.read_only else "ReadWriteMany"
    name = names.shared_name(folder.name)
    return _claim(space, where, name, name, folder.size, mode, annotations)


def group_id(space: Space, policy: Policy) -> int:
    """The group of the user's pods and home."""
    return policy.gid if space.gid is None else space.gid


def objects(space: Space, policy: Policy, uid: int, restore: str = "") -> list[Object]:
    """Everything that an active space consists of, in the order in which it is made: claims after their class, the hub's way in last."""
    where = names.namespace_name(policy.prefix, space.user)
    own = own_storage_class(space, policy)
    return [
        namespace(space, policy, uid),
        service_account(space, where),
        resource_quota(space, policy, where),
        limit_range(space, policy, where),
        *network_policies(space, policy, where),
        *([own] if own else []),
        home_claim(space, policy, where, uid, restore or space.restore),
        *(shared_claim(space, policy, where, folder, uid) for folder in space.shared_folders),
        *([role_binding(space, policy, where)] if policy.hub_namespace else []),
    ]
