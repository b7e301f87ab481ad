#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_user
short_description: Register a user at Apache Custos or Keycloak
version_added: 0.2.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Makes a user of a tenant (with O(api=keycloak) of a realm) exist with the given values, or not exist.
  - User names are compared in lower case, as Keycloak keeps them. Options that are not given keep the value that the user has.
  - With O(api=v1) as release 1.1 of Custos takes it.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  state:
    description: Whether the user should exist.
    type: str
    choices: [present, absent]
    default: present
  username:
    description: Name of the user.
    type: str
    required: true
  email:
    description: The user's e-mail address. Custos needs it for a new user.
    type: str
  first_name:
    description: The user's first name. Custos needs it for a new user.
    type: str
  last_name:
    description: The user's last name. Custos needs it for a new user.
    type: str
  password:
    description: The user's first password. Custos needs it for a new user. Never compared and never changed, since nobody can read it.
    type: str
  enabled:
    description:
      - Whether the user may log in. A new user may unless this is false.
      - A user is registered disabled and enabled last. A run that was interrupted in between leaves the user disabled, as an error then says; set this to true.
    type: bool
  roles:
    description: Realm roles that the user should have. They have to exist. Compared without regard to order.
    type: list
    elements: str
  attributes:
    description: Attributes of the user, each a text or a list of texts (compared without regard to order). An empty list takes an attribute away.
    type: dict
  exclusive:
    description:
      - Whether the user has only these O(roles), where that is given, and only these O(attributes), where that is given.
      - What Keycloak gives to everybody (C(default-roles-...), C(offline_access), C(uma_authorization)) is never taken away.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: full, description: Shows the values that change; never a password.}
seealso:
  - module: airavata.jupyterhub.custos_user_info
  - module: airavata.jupyterhub.custos_group
"""

EXAMPLES = r"""
- name: Register a teacher
  airavata.jupyterhub.custos_user:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    username: ada
    email: ada@example.org
    first_name: Ada
    last_name: Lovelace
    password: "{{ first_password }}"
    roles: [teacher]
    attributes:
      institution: Analytical Engines

- name: Keep somebody out, without losing the account
  airavata.jupyterhub.custos_user:
    url: https://login.example.org
    api: keycloak
    realm: gateway
    auth_realm: master
    parent_username: "{{ keycloak.username }}"
    parent_password: "{{ keycloak.password }}"
    username: mallory
    enabled: false
"""

RETURN = r"""
user:
  description: The user; in check mode what they would be. Empty when they are absent.
  type: dict
  returned: always
  sample: {"username": "ada", "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace", "enabled": true, "roles": ["teacher"], "attributes": {}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Users
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connection_spec, run_module
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.users import NAMES, plan

GIVEN = (*NAMES, "password", "enabled", "roles", "attributes")


def argument_spec() -> dict[str, dict[str, Any]]:
    return {
        **connection_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "username": {"type": "str", "required": True},
        **{name: {"type": "str"} for name in NAMES},
        "password": {"type": "str", "no_log": True},
        "enabled": {"type": "bool"},
        "roles": {"type": "list", "elements": "str"},
        "attributes": {"type": "dict"},
        "exclusive": {"type": "bool", "default": False},
    }


def run(module: AnsibleModule, users: Users) -> dict[str, Any]:
    """Look up, plan, and unless in check mode act; returns the module's result."""
    params = module.params
    username = params["username"].lower()
    current = users.find(username)
    todo = plan(current, username, {name: params[name] for name in GIVEN}, params["state"], params["exclusive"], users.required)
    result = {"changed": todo.changed, "user": todo.after, "diff": {"before": todo.before, "after": todo.after}}
    if todo.changed and not module.check_mode:
        todo.apply(users, username=username)
        result["user"] = users.find(username) or {}
    return result


def main() -> None:
    run_module(argument_spec(), "users", run)


if __name__ == "__main__":
    main()
