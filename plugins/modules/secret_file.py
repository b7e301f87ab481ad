#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_file
short_description: A file whose content is never shown
version_added: 0.1.0
description:
  - Writes a file for its owner alone, whole or not at all. The content is in no log, no diff and no return value.
  - One short connection, where the copy action makes two.
author: The airavata.jupyterhub developers (@airavata)
options:
  path:
    description: Where the file belongs.
    type: path
    required: true
  content:
    description: Its whole text. Needed for O(state=present).
    type: str
  mode:
    description: Its mode.
    type: str
    default: "0600"
  state:
    description: Whether the file is there.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: Says whether the file would change.}
  diff_mode: {support: none, description: A secret has no diff.}
"""

EXAMPLES = r"""
- name: Hand over a token
  airavata.jupyterhub.secret_file:
    path: /etc/example/token
    content: "{{ token }}"
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: success
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import write_text


def _differs(path: str, content: str | None, mode: int) -> bool:
    """Whether the file has to be written, or taken away when there is no content."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return content is not None
    if content is None:
        return True
    if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != mode or status.st_uid != os.geteuid():
        return True
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read() != content


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "no_log": True},
            "mode": {"type": "str", "default": "0600"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["content"])],
        supports_check_mode=True,
    )
    path, mode = module.params["path"], int(module.params["mode"], 8)
    content = module.params["content"] if module.params["state"] == "present" else None
    try:
        changed = _differs(path, content, mode)
        if changed and not module.check_mode:
            if content is None:
                os.unlink(path)
            else:
                write_text(path, content, mode)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{path} could not be written: {error}")
    module.exit_json(changed=changed, path=path)


if __name__ == "__main__":
    main()
