#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_network
short_description: Make the network of a local site
version_added: 0.1.0
description:
  - Makes a network namespace with a bridge and one tap per machine, and a veth pair that joins it to the deploy host.
  - Touches nothing else on the deploy host's network. Fails with a sentence when the address range is used already.
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
  state:
    description: Whether the network is there.
    type: str
    choices: [present, absent]
    default: present
  cidr:
    description: The machines' network. Needed unless O(state=absent).
    type: str
  gateway:
    description: Address of the deploy host in the machines' network. Needed unless O(state=absent).
    type: str
  machines:
    description: Names of the machines; each gets a tap. Taps of other machines are removed.
    type: list
    elements: str
    default: []
  uid:
    description: Number of the user that the machines run as. No user of the host may have it.
    type: int
    default: 977077
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: full, description: Shows what is and what will be.}
"""

EXAMPLES = r"""
- name: Make the network of two machines
  airavata.jupyterhub.local_network:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
    cidr: 10.77.0.0/24
    gateway: 10.77.0.1
    machines: [control1, worker1]
"""

RETURN = r"""
network:
  description: The network as it is now (as it was, in check mode); empty when there is none.
  type: dict
  returned: always
  sample: {"namespace": true, "host_interface": {"exists": true, "up": true, "addresses": ["10.77.0.1/24"]}, "links": {"br0": {"bridge": "", "up": true}}}
commands:
  description: The commands that were run, or would be.
  type: list
  elements: list
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import network
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Machine, Site, spec_problems


def run(module: AnsibleModule) -> None:
    """Compare, then change."""
    params = module.params
    site = Site(params["site"], Path(params["state_dir"]), params["cidr"] or "", params["gateway"] or "")
    current = network.read(site)
    before = network.describe(current)
    if params["state"] == "absent":
        after: dict[str, Any] = {}
        commands = network.plan_removal(site, current)
    else:
        problems = spec_problems(site, []) or network.host_overlaps(site)
        if problems:
            raise LocalError(" ".join(problems))
        wanted = network.desired(site, [Machine(name).tap for name in params["machines"]], params["uid"])
        after = network.describe(wanted)
        commands = network.plan(site, current, wanted)
    if not module.check_mode:
        network.apply(commands)
        if params["state"] == "absent":
            network.forget_namespaces_mount()
    module.exit_json(
        changed=bool(commands),
        network=network.describe(network.read(site)) if commands else before,
        commands=commands,
        diff={"before": before, "after": after},
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "cidr": {"type": "str"},
            "gateway": {"type": "str"},
            "machines": {"type": "list", "elements": "str", "default": []},
            "uid": {"type": "int", "default": 977077},
        },
        required_if=[("state", "present", ("cidr", "gateway"))],
        supports_check_mode=True,
    )
    try:
        run(module)
    except LocalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
