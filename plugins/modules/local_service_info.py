#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_service_info
short_description: Look at the programs that a local site runs on the deploy host
version_added: 0.1.0
description:
  - Reports every service of a site that has a record, or one of them.
author: The airavata.jupyterhub developers (@airavata)
options:
  name:
    description: Name of one service. Without it all are reported.
    type: str
  state_dir:
    description: Folder of everything that the deploy host keeps for this site.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Look at all services
  airavata.jupyterhub.local_service_info:
    state_dir: /var/lib/airavata-jupyterhub/local
"""

RETURN = r"""
services:
  description: The services; empty when there are none.
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: Its name., type: str, returned: always}
    state: {description: "One of running, stopped, dead.", type: str, returned: always}
    reason: {description: Why it is said to be in that state., type: str, returned: always}
    pid: {description: Its process., type: int, returned: always}
    log: {description: Its output., type: str, returned: always}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import services
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "state_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["state_dir"])
    found = []
    try:
        for name in [module.params["name"]] if module.params["name"] else services.known(folder):
            seen = services.look(services.Service(name, folder))
            seen.pop("fingerprint")
            found.append(seen)
    except LocalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, services=found)


if __name__ == "__main__":
    main()
