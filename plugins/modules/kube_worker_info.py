#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_worker_info
short_description: Read whether a machine is a node of the cluster, and what a join would have to do
version_added: 0.1.0
description:
  - Reads the marker of M(airavata.jupyterhub.kube_worker) and asks the API server with the kubelet's own credential.
  - So a token need only be made when RV(needs_token) says so.
author: The airavata.jupyterhub developers (@airavata)
options:
  node_name:
    description: Name of the machine in the cluster.
    type: str
    required: true
  endpoint:
    description: Address and port of the API server, for messages.
    type: str
    required: true
  api_limit_seconds:
    description: How long the API server may be silent.
    type: int
    default: 60
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.kube_worker
"""

EXAMPLES = r"""
- name: Read whether this machine is a node
  airavata.jupyterhub.kube_worker_info:
    node_name: "{{ inventory_hostname }}"
    endpoint: 10.77.0.11:6443
  register: worker
"""

RETURN = r"""
actions:
  description: What O(airavata.jupyterhub.kube_worker#module:state=present) would do.
  type: list
  elements: str
  returned: success
  sample: [join]
reason:
  description: Why.
  type: str
  returned: success
needs_token:
  description: Whether this takes a bootstrap token.
  type: bool
  returned: success
workers:
  description: One entry when the machine is, or was becoming, a node; else empty.
  type: list
  elements: dict
  returned: success
  sample: [{"phase": "joined", "answer": "registered"}]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import decide_worker
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.worker import read_facts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node_name": {"type": "str", "required": True},
            "endpoint": {"type": "str", "required": True},
            "api_limit_seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        facts = read_facts(module.params["node_name"], module.params["api_limit_seconds"])
    except KubeError as error:
        module.fail_json(msg=str(error))
    decision = decide_worker(facts, os.uname().nodename, module.params["endpoint"])
    if decision.refuse:
        module.fail_json(msg=decision.refuse)
    known = [{"phase": facts.phase, "answer": facts.answer}] if facts.phase or facts.kubelet_kubeconfig else []
    module.exit_json(changed=False, actions=list(decision.actions), reason=decision.reason, needs_token="join" in decision.actions, workers=known)


if __name__ == "__main__":
    main()
