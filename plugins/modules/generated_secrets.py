#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: generated_secrets
short_description: Keep secrets that are generated once
version_added: 0.1.0
description:
  - Keeps a file of named secrets, hexadecimal texts of random bytes. What is there stays; what is missing is made.
  - A secret whose name is no longer asked for is kept, because it could not be made again.
author: The airavata.jupyterhub developers (@airavata)
options:
  path:
    description: The file, JSON, mode 0600. Its folder is made with mode 0700 when it is missing.
    type: path
    required: true
  names:
    description: Names of the secrets. Required when O(state=present).
    type: list
    elements: str
  length_bytes:
    description: Random bytes in a secret that is made. The text has twice as many characters.
    type: int
    default: 32
  state:
    description: V(absent) deletes the file with every secret in it.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Returns secrets that are made up and not kept.
  diff_mode:
    support: full
    description: Shows names and no secrets.
"""

EXAMPLES = r"""
- name: Keep the hub's secrets
  airavata.jupyterhub.generated_secrets:
    path: "{{ hub_state_dir }}/secrets/hub.json"
    names: [cookie-secret, proxy-token]
  register: kept
  no_log: true
"""

RETURN = r"""
secrets:
  description: The secrets that were asked for, by name. Use C(no_log) on the task.
  type: dict
  returned: when O(state=present)
made:
  description: Names of the secrets that were made now.
  type: list
  elements: str
  returned: when O(state=present)
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils import secrets_file


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str"},
            "length_bytes": {"type": "int", "default": 32},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["names"])],
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    if module.params["length_bytes"] < 16:
        module.fail_json(msg="length_bytes has to be 16 or more: a shorter secret can be guessed")
    try:
        current = secrets_file.read(path)
        if module.params["state"] == "absent":
            there = path.exists()
            if there and not module.check_mode:
                path.unlink()
            module.exit_json(changed=there, diff={"before": names_of(current), "after": ""})
        wanted = secrets_file.plan(current, module.params["names"], lambda: secrets_file.make_hexadecimal(module.params["length_bytes"]))
        loose = path.exists() and path.stat().st_mode & 0o777 != 0o600
        changed = bool(wanted.made or loose)
        if changed and not module.check_mode:
            secrets_file.write(path, wanted.content)
    except secrets_file.SecretsFileError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot keep the secrets in {path}: {error}")
    module.exit_json(
        changed=changed,
        made=wanted.made,
        secrets={name: wanted.content[name] for name in module.params["names"]},
        diff={"before": names_of(current), "after": names_of(wanted.content)},
    )


def names_of(content: dict[str, str]) -> str:
    """Return the names in a file of secrets, a line each: what a diff may show."""
    return "".join(f"{name}\n" for name in sorted(content))


if __name__ == "__main__":
    main()
