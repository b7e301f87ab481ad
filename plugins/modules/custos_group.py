#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_group
short_description: Make a group at Apache Custos or Keycloak, with its members
version_added: 0.2.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Makes a group of a tenant (with O(api=keycloak) at the top of a realm) exist with the given values and members, or not exist.
  - Custos makes a second group of the same name when it is asked twice, so the group is looked up first, by O(group_id), else by O(name).
    Several of that name are an error that names them.
  - Options that are not given keep the value that the group has.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  state:
    description: Whether the group should exist.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the group.
    type: str
    required: true
  group_id:
    description: The group's id when it is known. A group that has it is the one meant, and gets the O(name).
    type: str
  description:
    description: What the group is for.
    type: str
  owner:
    description:
      - Name of the user whom the group belongs to. Custos needs one for a new group, who is registered and enabled, and never changes it.
      - Not with O(api=keycloak), whose groups have none.
    type: str
  members:
    description: Who should be in the group. Compared without regard to order; user names in lower case. The owner is in it anyway.
    type: list
    elements: dict
    suboptions:
      username:
        description: Name of the user.
        type: str
        required: true
      type:
        description: What the user may do. Only V(MEMBER) with O(api=keycloak).
        type: str
        choices: [ADMIN, MEMBER]
        default: MEMBER
  exclusive:
    description: Whether only these O(members) are in the group, where that is given. The owner is never taken out.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: full, description: Shows the values and members that change.}
seealso:
  - module: airavata.jupyterhub.custos_group_info
  - module: airavata.jupyterhub.custos_user
"""

EXAMPLES = r"""
- name: Let a course use the hub
  airavata.jupyterhub.custos_group:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    name: Course 101
    owner: ada
    members:
      - {username: grace, type: ADMIN}
      - {username: alan}

- name: Nobody else is an administrator of the hub
  airavata.jupyterhub.custos_group:
    url: https://login.example.org
    api: keycloak
    realm: gateway
    auth_realm: master
    parent_username: "{{ keycloak.username }}"
    parent_password: "{{ keycloak.password }}"
    name: hub-admins
    members: [{username: ada}]
    exclusive: true
"""

RETURN = r"""
group:
  description: The group; in check mode what it would be. Empty when it is absent.
  type: dict
  returned: always
  sample: {"group_id": "course_101_3f0c", "name": "Course 101", "description": "", "owner": "ada", "members": {"ada": "OWNER", "alan": "MEMBER"}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Groups
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.groups import TYPES, choose, plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connection_spec, run_module


def argument_spec() -> dict[str, dict[str, Any]]:
    member = {"username": {"type": "str", "required": True}, "type": {"type": "str", "choices": list(TYPES), "default": "MEMBER"}}
    return {
        **connection_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "group_id": {"type": "str"},
        "description": {"type": "str"},
        "owner": {"type": "str"},
        "members": {"type": "list", "elements": "dict", "options": member},
        "exclusive": {"type": "bool", "default": False},
    }


def read(groups: Groups, name: str, group_id: str) -> dict[str, Any] | None:
    """The group that is meant, with its members, or None."""
    found = choose(groups.all(), name, group_id)
    return {**found, "members": groups.members(found["group_id"])} if found else None


def run(module: AnsibleModule, groups: Groups) -> dict[str, Any]:
    """Look up, plan, and unless in check mode act; returns the module's result."""
    params = module.params
    if params["owner"]:
        need(params["api"], "an owner of a group")
    if any(member["type"] != "MEMBER" for member in params["members"] or []):
        need(params["api"], "membership types")
    current = read(groups, params["name"], params["group_id"] or "")
    desired = {name: params[name] for name in ("description", "owner", "members")}
    todo = plan(current, params["name"], desired, params["state"], params["exclusive"], groups.owned)
    result = {"changed": todo.changed, "group": todo.after, "diff": {"before": todo.before, "after": todo.after}}
    if todo.changed and not module.check_mode:
        group_id = current["group_id"] if current else ""
        if not group_id:
            (_create, values), todo.calls = todo.calls[0], todo.calls[1:]
            group_id = groups.create(**values)
        todo.apply(groups, group_id=group_id)
        result["group"] = read(groups, params["name"], group_id) or {}
    return result


def main() -> None:
    run_module(argument_spec(), "groups", run)


if __name__ == "__main__":
    main()
