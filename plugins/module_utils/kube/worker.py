# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what a worker is; used by the modules kube_worker and kube_worker_info."""

from __future__ import annotations

import os

from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import KUBELET_KUBECONFIG, WorkerFacts, classify_answer
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.run import MARKER_DIR, own_node
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import read_state
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for

MARKER = f"{MARKER_DIR}/worker.json"


def read_facts(node_name: str, patience_seconds: float) -> WorkerFacts:
    """Read the marker and ask the API server with the kubelet's own credential, for at most ``patience_seconds`` while it does not answer.

    Raises KubeError when kubectl is not installed.
    """
    phase = read_state(MARKER).get("phase", "")
    if not os.path.exists(KUBELET_KUBECONFIG):
        return WorkerFacts(phase, False, "")

    def ask() -> tuple[bool, str]:
        done, _node = own_node(KUBELET_KUBECONFIG, node_name)
        answer = classify_answer(done.rc, done.err)
        return answer != "unreachable", answer

    _done, answer, _spent = wait_for(ask, patience_seconds, pause_seconds=2)
    return WorkerFacts(phase, True, answer)
