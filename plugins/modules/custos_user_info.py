#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_user_info
short_description: Read users of Apache Custos or Keycloak
version_added: 0.2.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Lists the users of a tenant, or with O(api=keycloak) of a realm.
  - With O(api=v1) as release 1.1 of Custos takes it.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  username:
    description: Only the user with this name. Without it everybody, which takes a while in a large realm.
    type: str
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.custos_user
"""

EXAMPLES = r"""
- name: Look somebody up
  airavata.jupyterhub.custos_user_info:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    username: ada
  register: found
"""

RETURN = r"""
users:
  description: The users by name; empty when there is none.
  type: list
  elements: dict
  returned: always
  sample: [{"username": "ada", "email": "ada@example.org", "enabled": true, "roles": ["teacher"], "attributes": {"institution": ["Analytical Engines"]}}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Users
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connection_spec, run_module


def argument_spec() -> dict[str, dict[str, Any]]:
    return {**connection_spec(), "username": {"type": "str"}}


def run(module: AnsibleModule, users: Users) -> dict[str, Any]:
    username = module.params["username"]
    found = [users.find(username.lower())] if username else users.all()
    return {"changed": False, "users": sorted((user for user in found if user), key=lambda user: str(user["username"]))}


def main() -> None:
    run_module(argument_spec(), "users", run)


if __name__ == "__main__":
    main()
