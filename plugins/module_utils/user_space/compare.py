# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an object of the API is as it should be, and what to write if not. Pure.

What matters is compared whole: something added to a policy or a binding is as wrong as something missing. Labels and annotations of others
are left alone, except those that would loosen Pod Security.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from . import quantity
from .manifests import POD_SECURITY

Object = dict[str, Any]
_MISSING = object()
# Field paths of each kind that are compared and written.
_FIELDS: dict[str, tuple[str, ...]] = {
    "Namespace": (),
    "UserSpace": ("spec",),
    "ServiceAccount": ("automountServiceAccountToken",),
    "ResourceQuota": ("spec",),
    "LimitRange": ("spec",),
    "NetworkPolicy": ("spec",),
    "RoleBinding": ("roleRef", "subjects"),
    "StorageClass": ("provisioner", "parameters", "mountOptions", "reclaimPolicy", "volumeBindingMode", "allowVolumeExpansion"),
}
# What the API server does not let anybody change: such an object is made anew.
_FIXED: dict[str, tuple[str, ...]] = {
    "RoleBinding": ("roleRef",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
}


@dataclass(frozen=True)
class Repair:
    """What to write: ``body`` is a whole object. ``verb`` is create, update, or replace (delete, then create)."""

    verb: str
    body: Object
    before: Object | None = None  # the parts that count, for a diff


def _canonical(kind: str, value: Any) -> Any:
    """The value with quantities as numbers, where the kind has some."""
    if kind not in ("ResourceQuota", "LimitRange"):
        return value
    if isinstance(value, dict):
        return {key: _canonical(kind, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(kind, item) for item in value]
    try:
        return quantity.parse(value)
    except ValueError:
        return value


def _same(kind: str, current: Object, desired: Object, field: str) -> bool:
    return bool(_canonical(kind, current.get(field, _MISSING)) == _canonical(kind, desired.get(field, _MISSING)))


def _metadata(current: Object, desired: Object) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations as they should be."""
    labels = {**(current["metadata"].get("labels") or {}), **(desired["metadata"].get("labels") or {})}
    if desired["kind"] == "Namespace":
        labels = {key: value for key, value in labels.items() if not key.startswith(POD_SECURITY) or key in desired["metadata"]["labels"]}
    annotations = {**(current["metadata"].get("annotations") or {}), **(desired["metadata"].get("annotations") or {})}
    return labels, annotations


def _grow(current: Object, body: Object, desired: Object) -> bool:
    """Raise the size in a claim's ``body`` when more is asked for. A claim never shrinks, and is never moved to another class."""
    wanted = desired["spec"]["resources"]["requests"]["storage"]
    if quantity.parse(wanted) <= quantity.parse(current["spec"]["resources"]["requests"]["storage"]):
        return False
    body["spec"]["resources"]["requests"]["storage"] = wanted
    return True


def view(item: Object) -> Object:
    """The parts of an object that count, for a person to read."""
    metadata = {key: item["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if item["metadata"].get(key)}
    parts = {field: item[field] for field in _FIELDS.get(item["kind"], ("spec",)) if field in item}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata, **parts}


def settle(current: Object | None, desired: Object) -> Repair | None:
    """Return what to write so that ``current`` (None: there is none) becomes ``desired``; None when nothing is to do.

    Lists that the API returns carry no kind in their items: ``desired``'s is used.
    """
    if current is None:
        return Repair("create", desired)
    kind = desired["kind"]
    current = {**current, "apiVersion": desired["apiVersion"], "kind": kind}
    body = copy.deepcopy(current)
    labels, annotations = _metadata(current, desired)
    changed = labels != (current["metadata"].get("labels") or {}) or annotations != (current["metadata"].get("annotations") or {})
    if kind == "PersistentVolumeClaim":
        # Owner and archive are read when the volume is made: later changes would only mislead.
        annotations, labels = (current["metadata"].get(key) or {} for key in ("annotations", "labels"))
        changed = _grow(current, body, desired)
    fixed = [field for field in _FIXED.get(kind, ()) if not _same(kind, current, desired, field)]
    if fixed:
        return Repair("replace", desired, view(current))
    for field in _FIELDS.get(kind, ()):
        if not _same(kind, current, desired, field):
            changed = True
            body.pop(field, None)
            if field in desired:
                body[field] = copy.deepcopy(desired[field])
    if not changed:
        return None
    body["metadata"].update(labels=labels, annotations=annotations)
    return Repair("update", body, view(current))
