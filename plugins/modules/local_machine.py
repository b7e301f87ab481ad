#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_machine
short_description: Start, stop and take away machines on the deploy host
version_added: 0.1.0
description:
  - Runs machines with a kernel and a systemd of their own on one Linux host, without hardware virtualisation.
  - All machines of one call are started at the same time. The call ends when each has greeted by SSH and let us in.
  - A machine that died is started again. One that hangs makes the call fail with its name, unless O(restart_hung=true).
  - With O(state=stopped) machines are switched off in order, those with a data disk last.
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
  state:
    description:
      - V(started) makes their disks and lets them run, V(stopped) switches them off and keeps their disks, V(absent) deletes them with their disks.
    type: str
    choices: [started, stopped, absent]
    default: started
  kernel:
    description: The kernel program. Needed for O(state=started).
    type: path
  base_disk:
    description: The disk that all machines share and never write to. Needed for O(state=started).
    type: path
  manifest:
    description: The bundle's manifest. The checksum of O(base_disk) in it tells machines that were made from another base; it is not checked here.
    type: path
  private_key:
    description: Private key that opens the machines; its public half is beside it with the suffix C(.pub).
    type: path
    required: true
  known_hosts:
    description: File with the machines' host keys. They are learnt once, when a machine is new.
    type: path
    required: true
  uid:
    description: Number of the user that the machines run as. No user of the host may have it.
    type: int
    default: 977077
  restart_hung:
    description: End a hung machine and start it anew, instead of failing.
    type: bool
    default: false
  boot_timeout_seconds:
    description: How long a machine may take from its start until SSH greets. Silent beyond that, it hangs.
    type: int
    default: 120
  banner_timeout_seconds:
    description: How long a booted machine may take to greet by SSH.
    type: int
    default: 10
  stop_timeout_seconds:
    description: How long a machine may take to switch itself off; after that its process is ended.
    type: int
    default: 60
  driver:
    description: How machines are run. V(uml) is User-Mode Linux.
    type: str
    choices: [uml]
    default: uml
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: full, description: Shows what is and what will be.}
"""

EXAMPLES = r"""
- name: Run two machines
  airavata.jupyterhub.local_machine:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
    cidr: 10.77.0.0/24
    gateway: 10.77.0.1
    kernel: /var/cache/airavata-jupyterhub/bundle/programs/linux
    base_disk: /var/cache/airavata-jupyterhub/bundle/disks/machine.ext4
    manifest: /var/cache/airavata-jupyterhub/bundle/manifest.json
    private_key: /var/lib/airavata-jupyterhub/local/ssh/id_ed25519
    known_hosts: /var/lib/airavata-jupyterhub/local/known_hosts
    machines:
      - {name: control1, address: 10.77.0.11, memory_mib: 3072}
      - {name: storage1, address: 10.77.0.31, memory_mib: 1536, data_disk_gib: 20}
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
changes:
  description: One line per machine that was changed, or would be.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import disks
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import machines as local
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site, machines_from, require


def run(module: AnsibleModule) -> None:
    """Bring all machines to the wanted state."""
    params = module.params
    site = Site(params["site"], Path(params["state_dir"]), params["cidr"], params["gateway"])
    wanted = machines_from(params["machines"])
    driver = local.DRIVERS[params["driver"]]()
    limits = local.Limits(params["boot_timeout_seconds"], params["banner_timeout_seconds"], params["stop_timeout_seconds"])
    access = local.Access(Path(params["private_key"]), Path(params["known_hosts"]))
    with local.locked(site, module.params["boot_timeout_seconds"], check=module.check_mode):
        before = local.look_at_all(site, wanted, driver, limits, quick=True)
        if params["state"] == "started":
            require(site, wanted)
            start = local.Start(
                kernel=Path(params["kernel"]),
                base=Path(params["base_disk"]),
                base_sha256=disks.manifest_sha256(Path(params["manifest"])) if params["manifest"] else "",
                uid=params["uid"],
                access=access,
                restart_hung=params["restart_hung"],
            )
            reports, changes = local.start(site, wanted, driver, limits, start, check=module.check_mode)
        else:
            act = local.stop if params["state"] == "stopped" else local.remove
            changes = act(site, wanted, driver, limits, access, check=module.check_mode)
            reports = local.look_at_all(site, wanted, driver, limits, quick=True)
    for report in reports:
        for note in report.notes:
            module.warn(note)
    after = {report.name: "running" if params["state"] == "started" else params["state"] for report in reports}
    if params["state"] == "stopped":
        after = {report.name: "absent" if report.state == "absent" else "stopped" for report in reports}
    changed = {line.split(":", 1)[0] for line in changes}
    module.exit_json(
        changed=bool(changes),
        machines=[report.as_dict() for report in reports],
        changes=changes,
        diff={
            "before": {report.name: report.state for report in before if report.name in changed},
            "after": {name: state for name, state in after.items() if name in changed},
        },
    )


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
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "kernel": {"type": "path"},
            "base_disk": {"type": "path"},
            "manifest": {"type": "path"},
            "private_key": {"type": "path", "required": True},
            "known_hosts": {"type": "path", "required": True},
            "uid": {"type": "int", "default": 977077},
            "restart_hung": {"type": "bool", "default": False},
            "boot_timeout_seconds": {"type": "int", "default": 120},
            "banner_timeout_seconds": {"type": "int", "default": 10},
            "stop_timeout_seconds": {"type": "int", "default": 60},
            "driver": {"type": "str", "choices": ["uml"], "default": "uml"},
        },
        required_if=[("state", "started", ("kernel", "base_disk"))],
        supports_check_mode=True,
    )
    try:
        run(module)
    except LocalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
