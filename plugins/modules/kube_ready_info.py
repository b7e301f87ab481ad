#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_ready_info
short_description: Wait until nodes, deployments and daemon sets of a cluster are ready
version_added: 0.1.0
description:
  - A gate between stages. Asks the API server until everything named is ready, at most O(limit_seconds), and then fails with one sentence for each
    thing that is not, with its reason and where to look.
  - In check mode it asks once and does not fail.
author: The airavata.jupyterhub developers (@airavata)
options:
  kubeconfig:
    description: Kubeconfig file.
    type: path
    required: true
  nodes:
    description: Nodes that must be registered and Ready.
    type: list
    elements: str
    default: []
  deployments:
    description: Deployments, as C(namespace/name), that must be available.
    type: list
    elements: str
    default: []
  daemonsets:
    description: Daemon sets, as C(namespace/name), that must be ready on every node they belong to, at least on as many as O(nodes) names.
    type: list
    elements: str
    default: []
  limit_seconds:
    description: How long to wait.
    type: int
    default: 300
requirements: [kubernetes]
attributes:
  check_mode: {support: full, description: Reads only.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Wait for the pod network
  airavata.jupyterhub.kube_ready_info:
    kubeconfig: "{{ hub_kubeconfig }}"
    nodes: [control1, worker1]
    deployments: [kube-system/coredns]
    daemonsets: [kube-flannel/flannel]
"""

RETURN = r"""
ready:
  description: Whether nothing is missing.
  type: bool
  returned: always
missing:
  description: One sentence for each thing that is not ready.
  type: list
  elements: str
  returned: always
waited_seconds:
  description: How long it took.
  type: float
  returned: always
"""

import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.ready import missing_daemonsets, missing_deployments, missing_nodes
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for

try:
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    KUBERNETES_ERROR = None
except ImportError:
    KUBERNETES_ERROR = traceback.format_exc()


def _read_all(api: Any, keys: list[str], read: Any) -> dict[str, Any]:
    """Read namespaced objects by key; None for one that does not exist."""
    found: dict[str, Any] = {}
    for key in keys:
        namespace, _slash, name = key.partition("/")
        try:
            found[key] = api.sanitize_for_serialization(read(name, namespace, _request_timeout=10))
        except ApiException as error:
            if error.status != 404:
                raise
            found[key] = None
    return found


def look(api: Any, params: dict[str, Any]) -> list[str]:
    """Return what is missing now; an API server that does not answer is one missing thing."""
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    try:
        nodes = api.sanitize_for_serialization(core.list_node(_request_timeout=10))["items"]
        return (
            missing_nodes(nodes, params["nodes"])
            + missing_daemonsets(_read_all(api, params["daemonsets"], apps.read_namespaced_daemon_set), len(params["nodes"]))
            + missing_deployments(_read_all(api, params["deployments"], apps.read_namespaced_deployment))
        )
    except (ApiException, HTTPError) as error:
        reason = " ".join(str(error).split())[:300]
        return [f"the API server of {params['kubeconfig']} did not answer: {reason} (on the control plane: crictl ps -a; journalctl -u kubelet)"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "deployments": {"type": "list", "elements": "str", "default": []},
            "daemonsets": {"type": "list", "elements": "str", "default": []},
            "limit_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if KUBERNETES_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=KUBERNETES_ERROR)
    params = module.params
    try:
        api = config.new_client_from_config(config_file=params["kubeconfig"])
    except (config.ConfigException, OSError) as error:
        module.fail_json(msg=f"Cannot use the kubeconfig {params['kubeconfig']}: {error}. The stage 'cluster' makes it.", ready=False, missing=[])

    def probe() -> tuple[bool, list[str]]:
        missing = look(api, params)
        return not missing, missing

    ready, missing, spent = wait_for(probe, 0 if module.check_mode else params["limit_seconds"], pause_seconds=1)
    result = {"ready": ready, "missing": missing, "waited_seconds": round(spent, 1)}
    if not ready and not module.check_mode:
        module.fail_json(msg=f"The cluster is not ready after {spent:.0f} s: {'; '.join(missing)}.", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
