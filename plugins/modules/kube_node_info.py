#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_node_info
short_description: Read whether a machine is fit to carry pods, and which packages it lacks
version_added: 0.1.0
description:
  - Reads the distribution, the processor, systemd, the cgroup hierarchy and the state of packages of the machine it runs on.
  - Fails with one sentence when the machine is unfit. Reads only, and uses no network.
author: The airavata.jupyterhub developers (@airavata)
options:
  packages:
    description: Distribution packages that are wanted.
    type: list
    elements: str
    default: []
  users:
    description: Users of the machine that are wanted.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
seealso:
  - module: airavata.jupyterhub.kube_node
"""

EXAMPLES = r"""
- name: Read what the machine lacks
  airavata.jupyterhub.kube_node_info:
    packages: [conntrack, nftables]
  register: node
"""

RETURN = r"""
missing_packages:
  description: Wanted packages that are not installed.
  type: list
  elements: str
  returned: success
missing_users:
  description: Wanted users that are not there.
  type: list
  elements: str
  returned: success
cloud_init:
  description: Whether cloud-init is installed, and thus may still be working on the machine.
  type: bool
  returned: success
facts:
  description: What was seen.
  type: dict
  returned: always
  sample: {"machine": "x86_64", "init": "systemd", "cgroup_v2": true, "dpkg": true, "system": "debian 13"}
"""

import os
import platform
import pwd
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.node import (
    installed_packages,
    node_problems,
    parse_os_release,
    system_warning,
)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={name: {"type": "list", "elements": "str", "default": []} for name in ("packages", "users")},
        supports_check_mode=True,
    )
    release = parse_os_release(_read("/etc/os-release"))
    facts = {
        "machine": platform.machine(),
        "init": _read("/proc/1/comm").strip(),
        "cgroup_v2": os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
        "dpkg": shutil.which("dpkg-query") is not None,
        "system": f"{release.get('ID', 'unknown')} {release.get('VERSION_ID', 'unknown')}",
    }
    problems = node_problems(facts)
    if problems:
        module.fail_json(msg=f"{platform.node()} is not fit to be a node: " + "; ".join(problems) + ".", facts=facts)
    warning = system_warning(release)
    if warning:
        module.warn(warning)
    _rc, status, _err = module.run_command(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Provides}\\n"], check_rc=True)
    present = installed_packages(status)
    known = {entry.pw_name for entry in pwd.getpwall()}
    module.exit_json(
        changed=False,
        facts=facts,
        missing_packages=[name for name in module.params["packages"] if name not in present],
        missing_users=[name for name in module.params["users"] if name not in known],
        cloud_init="cloud-init" in present,
    )


if __name__ == "__main__":
    main()
