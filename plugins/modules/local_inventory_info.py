#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_inventory_info
short_description: Take stock of everything that a local site has on the deploy host
version_added: 0.1.0
description:
  - Looks for processes (by their namespace, their environment and their command line), namespaces, interfaces, mounts, files and memory files of a
    site, by what they are and not by what was written down about them. After a destroy all lists are empty.
author: The airavata.jupyterhub developers (@airavata)
options:
  site:
    description: Name of the site. Its namespace is C(hub-SITE), its interface on the deploy host C(hub-SITE0).
    type: str
    required: true
  state_dir:
    description: Folder of everything that the deploy host keeps for this site.
    type: path
    required: true
  uid:
    description: Number of the user that the machines run as. No user of the host may have it.
    type: int
    default: 977077
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Take stock
  airavata.jupyterhub.local_inventory_info:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
  register: stock
"""

RETURN = r"""
inventory:
  description: What was found, by kind.
  type: dict
  returned: always
  sample: {"processes": [], "namespaces": [], "interfaces": [], "mounts": [], "files": [], "memory_files": []}
count:
  description: How many things were found.
  type: int
  returned: always
summary:
  description: A small table, one line per kind.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import inventory
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "uid": {"type": "int", "default": 977077},
        },
        supports_check_mode=True,
    )
    found = inventory.take(Site(module.params["site"], Path(module.params["state_dir"])), module.params["uid"])
    module.exit_json(changed=False, inventory=found, count=sum(len(items) for items in found.values()), summary=inventory.summary(found))


if __name__ == "__main__":
    main()
