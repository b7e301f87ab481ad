#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: xfs_volume_info
short_description: Read the XFS of a disk, and whether it is mounted
version_added: 0.1.0
description: Reads only. A disk that is absent or has no XFS gives an empty list.
author: The airavata.jupyterhub developers (@airavata)
options:
  device:
    description: The whole disk.
    type: path
    required: true
  path:
    description: Where it should be mounted.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.xfs_volume
"""

EXAMPLES = r"""
- name: Read the data disk
  airavata.jupyterhub.xfs_volume_info:
    device: /dev/vdb
    path: /srv/hub
"""

RETURN = r"""
volumes:
  description: The volume, or nothing.
  type: list
  elements: dict
  returned: success
  sample: [{"device": "/dev/vdb", "uuid": "0f0e0d0c-1b1a-4918-8716-151413121110", "size_bytes": 107374182400, "mounted": true}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.disks import volume_facts
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.xfs import XfsError


def main() -> None:
    module = AnsibleModule(argument_spec={"device": {"type": "path", "required": True}, "path": {"type": "path", "required": True}}, supports_check_mode=True)
    try:
        volume = volume_facts(module.run_command, module.params["device"], module.params["path"])
    except (XfsError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, volumes=[volume] if volume else [])


if __name__ == "__main__":
    main()
