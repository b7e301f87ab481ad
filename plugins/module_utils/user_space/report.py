# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is there of whom, and what belongs to nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import names

Object = dict[str, Any]


def _name_of(item: Object) -> str:
    return str((item["metadata"].get("labels") or {}).get(names.SPACE_LABEL, ""))


def describe(item: Object) -> Object:
    """Return a UserSpace as a flat dictionary."""
    status = item.get("status") or {}
    ready: Object = next((entry for entry in status.get("conditions") or [] if entry.get("type") == "Ready"), {})
    return {
        "name": item["metadata"]["name"],
        "user": item["spec"]["user"],
        "state": item["spec"].get("state", "active"),
        "namespace": status.get("namespace", ""),
        "uid": status.get("uid"),
        "home": status.get("home") or {},
        "archived": status.get("archived") or {},
        "ready": ready.get("status") == "True",
        "reason": ready.get("reason", ""),
        "message": ready.get("message", ""),
    }


def without_resource(namespaces: Iterable[Object], claims: Iterable[Object]) -> list[Object]:
    """Return spaces that were made without a UserSpace, as dictionaries like those of `describe`."""
    homes = {claim["metadata"]["namespace"]: claim for claim in claims if claim["metadata"]["name"] == names.HOME_CLAIM}
    found = []
    for item in namespaces:
        annotations, where = item["metadata"].get("annotations") or {}, item["metadata"]["name"]
        home = homes.get(where)
        uid = annotations.get(names.UID_ANNOTATION, "")
        bound = home is not None and (home.get("status") or {}).get("phase") == "Bound"
        found.append(
            {
                "name": _name_of(item),
                "user": annotations.get(names.USER_ANNOTATION, ""),
                "state": "active",
                "namespace": where,
                "uid": int(uid) if uid.isdecimal() else None,
                "home": {"claim": names.HOME_CLAIM, "volume": home["spec"].get("volumeName", ""), "phase": home["status"].get("phase", "")} if home else {},
                "archived": {},
                "ready": bound,
                "reason": "Ready" if bound else "HomePending",
                "message": "",
            }
        )
    return found


def orphans(spaces: Iterable[Object], namespaces: Iterable[Object], claims: Iterable[Object], hub_users: Iterable[str] | None) -> list[Object]:
    """Return what belongs to nobody: dictionaries with kind, name, namespace, user and why.

    :param spaces: UserSpaces.
    :param namespaces: namespaces that were made for a space.
    :param claims: claims that were made for a space.
    :param hub_users: names of the hub's users; None: not known, and not compared.
    """
    spaces, namespaces = list(spaces), list(namespaces)
    known = {item["metadata"]["name"] for item in spaces}
    present = set(hub_users) if hub_users is not None else None
    found = []
    for item in spaces:
        user = item["spec"]["user"]
        if present is not None and user not in present:
            found.append(
                {"kind": "UserSpace", "name": item["metadata"]["name"], "namespace": item["metadata"]["namespace"], "user": user, "why": "no user of the hub"}
            )
    for item in namespaces:
        if _name_of(item) not in known:
            user = (item["metadata"].get("annotations") or {}).get(names.USER_ANNOTATION, "")
            found.append({"kind": "Namespace", "name": item["metadata"]["name"], "namespace": "", "user": user, "why": "no UserSpace"})
    for item in claims:
        if _name_of(item) not in known:
            where = item["metadata"]["namespace"]
            found.append({"kind": "PersistentVolumeClaim", "name": item["metadata"]["name"], "namespace": where, "user": "", "why": "no UserSpace"})
    return found
