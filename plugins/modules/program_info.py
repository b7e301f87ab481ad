#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: program_info
short_description: Compare installed programs with the bundle's manifest
version_added: 0.1.0
description:
  - Hashes the programs on the machine it runs on and names those that are absent or differ, so that only these need to be copied.
  - Each file is hashed once. The hash is kept with the file's inode, size and change time in O(cache), and read again only when one differs.
author: The airavata.jupyterhub developers (@airavata)
options:
  programs:
    description: What should be installed.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name in the manifest.
        type: str
        required: true
      path:
        description: Where it belongs on the machine.
        type: path
        required: true
      sha256:
        description: Hash of the bundle's file.
        type: str
        required: true
      version:
        description: Version in the manifest; handed through.
        type: str
  cache:
    description: File that keeps the hashes between runs.
    type: path
    default: /var/lib/airavata-jupyterhub/programs.json
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Compare containerd with the bundle
  airavata.jupyterhub.program_info:
    programs:
      - name: containerd
        path: /usr/local/bin/containerd
        sha256: "{{ hub_bundle.programs.containerd.sha256 }}"
  register: installed

- name: Copy what differs
  ansible.builtin.copy:
    src: "{{ hub_cache_dir }}/bundle/{{ hub_bundle.programs[item.name].path }}"
    dest: "{{ item.path }}"
    mode: "0755"
  loop: "{{ installed.differing }}"
"""

RETURN = r"""
programs:
  description: One entry for each wanted program, in the same order.
  type: list
  elements: dict
  returned: success
  sample: [{"name": "containerd", "path": "/usr/local/bin/containerd", "version": "v2.4.2", "installed_sha256": null, "matches": false}]
differing:
  description: The entries of RV(programs) that do not match.
  type: list
  elements: dict
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.programs import Hashes, compare
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import read_state, write_state


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "programs": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "path": {"type": "path", "required": True},
                    "sha256": {"type": "str", "required": True},
                    "version": {"type": "str"},
                },
            },
            "cache": {"type": "path", "default": "/var/lib/airavata-jupyterhub/programs.json"},
        },
        supports_check_mode=True,
    )
    wanted, cache = module.params["programs"], module.params["cache"]
    known = read_state(cache)
    hashes = Hashes(known)
    paths = [program["path"] for program in wanted]
    found = compare(wanted, {path: hashes.of(path) for path in paths}, {path: os.access(path, os.X_OK) for path in paths})
    if any(key not in known for key in hashes.used):
        # Entries of other callers stay; one of a replaced file is never matched again and does no harm.
        write_state(cache, {**known, **hashes.used})
    module.exit_json(changed=False, programs=found, differing=[entry for entry in found if not entry["matches"]])


if __name__ == "__main__":
    main()
