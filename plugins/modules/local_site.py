#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: local_site
short_description: Make the folder of a local site, or take the whole site away
version_added: 0.1.0
description:
  - With O(state=present) makes the folder that holds everything of a site on the deploy host, readable by root only, and marks it as the site's.
  - With O(state=absent) ends the site's services and machines, removes its namespace, interface and mounts, and deletes the folder. Fails without
    touching anything when the folder is not marked as this site's.
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
    description: Whether the site is there.
    type: str
    choices: [present, absent]
    default: present
  uid:
    description: Number of the user that the machines run as. No user of the host may have it.
    type: int
    default: 977077
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: full, description: Shows what is and what will be.}
"""

EXAMPLES = r"""
- name: Make the folder
  airavata.jupyterhub.local_site:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local

- name: Take the site away
  airavata.jupyterhub.local_site:
    site: local
    state_dir: /var/lib/airavata-jupyterhub/local
    state: absent
"""

RETURN = r"""
made:
  description: Folders and files that were made, or would be.
  type: list
  elements: str
  returned: when O(state=present)
removed:
  description: What was there, by kind.
  type: dict
  returned: when O(state=absent)
  sample: {"processes": ["4711 /mnt/linux"], "namespaces": ["hub-local"], "interfaces": ["hub-local0"], "mounts": [], "files": [], "memory_files": []}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import site as local
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.spec import SITE_NAME, Site


def run(module: AnsibleModule) -> None:
    """Make the folder or take the site away."""
    site = Site(module.params["site"], Path(module.params["state_dir"]))
    if not SITE_NAME.fullmatch(site.name) or not site.state_dir.is_absolute() or len(site.state_dir.parts) < 3:
        raise LocalError(f"'{site.name}' with the folder '{site.state_dir}' cannot be a site; check hub_site and hub_state_dir.")
    if module.params["state"] == "present":
        made = local.make(site, check=module.check_mode)
        module.exit_json(changed=bool(made), made=made, diff={"before": {}, "after": {"made": made} if made else {}})
    removed = local.remove(site, module.params["uid"], check=module.check_mode)
    left: dict[str, list[str]] = {kind: [] for kind in removed}
    module.exit_json(changed=any(removed.values()), removed=removed, diff={"before": removed, "after": left})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "uid": {"type": "int", "default": 977077},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except LocalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
