#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_client
short_description: Register a client at Apache Custos or Keycloak
version_added: 0.1.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Makes a client (Custos says tenant) exist with the given values, or not exist.
  - Custos makes a second client when it is asked twice, so the client is looked up first, by O(client_id), else by O(client_name) and O(domain).
    Deactivated, cancelled and denied ones do not count.
  - O(api=v1) can find, register and wait for tenants that need approval; it cannot change or delete them, nor read a secret again.
  - Options that are not given keep the value that Custos has.
  - The return value holds secrets unless O(return_credentials=false). Set C(no_log) on the task.
extends_documentation_fragment: [airavata.jupyterhub.custos, airavata.jupyterhub.custos.client, airavata.jupyterhub.custos.client_fields]
options:
  state:
    description: Whether the client should exist.
    type: str
    choices: [present, absent]
    default: present
  client_id:
    description:
      - The client's id when it is known from an earlier run. A client that has it is the one meant, even under another name.
      - With O(api=keycloak) a new client gets it; without it the name decides (V(JupyterHub local) gives V(jupyterhub-local)).
    type: str
  client_name:
    description: Name of the client, shown to people when they log in.
    type: str
    required: true
  domain:
    description: Domain of the client.
    type: str
    required: true
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
  rotate_secret:
    description: Whether an existing client gets a new secret now. Every run makes another, so say it on the command line. Only with O(api=keycloak).
    type: bool
    default: false
    version_added: 0.2.0
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

- name: Register it in a realm of Keycloak, with a secret that nobody has seen
  airavata.jupyterhub.custos_client:
    url: https://login.example.org
    api: keycloak
    realm: gateway
    auth_realm: master
    parent_username: "{{ keycloak.username }}"
    parent_password: "{{ keycloak.password }}"
    client_name: hub
    domain: hub.example.org
    redirect_uris: [https://hub.example.org/hub/oauth_callback]
    rotate_secret: true
  no_log: true
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
  description: The client's secrets. Empty while it is not active. With O(api=v1) returned when the client is registered, and never again.
  type: dict
  returned: when O(return_credentials) and O(state=present), not in check mode before the client exists
  contains:
    iam_client_id:
      description: Client id for OpenID Connect.
      type: str
      returned: always
    iam_client_secret:
      description: Secret for OpenID Connect. It differs from the one for Custos' API. Empty with O(api=v1), which does not tell it.
      type: str
      returned: always
    custos_client_id:
      description: Client id for Custos' API. Empty with O(api=keycloak).
      type: str
      returned: always
    custos_client_secret:
      description: Secret for Custos' API. Empty with O(api=keycloak).
      type: str
      returned: always
"""

import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import CANNOT, need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import FIELDS, Plan, choose, missing, plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Clients
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import REGISTRATION, connection_spec, run_module
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.wait import wait_active


def argument_spec() -> dict[str, dict[str, Any]]:
    fields = {name: {"type": "list", "elements": "str"} if kind == "set" else {"type": "str"} for name, kind in FIELDS.items()}
    return {
        **connection_spec(),
        **fields,
        "registration": REGISTRATION,
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
        "rotate_secret": {"type": "bool", "default": False, "no_log": False},
    }


def look_up(module: AnsibleModule, clients: Clients) -> tuple[dict[str, Any] | None, Plan]:
    """The client as it is, and what to do about it. Raises CustosError for what the API cannot do, or the options leave out."""
    params, api = module.params, module.params["api"]
    if params["state"] == "present":
        need(api, f"{'an' if params['registration'] == 'admin' else 'a'} {params['registration']} client")
    if params["rotate_secret"]:
        need(api, "rotating a secret")
    if params["groups_claim"]:
        need(api, "groups in a claim")
    found, notes = choose(clients.all(params["registration"]), params["client_id"] or "", params["client_name"], params["domain"], clients.ids_are_chosen)
    for note in notes:
        module.warn(note)
    if found and params["state"] == "absent":
        need(api, "deleting a client")
    current = clients.read(found["client_id"]) if found else None
    todo = plan(current, {name: params[name] for name in clients.fields}, params["state"])
    lacking = missing(todo.fields, clients.required) if todo.action == "create" else []
    if lacking:
        raise CustosError(f"Client '{params['client_name']}' does not exist yet, and to register it {', '.join(lacking)} must be given.")
    if todo.action == "update":
        need(api, "changing a client")
    return current, todo


def run(module: AnsibleModule, clients: Clients) -> dict[str, Any]:
    """Look up, plan, and unless in check mode act; returns the module's result."""
    params = module.params
    current, todo = look_up(module, clients)
    rotate = params["rotate_secret"] and current is not None and params["state"] == "present"
    result: dict[str, Any] = {"changed": todo.changed or rotate, "client": {}, "diff": {"before": todo.before, "after": todo.after}}
    if rotate:
        result["diff"] = {"before": {**todo.before, "secret": "as it is"}, "after": {**todo.after, "secret": "a new one"}}
    if params["state"] == "absent":
        if current and not module.check_mode:
            clients.delete(current["client_id"], params["registration"])
        return result
    told: dict[str, Any] = {}
    if module.check_mode:
        result["client"] = {**(current or {}), **todo.after}
        client_id = current["client_id"] if current else ""
    else:
        client_id, told = act(clients, todo, current, params)
        if rotate:
            clients.rotate(client_id)
        result["client"] = clients.read(client_id) if todo.changed or current is None else current
        if params["wait"]:
            result["client"] = wait_active(lambda: clients.read(client_id), params["wait_timeout_seconds"], params["wait_interval_seconds"])
    if params["return_credentials"] and client_id:
        if ("reading credentials", params["api"]) in CANNOT:
            result["credentials"] = told
        else:
            result["credentials"] = clients.credentials(client_id) if result["client"]["status"] == "ACTIVE" else {}
    return result


def act(clients: Clients, todo: Plan, current: dict[str, Any] | None, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Do what was planned; returns the client's id, and credentials if they are told only now."""
    if current is None:
        # Custos demands a password. When nobody chose one nobody needs it: the parent's administrator may do everything.
        password = params["admin_password"] or secrets.token_urlsafe(24)
        return clients.create(params["client_id"] or "", todo.fields, password, params["registration"])
    if todo.action == "update":
        clients.update(current["client_id"], todo.fields)
    return str(current["client_id"]), {}


def main() -> None:
    run_module(argument_spec(), "clients", run)


if __name__ == "__main__":
    main()
