#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_policy_probe
short_description: Prove that a cluster enforces network policies
version_added: 0.1.0
description:
  - Makes a throwaway namespace with a server and a client pod and tries the way between them without a policy (it must be open), with one that
    isolates both ends (it must close), with one that opens the server's end only (it must stay closed), and with one for each end (it must
    open). Then the namespace is deleted, also after a failure.
  - A policy that is accepted by the API and enforced by nobody is not noticed in any other way.
author: The airavata.jupyterhub developers (@airavata)
options:
  kubeconfig:
    description: Kubeconfig file.
    type: path
    required: true
  image:
    description: Image with a Python 3 for both pods.
    type: str
    required: true
  python:
    description: Python in that image.
    type: str
    default: python3
  namespace:
    description: Name of the throwaway namespace. One left by a killed probe is deleted first; one that is not a probe's is refused.
    type: str
    default: hub-policy-probe
  server_node:
    description: Node of the server pod. Any, when not given.
    type: str
  client_node:
    description: Node of the client pod. Any, when not given.
    type: str
  limit_seconds:
    description: How long the pods may take to run, and each policy to show.
    type: int
    default: 120
requirements: [kubernetes]
attributes:
  check_mode: {support: none, description: A proof needs pods. Skipped.}
  diff_mode: {support: none, description: Nothing stays.}
"""

EXAMPLES = r"""
- name: Prove that policies are enforced between two nodes
  airavata.jupyterhub.kube_policy_probe:
    kubeconfig: "{{ hub_kubeconfig }}"
    image: "{{ hub_bundle.images.hub.reference }}"
    server_node: worker1
    client_node: worker2
"""

RETURN = r"""
seconds:
  description: How long each step took until it showed.
  type: dict
  returned: success
  sample: {"pods_running": 3.2, "open": 0.3, "denied": 2.4, "still_denied": 5.6, "allowed": 1.1}
