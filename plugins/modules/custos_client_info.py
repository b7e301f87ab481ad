#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_client_info
short_description: Read clients of Apache Custos or Keycloak
version_added: 0.1.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Lists the clients of a Custos tenant that are not gone (deactivated, cancelled or denied), or those of a realm of Keycloak.
  - The return value holds secrets with O(credentials=true). Set C(no_log) on the task then.
extends_documentation_fragment: [airavata.jupyterhub.custos, airavata.jupyterhub.custos.client]
options:
  client_id:
    description: Only the client with this id.
    type: str
  client_name:
    description: Only clients with this name.
    type: str
  domain:
    description: Only clients of this domain.
    type: str
  credentials:
    description: Whether the secrets of each active client are read too. Not with O(api=v1).
    type: bool
    default: false
  discovery:
    description: Whether the OpenID Connect discovery document of each active client's realm is read too.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.custos_client
"""

EXAMPLES = r"""
- name: Read the hub's credentials
  airavata.jupyterhub.custos_client_info:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    client_name: hub
    credentials: true
    discovery: true
  no_log: true
  register: hub
"""

RETURN = r"""
clients:
  description: The clients, oldest first; empty when there is none.
  type: list
  elements: dict
  returned: always
  sample: [{"client_id": "custos-abcdefghij0123456789-10000002", "client_name": "hub", "status": "ACTIVE"}]
  contains:
    credentials:
      description: The client's secrets. Empty while it is not active.
      type: dict
      returned: with O(credentials=true)
    discovery:
      description: The discovery document. Empty while the client is not active.
      type: dict
      returned: with O(discovery=true)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import GONE, oldest_first
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Clients
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import REGISTRATION, connection_spec, run_module


def argument_spec() -> dict[str, dict[str, Any]]:
    return {
        **connection_spec(),
        "registration": REGISTRATION,
        "client_id": {"type": "str"},
        "client_name": {"type": "str"},
        "domain": {"type": "str"},
        "credentials": {"type": "bool", "default": False},
        "discovery": {"type": "bool", "default": False},
    }


def run(module: AnsibleModule, clients: Clients) -> dict[str, Any]:
    """The clients that fit, with what was asked about each."""
    params = module.params
    if params["credentials"]:
        need(params["api"], "reading credentials")
    wanted = {name: params[name] for name in ("client_id", "client_name", "domain") if params[name]}
    found = [
        client
        for client in clients.all(params["registration"])
        if client["status"] not in GONE and all(client[name] == value for name, value in wanted.items())
    ]
    for client in found:
        active = client["status"] == "ACTIVE"
        if params["credentials"]:
            client["credentials"] = clients.credentials(client["client_id"]) if active else {}
        if params["discovery"]:
            client["discovery"] = clients.discovery(client["client_id"]) if active else {}
    return {"changed": False, "clients": sorted(found, key=oldest_first)}


def main() -> None:
    run_module(argument_spec(), "clients", run)


if __name__ == "__main__":
    main()
