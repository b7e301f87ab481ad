#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_network_info
short_description: Look at the network of a local site
version_added: 0.1.0
description:
  - Reports the namespace, its links and the deploy host's interface of a local site.
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
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Look at the network
  airavata.jupyterhub.local_network_info:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
"""

RETURN = r"""
network:
  description: The network as it is; empty when there is none.
  type: dict
  returned: always
  sample: {"namespace": true, "host_interface": {"exists": true, "up": true, "addresses": ["10.77.0.1/24"]}, "links": {"br0": {"bridge": "", "up": true}}}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import network
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import Site


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        found = network.describe(network.read(Site(module.params["site"], Path(module.params["state_dir"]))))
    except LocalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, network=found)


if __name__ == "__main__":
    main()
