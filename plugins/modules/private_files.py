#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: private_files
short_description: Write JSON files that only their owner may read
version_added: 0.1.0
author: The airavata.jupyterhub developers (@airavata)
description:
  - Makes files hold the given values as JSON, with mode 0600, each whole or not at all.
  - All in one call, because a call takes longer than a file.
  - The values are mostly secrets. Set C(no_log) on the task; what the module itself returns has none.
options:
  files:
    description: The value of each file, by path.
    type: dict
    required: true
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: full, description: Shows which names in a file change; never a value.}
"""

EXAMPLES = r"""
- name: Keep what the hub needs to log people in
  airavata.jupyterhub.private_files:
    files:
      /var/lib/airavata-jupyterhub/local/secrets/oidc-client.json:
        client_id: hub
        client_secret: "{{ client_secret }}"
  no_log: true
"""

RETURN = r"""
written:
  description: The files that were written, or would be.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.private_files import look, outline, text_of, write


def main() -> None:
    module = AnsibleModule(argument_spec={"files": {"type": "dict", "required": True}}, supports_check_mode=True)
    before, after = {}, {}
    try:
        for name, value in module.params["files"].items():
            path, text = Path(name), text_of(value)
            found = look(path)
            if found is None or found.text != text or found.mode != 0o600:
                before[name], after[name] = outline(found.text if found else "", text), outline(text, found.text if found else "")
                if not module.check_mode:
                    write(path, text)
    except OSError as error:
        module.fail_json(msg=f"Cannot keep {error.filename}: {error.strerror}.")
    module.exit_json(changed=bool(after), written=sorted(after), diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
