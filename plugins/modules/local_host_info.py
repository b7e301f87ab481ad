#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_host_info
short_description: Tell whether the deploy host can carry a local site
version_added: 0.1.0
description:
  - Measures memory, disk, rights, kernel features and address ranges, compares them with what the machines need, and gives one sentence for each
    thing that is missing. Machines that run already count with what they have.
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
  cidr:
    description: The machines' network.
    type: str
    required: true
  gateway:
    description: Address of the deploy host in the machines' network.
    type: str
    required: true
  machines:
    description: The machines.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, in the inventory and as its host name.
        type: str
        required: true
      address:
        description: Its address in the machines' network.
        type: str
      memory_mib:
        description: Its memory in MiB. Memory that it never touched costs nothing.
        type: int
      data_disk_gib:
        description: Size of its second disk in GiB, a sparse file; 0 means none. It grows when the machine is started, and never shrinks.
        type: int
        default: 0
  uid:
    description: Number of the user that the machines run as. No user of the host may have it.
    type: int
    default: 977077
  root_disk_gib:
    description: Space that a new machine's own disk is expected to take.
    type: float
    default: 4
  driver:
    description: How machines are run. V(uml) is User-Mode Linux.
    type: str
    choices: [uml]
    default: uml
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Ask before anything changes
  airavata.jupyterhub.local_host_info:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
    cidr: 10.77.0.0/24
    gateway: 10.77.0.1
    machines:
      - {name: control1, address: 10.77.0.11, memory_mib: 3072}
  register: host
  failed_when: host.problems | length > 0
"""

RETURN = r"""
problems:
  description: One sentence per problem; empty when the machines fit.
  type: list
  elements: str
  returned: always
host:
  description: What was measured.
  type: dict
  returned: always
  sample: {"memory_available_mib": 20480, "disk_free_gib": 80.1, "root": true}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import host
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.machines import DRIVERS
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site, machines_from


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "cidr": {"type": "str", "required": True},
            "gateway": {"type": "str", "required": True},
            "machines": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str"},
                    "memory_mib": {"type": "int"},
                    "data_disk_gib": {"type": "int", "default": 0},
                },
            },
            "uid": {"type": "int", "default": 977077},
            "root_disk_gib": {"type": "float", "default": 4},
            "driver": {"type": "str", "choices": ["uml"], "default": "uml"},
        },
        supports_check_mode=True,
    )
    params = module.params
    site = Site(params["site"], Path(params["state_dir"]), params["cidr"], params["gateway"])
    machines = machines_from(params["machines"])
    try:
        measured = host.measure(site, machines, DRIVERS[params["driver"]](), params["uid"])
    except LocalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        problems=host.problems(site, machines, measured, root_disk_gib=params["root_disk_gib"], uid=params["uid"]),
        host={
            "root": measured.root,
            "memory_available_mib": measured.memory_available_mib,
            "disk_free_gib": round(measured.disk_free_gib, 1),
            "running": sorted(measured.running),
        },
    )


if __name__ == "__main__":
    main()
