#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: user_space_info
short_description: Users' spaces, and what belongs to nobody
version_added: 0.2.0
description:
  - Lists the spaces of users with their state, and finds orphans, which are UserSpaces without a user of the hub, and namespaces and claims
    without a UserSpace. A handful of requests, however many users there are.
author: The airavata.jupyterhub developers (@airavata)
extends_documentation_fragment:
  - airavata.jupyterhub.user_space
  - airavata.jupyterhub.user_space.spaces
options:
  users:
    description: Only the spaces of these users. All by default.
    type: list
    elements: str
  hub_url:
    description: Address of the hub, to ask it for its users and find spaces of people whom it no longer knows. Not compared by default.
    type: str
  hub_token:
    description: A token of the hub's API with the scope C(list:users).
    type: str
  hub_ca_path:
    description: Certificates to trust for O(hub_url). Those of this machine by default.
    type: path
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Reads only.}
seealso:
  - module: airavata.jupyterhub.user_space
"""

EXAMPLES = r"""
- name: Look for what belongs to nobody
  airavata.jupyterhub.user_space_info:
    kubeconfig: "{{ hub_kubeconfig }}"
    hub_url: "{{ hub_url }}"
    hub_token: "{{ hub_token }}"
    hub_ca_path: "{{ hub_ca_certificate }}"
  register: spaces

- name: Show it
  ansible.builtin.debug:
    var: spaces.orphans
"""

RETURN = r"""
spaces:
  description: The spaces, by name. Empty when there is none.
  type: list
  elements: dict
  returned: success
  sample: [{"name": "alice", "user": "alice", "state": "active", "namespace": "hub-user-alice", "uid": 20001,
            "home": {"claim": "home", "volume": "pvc-1", "size": "10Gi"}, "archived": {}, "ready": true, "reason": "Ready", "message": "uid 20001"}]
orphans:
  description: What belongs to nobody, each with C(kind), C(name), C(namespace), C(user) and C(why).
  type: list
  elements: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space import names, report
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.client import ApiError, connect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.hub_users import HubError, hub_users


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "namespace": {"type": "str", "default": "hub"},
            "users": {"type": "list", "elements": "str"},
            "hub_url": {"type": "str"},
            "hub_token": {"type": "str", "no_log": True},
            "hub_ca_path": {"type": "path"},
        },
        required_together=[("hub_url", "hub_token")],
        supports_check_mode=True,
    )
    params, client = module.params, connect(module)
    resources: list[dict[str, Any]] = []
    controlled = True
    try:
        try:
            resources = client.list("UserSpace", params["namespace"])
        except ApiError as error:
            if error.status != 404:
                raise
            controlled = False  # no controller here: nothing is an orphan for want of a UserSpace
        namespaces, claims = (client.list(kind, labelSelector=names.SPACE_LABEL) for kind in ("Namespace", "PersistentVolumeClaim"))
        present = None
        if params["hub_url"]:
            present = hub_users(params["hub_url"], params["hub_token"], open_url, ca_path=params["hub_ca_path"], use_proxy=False, timeout=30)
    except (ApiError, HubError) as error:
        module.fail_json(msg=str(error))
    found = [report.describe(item) for item in resources]
    known = {space["name"] for space in found}
    found += [space for space in report.without_resource(namespaces, claims) if space["name"] not in known]
    if params["users"] is not None:
        found = [space for space in found if space["user"] in params["users"]]
    lost = report.orphans(resources, namespaces, claims, present) if controlled else []
    module.exit_json(changed=False, spaces=sorted(found, key=lambda space: str(space["name"])), orphans=lost)


if __name__ == "__main__":
    main()
