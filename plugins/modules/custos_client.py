#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_client
short_description: Register a client at Apache Custos
version_added: 0.1.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Makes a client (Custos says tenant) exist with the given values, or not exist.
  - Custos makes a second client when it is asked twice, so the client is looked up first, by O(client_id), else by O(client_name) and O(domain).
    Deactivated, cancelled and denied ones do not count.
  - Options that are not given keep the value that Custos has.
  - The return value holds secrets unless O(return_credentials=false). Set C(no_log) on the task.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  state:
    description: Whether the client should exist.
    type: str
    choices: [present, absent]
    default: present
  client_id:
    description: The client's id when it is known from an earlier run. A client that has it is the one meant, even under another name.
    type: str
  client_name:
    description: Name of the client, shown to people when they log in.
    type: str
    required: true
  domain:
    description: Domain of the client.
    type: str
    required: true
  redirect_uris:
    description: Where logins may return to. Compared without regard to order.
    type: list
    elements: str
  client_uri:
    description: The client's own address. It may be returned to as well, for example after a logout.
    type: str
  scopes:
    description: What may be asked of people. Compared without regard to order.
    type: list
    elements: str
  contacts:
    description: E-mail addresses of people to ask. Compared without regard to order.
    type: list
    elements: str
  requester_email:
    description: E-mail address of who asks for the client.
    type: str
  admin_first_name:
    description: First name of the client's administrator.
    type: str
  admin_last_name:
    description: Last name of the client's administrator.
    type: str
  admin_email:
    description: E-mail address of the client's administrator.
    type: str
  admin_username:
    description: Login of the client's administrator.
    type: str
  admin_password:
    description: Password of the client's administrator, used when the client is registered. Never compared, since Custos never tells it.
    type: str
  comment:
    description: Free text.
    type: str
  logo_uri:
    description: Address of a logo.
    type: str
  tos_uri:
    description: Address of the terms of service.
    type: str
  policy_uri:
    description: Address of the privacy policy.
    type: str
  jwks_uri:
    description: Address of the client's own keys.
    type: str
  application_type:
    description: Kind of application.
    type: str
  token_endpoint_auth_method:
    description: How the client shows its secret.
    type: str
  software_id:
    description: Identifier of the client's software.
    type: str
  software_version:
    description: Version of the client's software.
    type: str
  wait:
    description: Whether to wait until the client is active. Without it a client that waits for approval is a success with RV(client.status) V(REQUESTED).
    type: bool
    default: false
  wait_timeout_seconds:
    description: How long to wait.
    type: int
    default: 300
  wait_interval_seconds:
    description: How long to pause between two looks.
    type: int
    default: 5
  return_credentials:
    description: Whether RV(credentials) is returned.
    type: bool
    default: true
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: full, description: Shows the fields that change; never a secret.}
seealso:
  - module: airavata.jupyterhub.custos_client_info
"""

EXAMPLES = r"""
- name: Register the hub
  airavata.jupyterhub.custos_client:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    client_name: hub
    domain: hub.example.org
    redirect_uris: [https://hub.example.org/hub/oauth_callback]
    scopes: [openid, profile, email]
    requester_email: ops@example.org
    admin_first_name: Ada
    admin_last_name: Admin
    admin_email: ada@example.org
    admin_username: hub-admin
    admin_password: "{{ hub_admin_password }}"
    application_type: web
  no_log: true
  register: registered

- name: Take it away
  airavata.jupyterhub.custos_client:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    client_name: hub
    domain: hub.example.org
    state: absent
"""

RETURN = r"""
client:
  description: The client; in check mode what it would be. Empty when it is absent.
  type: dict
  returned: always
  sample: {"client_id": "custos-abcdefghij0123456789-10000002", "tenant_id": "10000002", "client_name": "hub", "status": "ACTIVE"}
  contains:
    status:
      description: C(ACTIVE), or C(REQUESTED) while it waits for approval.
      type: str
      returned: when the client exists
credentials:
  description: The client's secrets, as Custos tells them. Empty while it is not active.
  type: dict
  returned: when O(return_credentials) and O(state=present), not in check mode before the client exists
  contains:
    iam_client_id:
      description: Client id for OpenID Connect.
      type: str
      returned: always
    iam_client_secret:
      description: Secret for OpenID Connect. It differs from the one for Custos' API.
      type: str
      returned: always
    custos_client_id:
      description: Client id for Custos' API.
      type: str
      returned: always
    custos_client_secret:
      description: Secret for Custos' API.
      type: str
      returned: always
"""

import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import FIELDS, Plan, choose, missing, plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Dialect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connect, connection_spec
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.wait import wait_active


def argument_spec() -> dict[str, dict[str, Any]]:
    fields = {name: {"type": "list", "elements": "str"} if kind == "set" else {"type": "str"} for name, kind in FIELDS.items()}
    return {
        **connection_spec(),
        **fields,
        "token_endpoint_auth_method": {"type": "str", "no_log": False},  # a method's name, no secret
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "client_id": {"type": "str"},
        "client_name": {"type": "str", "required": True},
        "domain": {"type": "str", "required": True},
        "admin_password": {"type": "str", "no_log": True},
        "wait": {"type": "bool", "default": False},
        "wait_timeout_seconds": {"type": "int", "default": 300},
        "wait_interval_seconds": {"type": "int", "default": 5},
        "return_credentials": {"type": "bool", "default": True},
    }


def run(module: AnsibleModule, custos: Dialect) -> dict[str, Any]:
    """Look up, plan, and unless in check mode act; returns the module's result."""
    params = module.params
    candidates = custos.list(params["registration"])
    found, notes = choose(candidates, params["client_id"] or "", params["client_name"], params["domain"])
    for note in notes:
        module.warn(note)
    current = custos.read(found["client_id"]) if found else None
    todo = plan(current, {name: params[name] for name in FIELDS}, params["state"])
    result: dict[str, Any] = {"changed": todo.changed, "client": {}, "diff": {"before": todo.before, "after": todo.after}}
    if todo.action == "create":
        lacking = missing(todo.fields)
        if lacking:
            raise CustosError(f"Client '{params['client_name']}' does not exist yet, and to register it Custos needs {', '.join(lacking)}.")
    if params["state"] == "absent":
        if current and not module.check_mode:
            custos.delete(current["client_id"], params["registration"])
        return result
    if module.check_mode:
        result["client"] = {**(current or {}), **todo.after}
        client_id = current["client_id"] if current else ""
    else:
        client_id = act(custos, todo, current, params)
        result["client"] = custos.read(client_id) if todo.changed or current is None else current
        if params["wait"]:
            result["client"] = wait_active(lambda: custos.read(client_id), params["wait_timeout_seconds"], params["wait_interval_seconds"])
    if params["return_credentials"] and client_id:
        result["credentials"] = custos.credentials(client_id) if result["client"]["status"] == "ACTIVE" else {}
    return result


def act(custos: Dialect, todo: Plan, current: dict[str, Any] | None, params: dict[str, Any]) -> str:
    """Do what was planned; returns the client's id."""
    if current is None:
        # Custos demands a password. When nobody chose one nobody needs it: the parent's administrator may do everything.
        return custos.create(todo.fields, params["admin_password"] or secrets.token_urlsafe(24), params["registration"])
    if todo.action == "update":
        custos.update(current["client_id"], todo.fields)
    return str(current["client_id"])


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = run(module, connect(module.params))
    except CustosError as error:
        module.fail_json(msg=str(error), status=error.status, code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
