#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: user_space
short_description: Users' namespaces with limits and a home, one or hundreds at once
version_added: 0.2.0
description:
  - Makes, changes, disables, archives and removes the spaces of users. All spaces of a list are compared with what is there in a handful of
    requests, and only differences are written, so that a course of 200 people is one task.
  - By default it writes C(UserSpace) resources, which the controller of role C(user_spaces) turns into namespaces, limits, policies and claims.
    With O(controller=false) it makes those itself, for a cluster without hub and controller.
author: The airavata.jupyterhub developers (@airavata)
extends_documentation_fragment:
  - airavata.jupyterhub.user_space
  - airavata.jupyterhub.user_space.spaces
options:
  spaces:
    description: The spaces. What is not given of a space that is there stays as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      user:
        description: The user's name in the hub.
        type: str
        required: true
      uid:
        description: Wish for a user id, such as that of a home that is there. It is theirs if nobody has or had it. By default one is given.
        type: int
      gid:
        description: Group of pods and home. The site's by default.
        type: int
      state:
        description:
          - V(disabled) stops the pods and locks the hub out; the home stays.
          - V(archived) leaves nothing but the archive of the home. V(active) again restores it.
        type: str
        choices: [active, disabled, archived]
      home_size:
        description: Size of the home, such as V(10Gi). It can grow.
        type: str
      storage_class:
        description: Storage class of the home. Read when the home is made.
        type: str
      own_class:
        description: A storage class of the user's own, with C(parameters), C(mountOptions), C(reclaimPolicy) in the words of Kubernetes.
        type: dict
      restore:
        description: Archive that a new home begins with, V(latest) or its name.
        type: str
      quota:
        description: "Limits of all pods together, in the words of a ResourceQuota, such as C(limits.memory: 8Gi)."
        type: dict
      shared_folders:
        description: Folders that several users have. Each has a storage class C(shared-NAME), see M(airavata.jupyterhub.user_storage_class).
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the folder.
            type: str
            required: true
          gid:
            description: Group that owns the folder.
            type: int
          read_only:
            description: Whether the user may only read.
            type: bool
            default: false
          size:
            description: What the claim asks for. The folder's own size is its class's affair.
            type: str
  state:
    description: V(absent) stops the pods, lets the provisioner archive the homes, then removes the namespaces. Archives stay.
    type: str
    choices: [present, absent]
    default: present
  controller:
    description: Whether a controller does the work. V(false) does it from here; give O(policy) then.
    type: bool
    default: true
  policy:
    description:
      - What holds for every space, for O(controller=false). Keys are prefix, hub_namespace, hub_service_account, first_uid, gid, storage_class,
        provisioner, home_size, denied_networks, quota, container_defaults, container_requests. Role C(user_spaces) has the same.
    type: dict
    default: {}
  wait:
    description: Whether to wait until every space is ready, or gone.
    type: bool
    default: true
  limit_seconds:
    description: How long to wait.
    type: int
    default: 600
attributes:
  check_mode: {support: full, description: Says what would be written first; what follows from that is not looked into.}
  diff_mode: {support: full, description: Shows each object that is written before and after.}
seealso:
  - module: airavata.jupyterhub.user_space_info
  - module: airavata.jupyterhub.user_storage_class
"""

EXAMPLES = r"""
- name: Read the people of a course
  community.general.read_csv:
    path: course.csv
  register: course

- name: Prepare everybody's home
  airavata.jupyterhub.user_space:
    kubeconfig: "{{ hub_kubeconfig }}"
    spaces: "{{ course.list | map(attribute='user') | map('community.general.dict_kv', 'user') }}"

- name: Lock somebody out, keep the files
  airavata.jupyterhub.user_space:
    kubeconfig: "{{ hub_kubeconfig }}"
    spaces:
      - user: alice@example.org
        state: disabled

- name: The same without hub and controller
  airavata.jupyterhub.user_space:
    kubeconfig: "{{ hub_kubeconfig }}"
    namespace: courses
    controller: false
    policy:
      storage_class: hub-home
    spaces:
      - user: alice
        home_size: 5Gi
"""

RETURN = r"""
spaces:
  description: Each space afterwards, in the order of O(spaces).
  type: list
  elements: dict
  returned: success
  sample: [{"user": "alice", "name": "alice", "namespace": "hub-user-alice", "uid": 20001, "change": "created", "ready": true, "reason": "Ready",
            "message": "uid 20001"}]
counts:
  description: How many spaces were created, changed, removed, and needed nothing.
  type: dict
  returned: success
  sample: {"created": 200, "changed": 0, "removed": 0, "none": 0}
api_calls:
  description: How many requests were made.
  type: int
  returned: success
seconds:
  description: How long it took, waiting included.
  type: float
  returned: success
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.arguments import SPACE, spec_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.client import ApiError, connect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.errors import SpaceError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.spec import Policy
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.work import Direct, Resources, as_text, checked


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "namespace": {"type": "str", "default": "hub"},
            "spaces": {"type": "list", "elements": "dict", "required": True, "options": SPACE},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "controller": {"type": "bool", "default": True},
            "policy": {"type": "dict", "default": {}},
            "wait": {"type": "bool", "default": True},
            "limit_seconds": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params, begun = module.params, time.monotonic()
    client = connect(module)
    try:
        specs = checked(spec_of(given) for given in params["spaces"])
        common = (client, params["namespace"], specs, params["state"] == "present")
        work = Resources(*common) if params["controller"] else Direct(*common, Policy.read(params["policy"]))
        work.run(module.check_mode)
        waited = params["wait"] and not module.check_mode
        settled = all(outcome.settled for outcome in work.outcomes.values())
        if waited and not settled:
            settled, _seen, _spent = wait_for(lambda: (work.look(), None), params["limit_seconds"])
    except (SpaceError, ApiError) as error:
        module.fail_json(msg=str(error), api_calls=client.calls)
    outcomes = list(work.outcomes.values())
    words = [outcome.change for outcome in outcomes]
    result: dict[str, Any] = {
        "changed": any(word != "none" for word in words),
        "spaces": [
            {
                "user": outcome.user,
                "name": outcome.name,
                "namespace": outcome.status.get("namespace", ""),
                "uid": outcome.status.get("uid"),
                **{key: getattr(outcome, key) for key in ("change", "ready", "reason", "message")},
            }
            for outcome in outcomes
        ],
        "counts": {word: words.count(word) for word in ("created", "changed", "removed", "none")},
        "api_calls": client.calls,
        "seconds": round(time.monotonic() - begun, 1),
        "diff": {"before": as_text(before for before, _after in work.diffs), "after": as_text(after for _before, after in work.diffs)},
    }
    bad = [outcome for outcome in outcomes if not outcome.settled or outcome.reason in ("Refused", "NamespaceTaken", "ClaimsLeft")]
    if waited and bad:
        told = "; ".join(f"{outcome.user}: {outcome.message or outcome.reason or 'nothing was heard of it'}" for outcome in bad[:5])
        look = f"kubectl -n {params['namespace']} get userspaces -o wide" if params["controller"] else "kubectl get events -A"
        why = "cannot be had" if settled else f"are not ready after {params['limit_seconds']} s"
        module.fail_json(msg=f"{len(bad)} of {len(outcomes)} spaces {why}: {told}. Look at: {look}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
