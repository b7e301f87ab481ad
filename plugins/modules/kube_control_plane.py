#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_control_plane
short_description: Make a machine the control plane of a cluster with kubeadm
version_added: 0.1.0
description:
  - Runs C(kubeadm init) once and waits until the API server is ready.
  - A first start that was interrupted at any moment is taken back and done again. This is decided by a marker that is written before the start
    and completed when the API server was ready for the first time; a cluster that once was healthy is never reset, and one made by somebody
    else is refused.
author: The airavata.jupyterhub developers (@airavata)
options:
  state:
    description:
      - With V(absent) the cluster is given up with C(kubeadm reset), its etcd data included. Only a cluster that this module made is touched.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: Text of the kubeadm configuration. Needed with O(state=present).
    type: str
  kubeconfig_sha256:
    description: Hash of the administrator's kubeconfig that the caller has, to be told by RV(kubeconfig_matches) whether it is still the right one.
    type: str
    default: ""
  cri_socket:
    description: Socket of the container runtime.
    type: str
    default: unix:///run/containerd/containerd.sock
  init_limit_seconds:
    description: How long C(kubeadm init) may take.
    type: int
    default: 600
  ready_limit_seconds:
    description: How long the API server may take to be ready.
    type: int
    default: 180
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: none, description: The result of an init is no text.}
seealso:
  - module: airavata.jupyterhub.kube_control_plane_info
"""

EXAMPLES = r"""
- name: Start the control plane
  airavata.jupyterhub.kube_control_plane:
    config: "{{ lookup('ansible.builtin.template', 'kubeadm.yml.j2') }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  type: list
  elements: str
  returned: success
  sample: [reset, init]
reason:
  description: Why.
  type: str
  returned: success
config_applied:
  description: Whether the cluster was made with this very configuration.
  type: bool
  returned: success
kubeconfig_matches:
  description: Whether the administrator's kubeconfig on this machine is the one the caller has.
  type: bool
  returned: O(state=present)
"""

import hashlib
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import (
    ADMIN_KUBECONFIG,
    ETCD_DATA,
    LOOK,
    MANIFESTS,
    ControlPlaneFacts,
    Decision,
    decide_control_plane,
    last_lines,
)
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.programs import file_sha256
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.run import MARKER_DIR, kubeadm, one_kubeadm, reset_machine, run
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import forget_state, read_state, write_state, write_text
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for

MARKER = f"{MARKER_DIR}/control-plane.json"
CONFIG = f"{MARKER_DIR}/kubeadm-init.yml"


def read_facts() -> ControlPlaneFacts:
    """Read the marker and what kubeadm left on this machine."""
    leftovers = tuple(path for path in (ADMIN_KUBECONFIG, *MANIFESTS, ETCD_DATA) if os.path.exists(path))
    return ControlPlaneFacts(read_state(MARKER).get("phase", ""), os.path.exists(ADMIN_KUBECONFIG), leftovers)


def wait_ready(limit_seconds: int) -> None:
    """Wait until the API server says it is ready. Raises KubeError with its last answer."""

    def ask() -> tuple[bool, str]:
        done = run(["kubectl", "--kubeconfig", ADMIN_KUBECONFIG, "get", "--raw", "/readyz", "--request-timeout=5s"], 15)
        return done.rc == 0 and done.out.strip() == "ok", last_lines(done.text, 2)

    ready, seen, spent = wait_for(ask, limit_seconds, pause_seconds=2)
    if not ready:
        raise KubeError(f"The API server on {os.uname().nodename} was not ready within {spent:.0f} s; its last answer: {seen}. {LOOK}")


def present(module: AnsibleModule, digest: str) -> Decision:
    """Bring the machine to a ready API server and return what was decided."""
    params = module.params
    decision = decide_control_plane(read_facts(), os.uname().nodename)
    if decision.refuse:
        raise KubeError(decision.refuse)
    if not decision.actions and not module.check_mode:
        wait_ready(params["ready_limit_seconds"])
    if not decision.actions or module.check_mode:
        return decision
    with one_kubeadm(params["init_limit_seconds"]) as lock:
        # An earlier run's kubeadm may have ended while this one waited for the lock.
        decision = decide_control_plane(read_facts(), os.uname().nodename)
        if decision.refuse:
            raise KubeError(decision.refuse)
        if not decision.actions:
            wait_ready(params["ready_limit_seconds"])
            return decision
        write_state(MARKER, {"phase": "initializing"})
        if "reset" in decision.actions:
            reset_machine(params["init_limit_seconds"], lock, params["cri_socket"])
        write_text(CONFIG, params["config"], 0o600)
        kubeadm(["init", "--config", CONFIG], params["init_limit_seconds"], lock, "Starting the control plane")
        wait_ready(params["ready_limit_seconds"])
        write_state(MARKER, {"phase": "initialized", "config_sha256": digest})
    return decision


def absent(module: AnsibleModule) -> list[str]:
    """Give up the cluster that this module made and return what was done."""
    facts = read_facts()
    if not facts.phase:
        if facts.leftovers:
            raise KubeError(f"{os.uname().nodename} carries a cluster that this role did not make; it is left alone ({', '.join(facts.leftovers)}).")
        return []
    if not module.check_mode:
        with one_kubeadm(module.params["init_limit_seconds"]) as lock:
            reset_machine(module.params["init_limit_seconds"], lock, module.params["cri_socket"])
            forget_state(MARKER)
            forget_state(CONFIG)
    return ["reset"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "config": {"type": "str"},
            "kubeconfig_sha256": {"type": "str", "default": ""},
            "cri_socket": {"type": "str", "default": "unix:///run/containerd/containerd.sock"},
            "init_limit_seconds": {"type": "int", "default": 600},
            "ready_limit_seconds": {"type": "int", "default": 180},
        },
        required_if=[("state", "present", ["config"])],
        supports_check_mode=True,
    )
    digest = hashlib.sha256((module.params["config"] or "").encode()).hexdigest()
    try:
        if module.params["state"] == "absent":
            actions = absent(module)
            module.exit_json(changed=bool(actions), actions=actions, reason="absent", config_applied=False)
        decision = present(module, digest)
    except KubeError as error:
        module.fail_json(msg=str(error))
    applied = bool(decision.actions) or read_state(MARKER).get("config_sha256") == digest
    if not applied:
        module.warn(
            "The kubeadm configuration differs from the one this cluster was made with; a running cluster keeps its own. Kubernetes versions change by"
            f" 'kubeadm upgrade', other settings in the kubeadm-config ConfigMap. The first one is in {CONFIG} on {os.uname().nodename}."
        )
    module.exit_json(
        changed=bool(decision.actions),
        actions=list(decision.actions),
        reason=decision.reason,
        config_applied=applied,
        kubeconfig_matches=file_sha256(ADMIN_KUBECONFIG) == module.params["kubeconfig_sha256"],
    )


if __name__ == "__main__":
    main()
