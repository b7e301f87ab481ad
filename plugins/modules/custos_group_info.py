#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_group_info
short_description: Read groups of Apache Custos or Keycloak
version_added: 0.2.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Lists the groups of a tenant, or with O(api=keycloak) those at the top of a realm, with their members.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  name:
    description: Only groups with this name.
    type: str
  group_id:
    description: Only the group with this id.
    type: str
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.custos_group
"""

EXAMPLES = r"""
- name: Who is in the course?
  airavata.jupyterhub.custos_group_info:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    name: Course 101
  register: course
"""

RETURN = r"""
groups:
  description: The groups by name and id; empty when there is none.
  type: list
  elements: dict
  returned: always
  sample: [{"group_id": "course_101_3f0c", "name": "Course 101", "description": "", "owner": "ada", "members": {"ada": "OWNER", "alan": "MEMBER"}}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Groups
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connection_spec, run_module


def argument_spec() -> dict[str, dict[str, Any]]:
    return {**connection_spec(), "name": {"type": "str"}, "group_id": {"type": "str"}}


def run(module: AnsibleModule, groups: Groups) -> dict[str, Any]:
    wanted = {name: module.params[name] for name in ("name", "group_id") if module.params[name]}
    fitting = [group for group in groups.all() if all(group[name] == value for name, value in wanted.items())]
    found = [{**group, "members": groups.members(group["group_id"])} for group in sorted(fitting, key=lambda group: (group["name"], group["group_id"]))]
    return {"changed": False, "groups": found}


def main() -> None:
    run_module(argument_spec(), "groups", run)


if __name__ == "__main__":
    main()
