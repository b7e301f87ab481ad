# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user of Custos should be like, compared with what they are. Pure: no calls in here.

A user is a dictionary: username, email, first_name, last_name (text), enabled (bool), roles (sorted list), attributes (name -> sorted list of text).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.steps import Steps

NAMES = ("email", "first_name", "last_name")


def everybodys(role: str) -> bool:
    """Whether Keycloak gives this role to every user of a realm. Those are never taken away."""
    return role in ("offline_access", "uma_authorization") or role.startswith("default-roles-")


def normal_attributes(attributes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Attributes as sets of text: one value is a list of one, no value is no attribute."""
    lists = {name: value if isinstance(value, list) else [] if value is None else [value] for name, value in attributes.items()}
    return {name: sorted({str(value) for value in values}) for name, values in sorted(lists.items()) if values}


def user(username: str, names: Mapping[str, Any], enabled: bool, roles: Iterable[str], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A user in the form in which they are compared and shown."""
    texts = {name: str(names.get(name) or "") for name in NAMES}
    return {"username": username.lower(), **texts, "enabled": enabled, "roles": sorted(set(roles)), "attributes": normal_attributes(attributes)}


def plan(
    current: Mapping[str, Any] | None, username: str, desired: Mapping[str, Any], state: str, exclusive: bool = False, required: Iterable[str] = ()
) -> Steps:
    """What makes ``current`` (None: there is no such user) like ``desired``, in which None means: leave it.

    ``exclusive`` also takes away roles and attributes that are not named, where any of that kind were named. ``required`` are the options that
    a new user needs. The password is used for a new user only, and never compared: nobody can read it.
    """
    if state == "absent":
        return Steps(dict(current), {}, [("delete", {})]) if current else Steps()
    steps = Steps(dict(current or {}))
    if current is None:
        lacking = [name for name in required if not desired.get(name)]
        if lacking:
            raise CustosError(f"User {username} does not exist yet, and to register them {', '.join(lacking)} must be given.")
        names = {name: desired.get(name) or "" for name in NAMES}
        steps.calls.append(("register", {"names": names, "password": desired.get("password") or ""}))
        current = user(username, names, False, (), {})  # a new one is disabled at first
    after = dict(current)

    enabled = desired.get("enabled")
    if enabled is None:
        enabled = bool(after["enabled"]) if steps.before else True
    wanted = {name: desired[name] for name in NAMES if desired.get(name) is not None}
    if any(after[name] != value for name, value in wanted.items()):
        after |= wanted
        steps.calls.append(("rename", {"names": {name: after[name] for name in NAMES}}))
    if desired.get("roles") is not None:
        has, wants = set(after["roles"]), set(desired["roles"])
        lost = {role for role in has - wants if not everybodys(role)} if exclusive else set()
        steps.calls += [("add_roles", {"roles": sorted(wants - has)})] if wants - has else []
        steps.calls += [("remove_roles", {"roles": sorted(lost)})] if lost else []
        after["roles"] = sorted((has | wants) - lost)

    if desired.get("attributes") is not None:
        has_now, wanted_then = dict(after["attributes"]), normal_attributes(desired["attributes"])
        named = set(desired["attributes"]) | (set(has_now) if exclusive else set())
        given = {name: values for name, values in wanted_then.items() if has_now.get(name) != values}
        gone = {name: has_now[name] for name in sorted(named) if name in has_now and name not in wanted_then}
        steps.calls += [("set_attributes", {"attributes": given})] if given else []
        steps.calls += [("drop_attributes", {"attributes": gone})] if gone else []
        after["attributes"] = {name: values for name, values in sorted({**has_now, **wanted_then}.items()) if name not in gone}

    if enabled != after["enabled"]:  # last: nobody gets in before their roles are what they should be
        after["enabled"] = enabled
        steps.calls.append(("enable", {"enabled": enabled}))
    steps.after = after
    return steps
