#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: user_storage_class
short_description: A storage class for a user, a group or a shared folder
version_added: 0.2.0
description:
  - Makes a storage class of the site's provisioner, with a place for its volumes, limits, mount options, and what becomes of deleted volumes.
  - Most of a class cannot be changed. When that is asked for the class is made anew; volumes that are there keep what they were made with.
author: The airavata.jupyterhub developers (@airavata)
extends_documentation_fragment:
  - airavata.jupyterhub.user_space
options:
  name:
    description: Name of the class. Not with O(shared_folder), whose class is named C(shared-NAME).
    type: str
  shared_folder:
    description:
      - Make the class of a folder that several users have. Claims of the class in any namespace get the one directory C(shared/NAME), which belongs
        to root and a group, and is never archived or deleted with a claim.
    type: dict
    suboptions:
      name:
        description: Name of the folder.
        type: str
        required: true
      gid:
        description: Group that owns the folder. Members have it as a supplementary group.
        type: int
        required: true
      size_gib:
        description: Size of the folder, in GiB, for all members together.
        type: int
        required: true
      mode:
        description: Mode of the folder. V(2755) and V(2775) let everybody read who has it.
        type: str
        choices: ["2770", "2775", "2750", "2755"]
        default: "2770"
  path_pattern:
    description: Where a claim's directory is below the export, in the words of the NFS subdir external provisioner.
    type: str
  soft_quota_percent:
    description: Percentage of a volume's size from which its user is warned.
    type: int
  files_per_gib:
    description: Files a volume may have per GiB. V(0) is any number. The provisioner's own by default.
    type: int
  on_delete:
    description: What becomes of a deleted claim's directory.
    type: str
    choices: [archive, retain, delete]
    default: archive
  reclaim_policy:
    description: V(Retain) keeps the volume object too, for somebody to decide about.
    type: str
    choices: [Delete, Retain]
    default: Delete
  mount_options:
    description: How nodes mount. The site's by default. Add C(ro) for data that nobody may change.
    type: list
    elements: str
  parameters:
    description: More parameters of the provisioner.
    type: dict
    default: {}
  provisioner:
    description: Name of the provisioner.
    type: str
    default: hub.airavata.org/nfs
  state:
    description: V(absent) takes the class away. Its volumes stay, and are archived when their claims are deleted.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: Says what would change.}
  diff_mode: {support: full, description: Shows the class before and after.}
seealso:
  - module: airavata.jupyterhub.user_storage_class_info
  - module: airavata.jupyterhub.user_space
"""

EXAMPLES = r"""
- name: Give a group homes of their own, with a warning at 80 %
  airavata.jupyterhub.user_storage_class:
    kubeconfig: "{{ hub_kubeconfig }}"
    name: home-chemistry
    path_pattern: "chemistry/${.PVC.namespace}"
    soft_quota_percent: 80

- name: Make a folder that a course shares
  airavata.jupyterhub.user_storage_class:
    kubeconfig: "{{ hub_kubeconfig }}"
    shared_folder:
      name: course-1
      gid: 30001
      size_gib: 20
      mode: "2775"
"""

RETURN = r"""
storage_class:
  description: The class afterwards; in check mode as it would be. Empty for O(state=absent).
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.classes import class_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.client import ApiError, connect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.compare import settle, view
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.errors import SpaceError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.work import as_text

SHARED_FOLDER = {
    "name": {"type": "str", "required": True},
    "gid": {"type": "int", "required": True},
    "size_gib": {"type": "int", "required": True},
    "mode": {"type": "str", "choices": ["2770", "2775", "2750", "2755"], "default": "2770"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "name": {"type": "str"},
            "shared_folder": {"type": "dict", "options": SHARED_FOLDER},
            "path_pattern": {"type": "str"},
            "soft_quota_percent": {"type": "int"},
            "files_per_gib": {"type": "int"},
            "on_delete": {"type": "str", "choices": ["archive", "retain", "delete"], "default": "archive"},
            "reclaim_policy": {"type": "str", "choices": ["Delete", "Retain"], "default": "Delete"},
            "mount_options": {"type": "list", "elements": "str"},
            "parameters": {"type": "dict", "default": {}},
            "provisioner": {"type": "str", "default": "hub.airavata.org/nfs"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_one_of=[("name", "shared_folder")],
        mutually_exclusive=[("name", "shared_folder"), ("shared_folder", "path_pattern")],
        supports_check_mode=True,
    )
    params, client = module.params, connect(module)
    wanted: dict[str, Any] = {}
    try:
        wanted = class_of(params)
        current = client.get("StorageClass", "", wanted["metadata"]["name"])
        before = view({**current, "apiVersion": wanted["apiVersion"], "kind": wanted["kind"]}) if current else None
        repair = settle(current, wanted) if params["state"] == "present" else None
        changed = repair is not None if params["state"] == "present" else current is not None
        if changed and not module.check_mode:
            if current is not None and (repair is None or repair.verb == "replace"):
                client.delete("StorageClass", "", wanted["metadata"]["name"], current["metadata"]["uid"])
            if repair is not None:
                (client.replace if repair.verb == "update" else client.create)(repair.body)
    except (SpaceError, ApiError) as error:
        module.fail_json(msg=str(error))
    after = (
        None
        if params["state"] == "absent"
        else view(repair.body if repair is not None else {**(current or {}), "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"})
    )
    module.exit_json(changed=changed, storage_class=after or {}, diff={"before": as_text([before]), "after": as_text([after])})


if __name__ == "__main__":
    main()
