#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_info
short_description: What a bundle holds, what is broken in it, and what would be made
version_added: 0.1.0
description:
  - Compares a bundle with its manifest and with the recipes. Reads only.
  - A file is read when its size or time is not the one it was made with, or with O(verify); a run where nothing has changed reads small files only.
author: The airavata.jupyterhub developers (@airavata)
options:
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
    description: File with every version.
    type: path
    required: true
  programs_dir:
    description: Folder with C(programs.yml), main programs and the kernel's configuration.
    type: path
    required: true
  images_dir:
    description: Folder with a folder per image, each with a C(recipe.yml).
    type: path
    required: true
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
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.bundle
"""

EXAMPLES = r"""
- name: Look at the bundle
  airavata.jupyterhub.bundle_info:
    cache_dir: /var/cache/airavata-jupyterhub
    versions_file: versions.yml
    programs_dir: roles/bundle/files
    images_dir: images
    images: [pause, etcd]
  register: bundle
"""

RETURN = r"""
ready:
  description: Whether everything is there and whole.
  type: bool
  returned: success
items:
  description: What M(airavata.jupyterhub.bundle) would make, in order, with the reason.
  type: list
  elements: dict
  returned: success
  sample: [{"name": "program coredns", "reason": "programs/coredns is missing"}]
broken:
  description: One sentence for each program, image and disk of the manifest that is not as it was made.
  type: list
  elements: str
  returned: success
missing_packages:
  description: Debian packages of the host that making needs and that it lacks. Empty when nothing is to be made.
  type: list
  elements: str
  returned: success
manifest:
  description: The manifest that is there; empty when there is none.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.arguments import SPEC, require_libraries, wish_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.facade import broken, look, missing_host_packages, read_manifest

REQUIRED = ("versions_file", "programs_dir", "images_dir")


def main() -> None:
    spec = {name: {**entry, "required": True} if name in REQUIRED else entry for name, entry in SPEC.items()}
    module = AnsibleModule(argument_spec={**spec, "verify": {"type": "bool", "default": False}}, supports_check_mode=True)
    require_libraries(module)
    verify = module.params["verify"]
    try:
        wish = wish_of(module.params)
        found = look(wish, verify)
        manifest = read_manifest(wish)
        # Where everything is as it was made and the manifest says the same, nothing is left to compare.
        whole = not found.steps and manifest == found.content
        faults = [] if whole else broken(wish, found)
    except BundleError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        ready=whole,
        items=[{"name": name, "reason": found.reasons[name]} for name in found.steps],
        broken=faults,
        missing_packages=missing_host_packages(found.steps),
        manifest=manifest,
    )


if __name__ == "__main__":
    main()
