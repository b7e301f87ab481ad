#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_machine_info
short_description: Tell truthfully in which state local machines are
version_added: 0.1.0
description:
  - A machine is C(running) when its very process lives and SSH greets. It is C(starting) while it boots, C(hung) when its process lives and SSH stays
    silent, C(dead) when it was started and its process is gone without a stop, C(stopped) when it is switched off, C(absent) when it has no disk.
  - Of a hung machine it adds the tasks that its kernel reports as blocked, of a dead one its last words.
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
  machines:
    description: The machines to look at. Empty means all that have a folder on the deploy host.
    type: list
    elements: dict
    default: []
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
  boot_timeout_seconds:
    description: How long a machine may take from its start until SSH greets. Silent beyond that, it hangs.
    type: int
    default: 120
  banner_timeout_seconds:
    description: How long a booted machine may take to greet by SSH.
    type: int
    default: 10
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
- name: Look at all machines
  airavata.jupyterhub.local_machine_info:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
  register: seen
"""

RETURN = r"""
machines:
  description: The machines as they are now.
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: Its name., type: str, returned: always}
    state: {description: "One of absent, stopped, starting, running, hung, dead.", type: str, returned: always}
    reason: {description: Why it is said to be in that state., type: str, returned: always}
    address: {description: Its address., type: str, returned: always}
    pid: {description: Its process on the deploy host., type: int, returned: always}
    age_seconds: {description: Time since its start., type: float, returned: always}
    memory_used_mib: {description: Memory of the deploy host that it takes., type: int, returned: always}
    disk_used_mib: {description: Space of the deploy host that its disks take., type: int, returned: always}
    base: {description: Identity of the base disk that it was made from., type: str, returned: always}
    detail: {description: "Of a hung machine the blocked tasks, of a dead one its last words.", type: str, returned: always}
    notes: {description: "Sentences worth reading, such as that the bundle has a newer base disk.", type: list, elements: str, returned: always}
problems:
  description: One sentence per machine that is not running.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import machines as local
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site, machines_from


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "machines": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str"},
                    "memory_mib": {"type": "int"},
                    "data_disk_gib": {"type": "int", "default": 0},
                },
            },
            "boot_timeout_seconds": {"type": "int", "default": 120},
            "banner_timeout_seconds": {"type": "int", "default": 10},
            "driver": {"type": "str", "choices": ["uml"], "default": "uml"},
        },
        supports_check_mode=True,
    )
    params = module.params
    site = Site(params["site"], Path(params["state_dir"]))
    try:
        wanted = machines_from(params["machines"]) or [Machine(name) for name in local.existing(site)]
        limits = local.Limits(params["boot_timeout_seconds"], params["banner_timeout_seconds"])
        reports = local.look_at_all(site, wanted, local.DRIVERS[params["driver"]](), limits)
    except LocalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        machines=[report.as_dict() for report in reports],
        problems=[local.problem_sentence(report) for report in reports if report.state != "running"],
    )


if __name__ == "__main__":
    main()
