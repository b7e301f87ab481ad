"""The site as a gateway has it: what its administrators at Custos and the gateway itself may do, and what a site's administrator provides for it."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from site_verify.hub import tls_context
from site_verify.scenario import Person

from tests.e2e.site import Site

TOKEN_SECONDS = 30
STRANGER = "user20"  # whom the rules of these tests do not let in
DATA = "launch-data"  # folder of the storage machine, volume and claim
SESSION = "launched"
GROUPS = "apiserver/group-management/v1.0.0"


@dataclass
class Gateway:
    """The site with a gateway: what an administrator at Custos and what the gateway itself may do."""

    site: Site
    origin: str
    group: str
    alice: Person

    @functools.cached_property
    def client(self) -> dict[str, Any]:
        """The hub's client at the provider."""
        found: dict[str, Any] = json.loads((self.site.state / "secrets" / "oidc-client.json").read_text())
        return found

    def custos(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """Ask Custos' API as the hub's client. Raises AssertionError."""
        answer = self._ask(
            method, f"{custos_url(self.client)}/{path}", auth=(self.client["custos_client_id"], self.client["custos_client_secret"]), json=values
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def good(self, token: str) -> bool:
        """Whether the provider takes an access token."""
        return self._ask("GET", self.client["userdata_url"], headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def service(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Use the hub's API with the gateway's token, which the role generated."""
        token = json.loads((self.site.state / "secrets" / "hub.json").read_text())["service-airavata"]
        return self._ask(method, f"{self.site.values['hub_url']}/hub/api{path}", headers={"Authorization": f"token {token}"}, **content)

    def _ask(self, method: str, url: str, **content: Any) -> httpx.Response:
        return ask(self.site, method, url, **content)


def ask(site: Site, method: str, url: str, **content: Any) -> httpx.Response:
    """Send one request that trusts the site's CA only."""
    tls = tls_context(Path(site.values["hub_ca_certificate"]))
    with httpx.Client(verify=tls, trust_env=False, timeout=30) as client:
        return client.request(method, url, **content)


def custos_url(client: dict[str, Any]) -> str:
    """Where Custos' API is, from where the hub reads groups."""
    return str(client["groups_url"]).partition("/apiserver/")[0]


def deploy_address(site: Site) -> str:
    """This machine's address in the machines' network: the registry's."""
    return site.values["hub_registry"].rpartition(":")[0]


def provide_data(site: Site, namespace: str) -> None:
    """An NFS export as a claim of a namespace, as docs/gateway.md tells an administrator to make one."""
    export = f"{site.values['hub_storage_export']}/{DATA}"
    site.ssh("storage1", f"mkdir -p {export}/2026 && echo 3.2 > {export}/2026/level.txt && chmod -R a+rX {export}")
    size = {"storage": "1Mi"}
    nfs = {"server": site.values["hub_storage_address"], "path": export}
    claim = {"namespace": namespace, "name": DATA}
    common: dict[str, Any] = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {**common, "capacity": size, "nfs": nfs, "mountOptions": ["ro", "nfsvers=4.2"], "claimRef": claim, "persistentVolumeReclaimPolicy": "Retain"}
    apply(site, {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": DATA}, "spec": volume})
    spec = {**common, "resources": {"requests": size}, "volumeName": DATA}
    apply(site, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim, "spec": spec})


def let_out(site: Site, namespace: str, origin: str) -> None:
    """Notebooks of a namespace may reach the web server of this test, and nothing else of the private networks."""
    peer = {"to": [{"ipBlock": {"cidr": f"{deploy_address(site)}/32"}}], "ports": [{"port": int(origin.rpartition(":")[2]), "protocol": "TCP"}]}
    spec = {"podSelector": {"matchLabels": {"component": "singleuser-server"}}, "policyTypes": ["Egress"], "egress": [peer]}
    apply(site, {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": DATA, "namespace": namespace}, "spec": spec})


def apply(site: Site, manifest: dict[str, Any]) -> None:
    path = site.log_dir / f"{manifest['kind']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    site.kubectl("apply", "-f", str(path))
