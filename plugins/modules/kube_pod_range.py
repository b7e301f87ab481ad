#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_pod_range
short_description: The CNI configuration of a node, made from the pod range the cluster gave it
version_added: 0.1.0
description:
  - Asks the API server, with the kubelet's own credential, for the pod range of the node it runs on, waits until it has one, and writes the
    configuration of the C(bridge) plugin for it. The container runtime reads it by itself.
author: The airavata.jupyterhub developers (@airavata)
options:
  state:
    description: Whether the configuration should exist.
    type: str
    choices: [present, absent]
    default: present
  path:
    description: The file.
    type: path
    default: /etc/cni/net.d/10-hub.conflist
  network_name:
    description: Name of the network in the file.
    type: str
    default: hub
  node_name:
    description: Name of the node. Needed with O(state=present).
    type: str
  mtu_bytes:
    description: Largest packet of a pod; the machines' own less 50 for VXLAN.
    type: int
    default: 1450
  limit_seconds:
    description: How long the node may be without a pod range.
    type: int
    default: 60
attributes:
  check_mode: {support: full, description: Says what would change; before a machine is a node its range is not known.}
  diff_mode: {support: full, description: Shows the file before and after.}
"""

EXAMPLES = r"""
- name: Give pods addresses of this node's range
  airavata.jupyterhub.kube_pod_range:
    node_name: "{{ inventory_hostname }}"
"""

RETURN = r"""
pod_cidrs:
  description: The node's ranges.
  type: list
  elements: str
  returned: O(state=present), when the machine is a node
  sample: [10.244.1.0/24]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.cni import conflist
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import KUBELET_KUBECONFIG, last_lines
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.run import own_node
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import forget_state, write_text
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for


def wait_ranges(node_name: str, limit_seconds: int) -> list[str]:
    """Return the pod ranges of the node. Raises KubeError when it has none within the limit."""
    told = ""

    def ask() -> tuple[bool, list[str]]:
        nonlocal told
        done, node = own_node(KUBELET_KUBECONFIG, node_name)
        told = last_lines(done.err, 2)
        spec: dict[str, Any] = node.get("spec", {})
        ranges = list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))
        return bool(ranges), ranges

    found, ranges, spent = wait_for(ask, limit_seconds)
    if not found:
        raise KubeError(
            f"Node {node_name} has no pod range after {spent:.0f} s{f' ({told})' if told else ''}. The controller manager gives them;"
            " look on the control plane at: crictl logs of kube-controller-manager (is the pod network's range used up?)"
        )
    return ranges


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "path": {"type": "path", "default": "/etc/cni/net.d/10-hub.conflist"},
            "network_name": {"type": "str", "default": "hub"},
            "node_name": {"type": "str"},
            "mtu_bytes": {"type": "int", "default": 1450},
            "limit_seconds": {"type": "int", "default": 60},
        },
        required_if=[("state", "present", ["node_name"])],
        supports_check_mode=True,
    )
    params = module.params
    before = None
    if os.path.exists(params["path"]):
        with open(params["path"], encoding="utf-8") as stream:
            before = stream.read()
    after = None
    result: dict[str, Any] = {}
    if params["state"] == "present":
        if module.check_mode and not os.path.exists(KUBELET_KUBECONFIG):
            module.exit_json(changed=before is None)
        try:
            result["pod_cidrs"] = wait_ranges(params["node_name"], params["limit_seconds"])
            after = conflist(params["network_name"], result["pod_cidrs"], params["mtu_bytes"])
        except (KubeError, ValueError) as error:
            module.fail_json(msg=str(error))
    if before != after and not module.check_mode:
        if after is None:
            forget_state(params["path"])
        else:
            write_text(params["path"], after, 0o644)
    header = {"before_header": params["path"], "after_header": params["path"]}
    module.exit_json(changed=before != after, diff={**header, "before": before or "", "after": after or ""}, **result)


if __name__ == "__main__":
    main()
