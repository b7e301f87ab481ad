#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_control_plane_info
short_description: Read whether a machine is a control plane and whether its API server is ready
version_added: 0.1.0
description:
  - Reads the marker of M(airavata.jupyterhub.kube_control_plane), what kubeadm left on the machine, and asks the API server once.
author: The airavata.jupyterhub developers (@airavata)
options: {}
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.kube_control_plane
"""

EXAMPLES = r"""
- name: Read the state of the control plane
  airavata.jupyterhub.kube_control_plane_info:
"""

RETURN = r"""
control_planes:
  description: One entry when the machine is, or was becoming, a control plane; else empty.
  type: list
  elements: dict
  returned: success
  sample: [{"phase": "initialized", "api_ready": true, "leftovers": ["/etc/kubernetes/admin.conf"]}]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import ADMIN_KUBECONFIG, ETCD_DATA, MANIFESTS
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.run import MARKER_DIR, run
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import read_state


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    phase = read_state(f"{MARKER_DIR}/control-plane.json").get("phase", "")
    leftovers = [path for path in (ADMIN_KUBECONFIG, *MANIFESTS, ETCD_DATA) if os.path.exists(path)]
    ready = False
    if os.path.exists(ADMIN_KUBECONFIG):
        try:
            ready = run(["kubectl", "--kubeconfig", ADMIN_KUBECONFIG, "get", "--raw", "/readyz", "--request-timeout=5s"], 15).rc == 0
        except KubeError as error:
            module.fail_json(msg=str(error))
    found = [{"phase": phase, "api_ready": ready, "leftovers": leftovers}] if phase or leftovers else []
    module.exit_json(changed=False, control_planes=found)


if __name__ == "__main__":
    main()
