#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: user_storage_class_info
short_description: The storage classes of the site's provisioner
version_added: 0.2.0
description:
  - Lists the storage classes of a provisioner with their parameters.
author: The airavata.jupyterhub developers (@airavata)
extends_documentation_fragment:
  - airavata.jupyterhub.user_space
options:
  name:
    description: Only the class of this name. All by default.
    type: str
  provisioner:
    description: Name of the provisioner.
    type: str
    default: hub.airavata.org/nfs
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Reads only.}
seealso:
  - module: airavata.jupyterhub.user_storage_class
"""

EXAMPLES = r"""
- name: List the classes
  airavata.jupyterhub.user_storage_class_info:
    kubeconfig: "{{ hub_kubeconfig }}"
  register: classes
"""

RETURN = r"""
storage_classes:
  description: The classes, by name. Empty when there is none.
  type: list
  elements: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.client import ApiError, connect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.compare import view


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "name": {"type": "str"},
            "provisioner": {"type": "str", "default": "hub.airavata.org/nfs"},
        },
        supports_check_mode=True,
    )
    params, client = module.params, connect(module)
    items: list[dict[str, Any]] = []
    try:
        items = client.list("StorageClass")
    except ApiError as error:
        module.fail_json(msg=str(error))
    found = [view({**item, "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}) for item in items if item["provisioner"] == params["provisioner"]]
    if params["name"] is not None:
        found = [item for item in found if item["metadata"]["name"] == params["name"]]
    module.exit_json(changed=False, storage_classes=found)


if __name__ == "__main__":
    main()
