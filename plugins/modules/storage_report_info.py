#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_report_info
short_description: Read what belongs to nothing on the disk of the volumes
version_added: 0.2.0
description:
  - Reads the report that the provisioner of the volumes writes every five minutes, on the storage machine, as root.
  - It lists directories without a volume, volumes without a directory, limits without a directory, shared folders and archives.
  - Without a report the list is empty.
author: The airavata.jupyterhub developers (@airavata)
options:
  path:
    description: Where the export is on this machine.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Read what belongs to nothing
  airavata.jupyterhub.storage_report_info:
    path: /srv/hub
  register: storage

- name: Show it
  ansible.builtin.debug:
    msg: "{{ storage.lines }}"
"""

RETURN = r"""
reports:
  description: The report, or nothing.
  type: list
  elements: dict
  returned: success
  sample:
    - written_at: 20261124T081500Z
      export: "10.77.0.31:/srv/hub"
      orphans: {directories: [], unknown_directories: [], volumes: [], projects: []}
      shared_folders: [{path: shared/course, gid: "5000", claims: 2, used_bytes: 4096}]
      archives:
        - {name: archived-hub-users-home-alice-0f0e-20261124T081500Z, namespace: hub-users, claim: home-alice, uid: 20001,
           archived_at: 20261124T081500Z, used_bytes: 4096, files: 1, manifest_sha256: 9f86d081884c}
lines:
  description: One sentence for each orphan.
  type: list
  elements: str
  returned: success
  sample: ["volume pvc-1 of claim hub-users/home-alice has no directory hub-users/home-alice"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.report import ReportError, orphan_lines, read_report


def main() -> None:
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    try:
        report = read_report(module.params["path"])
    except ReportError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, reports=[report] if report else [], lines=orphan_lines(report) if report else [])


if __name__ == "__main__":
    main()
