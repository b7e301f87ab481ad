#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_secret_info
short_description: Read secrets that Apache Custos keeps
version_added: 0.2.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Tells which of the named secrets of a tenant exist. Custos does not tell which others there are. Only with O(api=v1.0.0).
  - The return value holds secrets with O(contents=true). Set C(no_log) on the task then.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  names:
    description: Names of the secrets.
    type: list
    elements: str
    required: true
  contents:
    description: Whether the contents are read, too.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.custos_secret
"""

EXAMPLES = r"""
- name: Read the key for a cluster
  airavata.jupyterhub.custos_secret_info:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    names: [cluster-key]
    contents: true
  no_log: true
  register: kept
"""

RETURN = r"""
secrets:
  description: The secrets by name; empty when none of them exists.
  type: list
  elements: dict
  returned: always
  sample: [{"name": "cluster-key", "kind": "ssh", "owner": "ada", "description": "Key for the cluster"}]
  contains:
    contents:
      description: C(private_key), C(public_key) and C(passphrase), or C(password) and C(user_id).
      type: dict
      returned: with O(contents=true)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Secrets
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.resource_secrets import split
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connection_spec, run_module


def argument_spec() -> dict[str, dict[str, Any]]:
    return {**connection_spec(), "names": {"type": "list", "elements": "str", "required": True}, "contents": {"type": "bool", "default": False}}


def run(module: AnsibleModule, secrets: Secrets) -> dict[str, Any]:
    names = module.params["names"]
    found = [{**secret, "description": split(secret["description"])[0]} for secret in secrets.find(names)] if names else []
    for secret in found if module.params["contents"] else ():
        secret["contents"] = secrets.read(secret["name"], secret["kind"])
    return {"changed": False, "secrets": sorted(found, key=lambda secret: str(secret["name"]))}


def main() -> None:
    run_module(argument_spec(), "secrets", run)


if __name__ == "__main__":
    main()
