#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Every program, image and disk of a site, built or downloaded once and kept by the hash of its recipe
version_added: 0.1.0
description:
  - Makes what is missing in a bundle, and its manifest. What is there, whole and made from the same recipes is not touched.
  - Several things are made at a time. Each is moved into place when it is finished, so a run that was interrupted at any moment goes on where it was.
  - Shows a line per finished item while it works, when it runs on the controller.
  - Runs on the deploy host, as root. With O(state=absent) the bundle and everything it was made with are removed.
author: The airavata.jupyterhub developers (@airavata)
options:
  state:
    description: Whether the bundle is there.
    type: str
    choices: [present, absent]
    default: present
  cache_dir:
    description: Folder of the cache. The bundle is in C(bundle) below it, what it is made with in C(work).
    type: path
    required: true
  source:
    description:
      - V(build) compiles pinned versions from their Go modules; V(download) takes the projects' official releases where there are any.
      - Names and manifest are the same.
    type: str
    choices: [build, download]
    default: build
  versions_file:
    description: File with every version. Needed with O(state=present).
    type: path
  programs_dir:
    description: Folder with C(programs.yml), main programs and the kernel's configuration. Needed with O(state=present).
    type: path
  images_dir:
    description: Folder with a folder per image, each with a C(recipe.yml). Needed with O(state=present).
    type: path
  images:
    description: Folders of images to make.
    type: list
    elements: str
    default: []
  disks:
    description: Folders of machine disks to make. The kernel is made only if there is one.
    type: list
    elements: str
    default: []
  checksums:
    description: The sha256 that a download has to have, by program or by download of O(versions_file). Goes before those written there.
    type: dict
    default: {}
  download_bases:
    description: Another beginning of the URLs of a download, by its name in O(versions_file). For mirrors.
    type: dict
    default: {}
  debian_archive:
    description: Archive of Debian packages. The default is the one this host's apt uses.
    type: str
    default: ""
  verify:
    description: Read every file and compare its sha256, instead of size and time only.
    type: bool
    default: false
  watch_pid:
    description: The build stops when this process ends. Set by the action plugin to the playbook's, so that an ended playbook leaves no build running.
    type: int
    default: 0
attributes:
  check_mode: {support: full, description: Says what would be made.}
  diff_mode: {support: full, description: "Shows the items that would be or were made, and why."}
seealso:
  - module: airavata.jupyterhub.bundle_info
"""

EXAMPLES = r"""
- name: Make the bundle
  airavata.jupyterhub.bundle:
    cache_dir: /var/cache/airavata-jupyterhub
    versions_file: versions.yml
    programs_dir: roles/bundle/files
    images_dir: images
    images: [pause, etcd]
  register: bundle

- name: Remove it
  airavata.jupyterhub.bundle:
    cache_dir: /var/cache/airavata-jupyterhub
    state: absent
"""

RETURN = r"""
items:
  description: What was made (in check mode, would be), in order, with the reason.
  type: list
  elements: dict
  returned: success
  sample: [{"name": "program coredns", "reason": "its recipe has changed"}]
progress:
  description: The lines that were shown.
  type: list
  elements: str
  returned: when something was made
manifest:
  description: Path of the manifest.
  type: str
  returned: success
"""

import os
import shutil
from pathlib import Path
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.arguments import SPEC, require_libraries, wish_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.facade import ensure, look, read_manifest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places, locked


def _watcher(pid: int) -> Callable[[], bool]:
    """Give a function that says whether the process has ended. Its start time tells it from a later one of the same number."""

    def start_time() -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return ""

    known = start_time() if pid else ""
    return lambda: bool(pid) and start_time() != known


def _absent(module: AnsibleModule, places: Places) -> dict[str, Any]:
    there = [path for path in (places.bundle, places.work) if path.exists()]
    if there and not module.check_mode:
        with locked(places):
            for path in there:
                shutil.rmtree(path)
    return {"changed": bool(there), "items": [], "manifest": str(places.manifest)}


def _present(module: AnsibleModule) -> dict[str, Any]:
    wish = wish_of(module.params)
    places = Places(wish.cache_dir)
    result: dict[str, Any] = {"manifest": str(places.manifest)}
    if module.check_mode:
        before = look(wish, module.params["verify"])
        result["changed"] = bool(before.steps) or read_manifest(wish) != before.content
    else:
        before, progress, changed = ensure(wish, module.params["verify"], _watcher(module.params["watch_pid"]), os.cpu_count() or 1)
        result.update(changed=changed, **({"progress": progress} if progress else {}))
    result["items"] = [{"name": name, "reason": before.reasons[name]} for name in before.steps]
    lines = "".join(f"{name}: {before.reasons[name]}\n" for name in before.steps)
    result["diff"] = {"before_header": "to make", "after_header": "to make", "before": lines, "after": ""}
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SPEC,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "verify": {"type": "bool", "default": False},
            "watch_pid": {"type": "int", "default": 0},
        },
        required_if=[("state", "present", ("versions_file", "programs_dir", "images_dir"))],
        supports_check_mode=True,
    )
    require_libraries(module)
    try:
        result = _absent(module, Places(Path(module.params["cache_dir"]))) if module.params["state"] == "absent" else _present(module)
    except BundleError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
