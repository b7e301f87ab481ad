#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_join_token
short_description: A short-lived bootstrap token with which one machine may join the cluster
version_added: 0.1.0
description:
  - Runs on a control plane. Makes a token for one machine and returns it with what the machine needs to know the cluster by, the hash of its
    authority's certificate. Take it away with O(state=absent) when the machine has joined; it runs out by itself otherwise.
  - Clears the way for the machine, too. A Node object that an interrupted join, or an earlier machine at the same address, left under this name
    is deleted; kubeadm would refuse to join beside it. One at another address is another machine, and refused.
  - The result is a secret. Use it with C(no_log).
author: The airavata.jupyterhub developers (@airavata)
options:
  state:
    description: Whether the token should exist. Every call with V(present) makes a new one.
    type: str
    choices: [present, absent]
    default: present
  node_name:
    description: Name the machine will have in the cluster. Needed with O(state=present).
    type: str
  node_address:
    description: Address the machine will have in the cluster. Needed with O(state=present).
    type: str
  token_id:
    description: Public part of the token to take away. Needed with O(state=absent).
    type: str
  lifetime_seconds:
    description: After how long the token runs out.
    type: int
    default: 900
attributes:
  check_mode: {support: full, description: Makes and deletes nothing; there is no token in the result.}
  diff_mode: {support: none, description: A token is a secret.}
seealso:
  - module: airavata.jupyterhub.kube_worker
"""

EXAMPLES = r"""
- name: Create a token for this worker
  airavata.jupyterhub.kube_join_token:
    node_name: "{{ inventory_hostname }}"
    node_address: "{{ ansible_host }}"
  delegate_to: "{{ groups['hub_control_plane'] | first }}"
  register: token
  no_log: true
"""

RETURN = r"""
token:
  description: The token, a secret.
  type: str
  returned: O(state=present), not in check mode
token_id:
  description: Its public part.
  type: str
  returned: O(state=present), not in check mode
endpoint:
  description: Address and port of the API server.
  type: str
  returned: O(state=present), not in check mode
ca_hashes:
  description: Hashes of the authority's public key.
  type: list
  elements: str
  returned: O(state=present), not in check mode
deleted_node:
  description: Whether a stale Node object was deleted, or would be.
  type: bool
  returned: O(state=present)
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import (
    ADMIN_KUBECONFIG,
    classify_answer,
    last_lines,
    node_claim,
    parse_join_command,
)
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.run import Result, own_node, run


def _kube(program: str, *arguments: str) -> Result:
    done = run([program, "--kubeconfig", ADMIN_KUBECONFIG, *arguments], 60)
    if done.rc:
        raise KubeError(f"{program} {arguments[0]} {arguments[1]} failed on the control plane: {last_lines(done.text, 3)}")
    return done


def _clear_way(name: str, address: str, check_mode: bool) -> bool:
    """Delete a stale Node of this name and say whether there was one."""
    answer, node = own_node(ADMIN_KUBECONFIG, name)
    found = classify_answer(answer.rc, answer.err)
    if found == "not_found":
        return False
    if found != "registered":
        raise KubeError(f"The control plane cannot read its own nodes: {last_lines(answer.err, 3)}. Look at: crictl ps -a; journalctl -u kubelet")
    delete, refusal = node_claim(node, address, name)
    if refusal:
        raise KubeError(refusal)
    if delete and not check_mode:
        _kube("kubectl", "delete", "node", name, "--ignore-not-found")
    return delete


def _present(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    deleted = _clear_way(params["node_name"], params["node_address"], check_mode)
    if check_mode:
        return {"changed": True, "deleted_node": deleted}
    made = _kube(
        "kubeadm", "token", "create", "--print-join-command", "--ttl", f"{params['lifetime_seconds']}s", "--description", f"join of {params['node_name']}"
    )
    return {"changed": True, "deleted_node": deleted, **parse_join_command(made.out)}


def _absent(token_id: str, check_mode: bool) -> dict[str, Any]:
    if not re.fullmatch(r"[a-z0-9]{6}", token_id):
        raise KubeError("token_id is the public part of a token: six lower-case letters and digits.")
    # One program start instead of two: kubeadm's own deletion does no more than this, and fails when there is nothing to delete.
    verb = "get" if check_mode else "delete"
    found = _kube("kubectl", verb, "secret", "-n", "kube-system", f"bootstrap-token-{token_id}", "--ignore-not-found", "-o", "name")
    return {"changed": bool(found.out.strip())}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "node_name": {"type": "str"},
            "node_address": {"type": "str"},
            "token_id": {"type": "str", "no_log": False},
            "lifetime_seconds": {"type": "int", "default": 900},
        },
        required_if=[("state", "present", ["node_name", "node_address"]), ("state", "absent", ["token_id"])],
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "absent":
            module.exit_json(**_absent(module.params["token_id"], module.check_mode))
        module.exit_json(**_present(module.params, module.check_mode))
    except (KubeError, ValueError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
