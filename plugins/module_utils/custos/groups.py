# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a group of Custos should be like, compared with what it is. Pure: no calls in here.

A group is a dictionary: group_id, name, description, owner (text), members (username -> OWNER, ADMIN or MEMBER).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.steps import Steps

TYPES = ("ADMIN", "MEMBER")  # an owner is not made with a membership


def choose(groups: Iterable[Mapping[str, Any]], name: str, group_id: str = "") -> dict[str, Any] | None:
    """The group that is meant: by its id, else the one with this name. Raises CustosError when several have it: Custos lets them."""
    key, value = ("group_id", group_id) if group_id else ("name", name)
    fitting = [group for group in groups if group[key] == value]
    if len(fitting) > 1:
        raise CustosError(f"There are {len(fitting)} groups named '{name}': say which with group_id ({', '.join(group['group_id'] for group in fitting)}).")
    return dict(fitting[0]) if fitting else None


def plan(current: Mapping[str, Any] | None, name: str, desired: Mapping[str, Any], state: str, exclusive: bool = False, owned: bool = True) -> Steps:
    """What makes ``current`` (None: there is no such group) like ``desired``: description, owner, members (list of username and type); None means: leave it.

    Members are a set. ``exclusive`` also takes out those that are not named; an owner is never taken out. ``owned`` says that a new group needs
    an owner. The first call is ``create`` when there is no group yet; it makes the group's id.
    """
    if state == "absent":
        return Steps(dict(current), {}, [("delete", {})]) if current else Steps()
    steps = Steps(dict(current or {}))
    owner, description = (desired.get("owner") or "").lower(), desired.get("description")
    if current is None:
        if owned and not owner:
            raise CustosError(f"Group '{name}' does not exist yet, and to make it owner must be given: a user who is registered and enabled.")
        steps.calls.append(("create", {"name": name, "description": description or "", "owner": owner}))
        after: dict[str, Any] = {"group_id": "", "name": name, "description": description or "", "owner": owner, "members": {owner: "OWNER"} if owner else {}}
    else:
        if owner and owner != current["owner"]:
            raise CustosError(
                f"Group '{name}' belongs to {current['owner'] or 'nobody'}, and Custos lets nobody change that: leave owner out, or make another group."
            )
        after = {**current, "members": dict(current["members"])}
        wanted = {"name": name, "description": after["description"] if description is None else description}
        if any(after[key] != value for key, value in wanted.items()):
            after |= wanted
            steps.calls.append(("update", wanted))

    if desired.get("members") is not None:
        members: dict[str, str] = after["members"]
        wants = {member["username"].lower(): member["type"] for member in desired["members"]}
        for username, kind in sorted(wants.items()):
            if members.get(username) in (kind, "OWNER"):  # an owner can do more than either
                continue
            steps.calls.append(("change_member" if username in members else "add_member", {"username": username, "kind": kind}))
            members[username] = kind
        for username in sorted(set(members) - set(wants)) if exclusive else ():
            if members[username] != "OWNER":
                steps.calls.append(("remove_member", {"username": username}))
                del members[username]
        after["members"] = dict(sorted(members.items()))
    steps.after = after
    return steps
