# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the API server has the kinds of this package. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from . import names

# kind: (group path, resource, in a namespace)
KINDS: dict[str, tuple[str, str, bool]] = {
    "UserSpace": (f"/apis/{names.GROUP}/{names.VERSION}", names.PLURAL, True),
    "Namespace": ("/api/v1", "namespaces", False),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "ResourceQuota": ("/api/v1", "resourcequotas", True),
    "LimitRange": ("/api/v1", "limitranges", True),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "StorageClass": ("/apis/storage.k8s.io/v1", "storageclasses", False),
    "PersistentVolume": ("/api/v1", "persistentvolumes", False),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims", True),
    "Pod": ("/api/v1", "pods", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
}
# Kinds of which a space has objects in its namespace.
OWNED = ("ServiceAccount", "ResourceQuota", "LimitRange", "NetworkPolicy", "RoleBinding", "PersistentVolumeClaim")


def path(kind: str, namespace: str = "", name: str = "", **query: str) -> str:
    """Return the path of an object, or without a name that of a collection; without a namespace that of all namespaces."""
    group, resource, _namespaced = KINDS[kind]
    parts = [group, *(["namespaces", quote(namespace)] if namespace else []), resource, *([quote(name)] if name else [])]
    return "/".join(parts) + (f"?{urlencode(query)}" if query else "")


def path_of(item: Mapping[str, Any], named: bool = True) -> str:
    """Return the path of an object; not ``named``, that of its collection, to which it is posted."""
    metadata = item["metadata"]
    return path(item["kind"], metadata.get("namespace", ""), metadata["name"] if named else "")
