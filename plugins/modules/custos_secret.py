#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custos_secret
short_description: Keep an SSH key or a password in Apache Custos
version_added: 0.2.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Makes a secret of a tenant exist with the given contents, or not exist. Only with O(api=v1.0.0), as later ones keep no secrets.
  - The contents are not fetched to be compared. A label of them, a salt and what scrypt makes of the contents with it, is kept at the end of the
    description, and removed where a description is shown. A secret that somebody made without a label is made again once.
  - Custos cannot change a secret, so a change takes it away and makes it again under the same name. When the second half fails, run again.
extends_documentation_fragment: [airavata.jupyterhub.custos]
options:
  state:
    description: Whether the secret should exist.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the secret in the tenant. Custos says token, and takes one of the caller's choice.
    type: str
    required: true
  type:
    description: What kind of secret it is. An existing one cannot become the other kind.
    type: str
    choices: [ssh, password]
    required: true
  owner:
    description: Whose secret it is, such as a user name. Needed for a new one.
    type: str
  description:
    description: What the secret is for. At most 190 characters, since the label is kept in it.
    type: str
  private_key:
    description: Private key of an SSH key pair, in PEM or OpenSSH's format. Without O(private_key) and O(public_key) Custos makes a pair of its own.
    type: str
  public_key:
    description: Public key of the pair.
    type: str
  passphrase:
    description: Passphrase of the private key.
    type: str
  password:
    description: The password. Needed for a new secret with O(type=password).
    type: str
  user_id:
    description: The login that the password is for.
    type: str
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: full, description: Shows owner and description and whether the contents change; never the contents.}
seealso:
  - module: airavata.jupyterhub.custos_secret_info
"""

EXAMPLES = r"""
- name: Keep the key for a cluster
  airavata.jupyterhub.custos_secret:
    url: https://custos.example.org
    parent_client_id: "{{ gateway.client_id }}"
    parent_client_secret: "{{ gateway.client_secret }}"
    parent_username: "{{ gateway.username }}"
    parent_password: "{{ gateway.password }}"
    name: cluster-key
    type: ssh
    owner: ada
    description: Key for the cluster
    private_key: "{{ lookup('ansible.builtin.file', '~/.ssh/cluster') }}"
    public_key: "{{ lookup('ansible.builtin.file', '~/.ssh/cluster.pub') }}"
"""

RETURN = r"""
secret:
  description: The secret without its contents; in check mode what it would be. Empty when it is absent.
  type: dict
  returned: always
  sample: {"name": "cluster-key", "kind": "ssh", "owner": "ada", "description": "Key for the cluster"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import Secrets
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.resource_secrets import CONTENTS, plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.spec import connection_spec, run_module


def argument_spec() -> dict[str, dict[str, Any]]:
    return {
        **connection_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": list(CONTENTS), "required": True},
        "owner": {"type": "str"},
        "description": {"type": "str"},
        "private_key": {"type": "str", "no_log": True},
        "public_key": {"type": "str"},
        "passphrase": {"type": "str", "no_log": True},
        "password": {"type": "str", "no_log": True},
        "user_id": {"type": "str"},
    }


def run(module: AnsibleModule, secrets: Secrets) -> dict[str, Any]:
    """Look up, plan, and unless in check mode act; returns the module's result."""
    params = module.params
    found = secrets.find([params["name"]])
    desired = {"kind": params["type"], "owner": params["owner"], "description": params["description"]}
    contents = {name: {key: params[key] or "" for key in keys} for name, keys in CONTENTS.items()}
    todo = plan(found[0] if found else None, params["name"], desired, contents, params["state"])
    if todo.changed and not module.check_mode:
        todo.apply(secrets, name=params["name"])
    shown = {name: value for name, value in todo.after.items() if name != "contents"}
    return {"changed": todo.changed, "secret": shown, "diff": {"before": todo.before, "after": todo.after}}


def main() -> None:
    run_module(argument_spec(), "secrets", run)


if __name__ == "__main__":
    main()
