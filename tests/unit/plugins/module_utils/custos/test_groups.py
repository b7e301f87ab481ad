"""Tables of what a group is, what is wanted, and which calls follow."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.groups import choose, plan

GROUP = {"group_id": "g1", "name": "course", "description": "d", "owner": "olga", "members": {"max": "MEMBER", "mia": "ADMIN", "olga": "OWNER"}}


def members(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"username": username, "type": kind} for username, kind in pairs]


@pytest.mark.parametrize(
    ("current", "desired", "options", "calls"),
    [
        (None, {}, {"state": "absent"}, []),
        (GROUP, {}, {"state": "absent"}, [("delete", {})]),
        (None, {"owner": "Olga"}, {}, [("create", {"name": "course", "description": "", "owner": "olga"})]),
        (None, {"owner": "olga", "members": members(("Olga", "MEMBER"))}, {}, [("create", {"name": "course", "description": "", "owner": "olga"})]),
        (
            None,
            {"description": "d", "members": members(("max", "MEMBER"))},
            {"owned": False},
            [("create", {"name": "course", "description": "d", "owner": ""}), ("add_member", {"username": "max", "kind": "MEMBER"})],
        ),
        (GROUP, {}, {}, []),
        (GROUP, {"owner": "OLGA", "description": "d"}, {}, []),
        (GROUP, {"description": ""}, {}, [("update", {"name": "course", "description": ""})]),
        (GROUP, {"members": members(("mia", "ADMIN"), ("MAX", "MEMBER"))}, {"exclusive": True}, []),
        (GROUP, {"members": members(("mia", "MEMBER"))}, {}, [("change_member", {"username": "mia", "kind": "MEMBER"})]),
        (GROUP, {"members": members(("new", "ADMIN"))}, {}, [("add_member", {"username": "new", "kind": "ADMIN"})]),
        (GROUP, {"members": []}, {}, []),
        (GROUP, {"members": []}, {"exclusive": True}, [("remove_member", {"username": "max"}), ("remove_member", {"username": "mia"})]),
        (GROUP, {"members": None}, {"exclusive": True}, []),
        (GROUP, {"members": members(("olga", "MEMBER"))}, {}, []),
    ],
)
def test_plan(current: dict[str, Any] | None, desired: dict[str, Any], options: dict[str, Any], calls: list[Any]) -> None:
    steps = plan(current, "course", desired, options.pop("state", "present"), **options)
    assert steps.calls == calls
    assert steps.before == (current or {})
    if calls and steps.after:
        assert plan(steps.after, "course", desired, "present", **options).calls == [], "what was planned leads to where nothing is left to do"


def test_plan_leaves_what_it_was_given_alone() -> None:
    plan(GROUP, "course", {"members": []}, "present", exclusive=True)
    assert GROUP["members"] == {"max": "MEMBER", "mia": "ADMIN", "olga": "OWNER"}


def test_a_new_group_needs_an_owner_who_then_stays() -> None:
    with pytest.raises(CustosError, match="owner must be given"):
        plan(None, "course", {}, "present")
    with pytest.raises(CustosError, match="belongs to olga"):
        plan(GROUP, "course", {"owner": "otto"}, "present")


def test_choose() -> None:
    other = {**GROUP, "group_id": "g2"}
    assert choose([GROUP], "course") == GROUP
    assert choose([GROUP], "Course") is None
    assert choose([GROUP, other], "any", "g2") == other
    assert choose([GROUP], "course", "g9") is None
    with pytest.raises(CustosError, match=r"2 groups named 'course'.*\(g1, g2\)"):
        choose([GROUP, other], "course")
