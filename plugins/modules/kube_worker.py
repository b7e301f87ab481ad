#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_worker
short_description: Join a machine to a cluster with kubeadm
version_added: 0.1.0
description:
  - Runs C(kubeadm join) once and waits until the machine's Node object exists. Whether the node is Ready is asked after the pod network is there.
  - A join that was interrupted at any moment is adopted if the kubelet finished it by itself, else taken back and done again. A machine that
    somebody else joined to a cluster is refused.
author: The airavata.jupyterhub developers (@airavata)
options:
  state:
    description: With V(absent) the machine leaves its cluster with C(kubeadm reset). Drain it first; its Node object is not deleted.
    type: str
    choices: [present, absent]
    default: present
  node_name:
    description: Name of the machine in the cluster. Needed with O(state=present).
    type: str
  node_address:
    description: Address of the machine in the cluster. Needed with O(state=present).
    type: str
  endpoint:
    description: Address and port of the API server. Needed with O(state=present).
    type: str
  token:
    description: A bootstrap token, needed when the machine has to join (see M(airavata.jupyterhub.kube_worker_info)).
    type: str
  ca_hashes:
    description: Hashes of the public key of the cluster's authority, needed with O(token).
    type: list
    elements: str
    default: []
  ignored_preflight_errors:
    description: Names of kubeadm's checks whose errors shall be warnings.
    type: list
    elements: str
    default: []
  cri_socket:
    description: Socket of the container runtime.
    type: str
    default: unix:///run/containerd/containerd.sock
  join_limit_seconds:
    description: How long C(kubeadm join) may take.
    type: int
    default: 300
  api_limit_seconds:
    description: How long the API server may be silent, and the Node object may be missing after a join.
    type: int
    default: 60
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: none, description: The result of a join is no text.}
seealso:
  - module: airavata.jupyterhub.kube_worker_info
  - module: airavata.jupyterhub.kube_join_token
"""

EXAMPLES = r"""
- name: Join this worker
  airavata.jupyterhub.kube_worker:
    node_name: "{{ inventory_hostname }}"
    node_address: "{{ ansible_host }}"
    endpoint: "{{ token.endpoint }}"
    token: "{{ token.token }}"
    ca_hashes: "{{ token.ca_hashes }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  type: list
  elements: str
  returned: success
  sample: [join]
reason:
  description: Why.
  type: str
  returned: success
"""

import glob
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import (
    BOOTSTRAP_KUBECONFIG,
    KUBELET_KUBECONFIG,
    Decision,
    classify_answer,
    decide_worker,
    join_configuration,
    last_lines,
)
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.run import kubeadm, one_kubeadm, own_node, reset_machine, run
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import forget_state, read_state, write_state
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.worker import MARKER, read_facts

JOIN_FILES = "/run/airavata-jupyterhub-join-"


def wait_registered(node_name: str, endpoint: str, limit_seconds: int) -> None:
    """Wait until this machine's Node object exists. Raises KubeError with the last answer."""

    def ask() -> tuple[bool, str]:
        done, _node = own_node(KUBELET_KUBECONFIG, node_name)
        return classify_answer(done.rc, done.err) == "registered", last_lines(done.err, 2)

    found, seen, spent = wait_for(ask, limit_seconds)
    if not found:
        raise KubeError(
            f"{os.uname().nodename} has no Node object {node_name} at {endpoint} after {spent:.0f} s; the last answer: {seen}."
            f" Look on {os.uname().nodename} at: journalctl -u kubelet"
        )


def remove_join_files() -> None:
    """Remove the files that held a token, a killed run's too."""
    for path in glob.glob(f"{JOIN_FILES}*"):
        os.unlink(path)


def join(module: AnsibleModule, lock: int, reset: bool) -> None:
    """Join the machine; its marker tells from the first moment that this has begun."""
    params = module.params
    if not params["token"] or not params["ca_hashes"]:
        raise KubeError(f"{os.uname().nodename} has to join {params['endpoint']}, and no token was given; kube_join_token makes one.")
    write_state(MARKER, {"phase": "joining"})
    if reset:
        reset_machine(params["join_limit_seconds"], lock, params["cri_socket"])
    remove_join_files()
    handle, path = tempfile.mkstemp(prefix=os.path.basename(JOIN_FILES), dir=os.path.dirname(JOIN_FILES))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(
                join_configuration(
                    node_name=params["node_name"],
                    node_address=params["node_address"],
                    endpoint=params["endpoint"],
                    token=params["token"],
                    ca_hashes=params["ca_hashes"],
                    ignored_preflight_errors=params["ignored_preflight_errors"],
                    cri_socket=params["cri_socket"],
                    limit_seconds=params["join_limit_seconds"],
                )
            )
        kubeadm(["join", "--config", path], params["join_limit_seconds"], lock, f"Joining {params['endpoint']}")
    finally:
        remove_join_files()


def present(module: AnsibleModule) -> Decision:
    """Make the machine a registered node and return what was decided."""
    params = module.params
    host = os.uname().nodename
    if module.check_mode:
        decision = decide_worker(read_facts(params["node_name"], params["api_limit_seconds"]), host, params["endpoint"])
        if decision.refuse:
            raise KubeError(decision.refuse)
        return decision
    with one_kubeadm(params["join_limit_seconds"]) as lock:
        decision = decide_worker(read_facts(params["node_name"], params["api_limit_seconds"]), host, params["endpoint"])
        if decision.refuse:
            raise KubeError(decision.refuse)
        if "join" in decision.actions:
            join(module, lock, reset="reset" in decision.actions)
        if "register" in decision.actions:
            done = run(["systemctl", "restart", "kubelet.service"], 60)
            if done.rc:
                raise KubeError(f"Cannot restart the kubelet of {host}: {done.err.strip()}. Look at: journalctl -u kubelet")
        if decision.actions:
            wait_registered(params["node_name"], params["endpoint"], params["api_limit_seconds"])
            forget_state(BOOTSTRAP_KUBECONFIG)
            write_state(MARKER, {"phase": "joined"})
    return decision


def absent(module: AnsibleModule) -> list[str]:
    """Take the machine out of its cluster and return what was done."""
    if not read_state(MARKER):
        if os.path.exists(KUBELET_KUBECONFIG):
            raise KubeError(f"{os.uname().nodename} is a node of a cluster that this role did not join it to; it is left alone.")
        return []
    if not module.check_mode:
        with one_kubeadm(module.params["join_limit_seconds"]) as lock:
            reset_machine(module.params["join_limit_seconds"], lock, module.params["cri_socket"])
            forget_state(MARKER)
    return ["reset"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "node_name": {"type": "str"},
            "node_address": {"type": "str"},
            "endpoint": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "ca_hashes": {"type": "list", "elements": "str", "default": []},
            "ignored_preflight_errors": {"type": "list", "elements": "str", "default": []},
            "cri_socket": {"type": "str", "default": "unix:///run/containerd/containerd.sock"},
            "join_limit_seconds": {"type": "int", "default": 300},
            "api_limit_seconds": {"type": "int", "default": 60},
        },
        required_if=[("state", "present", ["node_name", "node_address", "endpoint"])],
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "absent":
            actions = absent(module)
            module.exit_json(changed=bool(actions), actions=actions, reason="absent")
        decision = present(module)
    except KubeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(decision.actions), actions=list(decision.actions), reason=decision.reason)


if __name__ == "__main__":
    main()