"""

import functools
import time
import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube import probe
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for

try:
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream
    from urllib3.exceptions import HTTPError

    KUBERNETES_ERROR = None
except ImportError:
    KUBERNETES_ERROR = traceback.format_exc()

ASK_SECONDS = 2.0
LOOK = (
    "Look at: kubectl -n kube-system logs daemonset/kube-network-policies; on a node: nft list table inet kube-network-policies"
    " (the kernel needs NF_CONNTRACK_LABELS and NETFILTER_NETLINK_GLUE_CT, or replies of allowed connections are dropped)"
)


class Probe:
    """The throwaway namespace and what is tried in it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.name = params["namespace"]
        self.limit = params["limit_seconds"]
        api = config.new_client_from_config(config_file=params["kubeconfig"])
        self.api = api
        self.core = client.CoreV1Api(api)
        self.policies = client.NetworkingV1Api(api)
        # A stream replaces the request function of its client, so it gets a client of its own.
        self.streams = client.CoreV1Api(config.new_client_from_config(config_file=params["kubeconfig"]))

    def clean(self, wait: bool) -> None:
        """Delete the namespace, if it is a probe's; with ``wait``, until it is gone."""
        try:
            labels = self.core.read_namespace(self.name).metadata.labels or {}
            if labels.get("app.kubernetes.io/managed-by") != "airavata-jupyterhub-probe":
                raise KubeError(f"The namespace {self.name} is not a probe's; give the probe another name.")
            self.core.delete_namespace(self.name)
        except ApiException as error:
            if error.status != 404:
                raise
            return
        if not wait:
            return

        def gone() -> tuple[bool, str]:
            try:
                return False, str(self.core.read_namespace(self.name).status.phase)
            except ApiException as error:
                return error.status == 404, ""

        done, seen, spent = wait_for(gone, self.limit)
        if not done:
            raise KubeError(f"The namespace {self.name} is still {seen} after {spent:.0f} s. Look at: kubectl get namespace {self.name} -o yaml")

    def start(self) -> str:
        """Make the pods, wait until both run, and return the server's address."""
        self.core.create_namespace(probe.namespace(self.name))
        python, image = self.params["python"], self.params["image"]
        for body in (
            probe.pod("server", image, probe.server_command(python), self.params["server_node"]),
            probe.pod("client", image, probe.client_command(python), self.params["client_node"]),
        ):
            # A new namespace has no default service account for a moment.
            created, told, _spent = wait_for(functools.partial(self._create, body), 30)
            if not created:
                raise KubeError(f"Cannot make the probe's pods: {told}")

        def running() -> tuple[bool, str]:
            phases = {item.metadata.name: item.status for item in self.core.list_namespaced_pod(self.name).items}
            bad = [f"{name} {status.phase}" for name, status in phases.items() if status.phase != "Running"]
            return not bad and len(phases) == 2, ", ".join(sorted(bad))

        done, seen, spent = wait_for(running, self.limit)
        if not done:
            raise KubeError(f"The probe's pods do not run after {spent:.0f} s ({seen}). Look at: kubectl get events -A --sort-by=.lastTimestamp")
        return str(self.core.read_namespaced_pod("server", self.name).status.pod_ip)

    def _create(self, body: dict[str, Any]) -> tuple[bool, str]:
        try:
            self.core.create_namespaced_pod(self.name, body)
        except ApiException as error:
            if error.status == 403 and "serviceaccount" in str(error.body):
                return False, "no default service account"
            raise
        return True, ""

    def ask(self, address: str) -> str:
        """Try the way from the client to the server once: open or closed."""
        command = probe.ask_command(self.params["python"], address, ASK_SECONDS)
        out = stream(self.streams.connect_get_namespaced_pod_exec, "client", self.name, command=command, stdout=True, stderr=True, stdin=False, tty=False)
        return str(out).strip()

    def expect(self, address: str, wanted: str, when: str) -> float:
        """Ask until the way is as wanted and return the seconds it took."""

        def asked() -> tuple[bool, str]:
            said = self.ask(address)
            return said == wanted, said

        done, seen, spent = wait_for(asked, self.limit, pause_seconds=0.5)
        if not done:
            raise KubeError(f"{when}, the way to {address}:{probe.PORT} is {seen!r} and should be {wanted!r}, after {spent:.0f} s. {LOOK}")
        return round(spent, 1)

    def stays(self, address: str, wanted: str, when: str, seconds: float) -> float:
        """Ask for some time and require the wanted answer each time."""
        changed, seen, spent = wait_for(lambda: ((said := self.ask(address)) != wanted, said), seconds, pause_seconds=0.5)
        if changed:
            raise KubeError(f"{when}, the way to {address}:{probe.PORT} is {seen!r} and should stay {wanted!r}. {LOOK}")
        return round(spent, 1)

    def prove(self) -> dict[str, float]:
        """Run the whole probe and return the seconds of each step."""
        start = time.monotonic()
        address = self.start()
        seconds = {"pods_running": round(time.monotonic() - start, 1)}
        seconds["open"] = self.expect(address, "open", "Without a policy")
        self.policies.create_namespaced_network_policy(self.name, probe.deny_all())
        seconds["denied"] = self.expect(address, "closed", "With a policy that denies everything")
        self.policies.create_namespaced_network_policy(self.name, probe.allow_ingress())
        # The client's own end still denies, so one allowed end must not be enough.
        seconds["still_denied"] = self.stays(address, "closed", "With a policy that allows the server's end only", 5)
        self.policies.create_namespaced_network_policy(self.name, probe.allow_egress())
        seconds["allowed"] = self.expect(address, "open", "With policies that allow both ends")
        return seconds


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "image": {"type": "str", "required": True},
            "python": {"type": "str", "default": "python3"},
            "namespace": {"type": "str", "default": "hub-policy-probe"},
            "server_node": {"type": "str"},
            "client_node": {"type": "str"},
            "limit_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=False,
    )
    if KUBERNETES_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=KUBERNETES_ERROR)
    try:
        probed = Probe(module.params)
        probed.clean(wait=True)
        try:
            seconds = probed.prove()
        finally:
            probed.clean(wait=False)
    except (KubeError, config.ConfigException) as error:
        module.fail_json(msg=str(error))
    except (ApiException, HTTPError) as error:
        module.fail_json(msg=f"The API server refused a step of the probe: {' '.join(str(error).split())[:500]}")
    module.exit_json(changed=False, seconds=seconds)


if __name__ == "__main__":
    main()
