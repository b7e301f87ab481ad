"""What role jupyterhub puts into the cluster, rendered by Ansible, looked at without a cluster."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_settings import settings

from tests.unit.roles.jupyterhub.conftest import HUB_FILES, TOP

Manifests = list[dict[str, Any]]
SECRETS = {"cookie-secret": "aa" * 32, "crypt-key": "bb" * 32, "proxy-token": "cc" * 32, "service-gateway": "dd" * 32, "service-space-report": "ee" * 32}
CLIENT = {"client_id": "c", "client_secret": "s", "authorize_url": "https://a", "token_url": "https://t", "userdata_url": "https://u", "end_session_url": ""}


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Manifests]:
    def run(**changes: Any) -> Manifests:
        folder = tmp_path_factory.mktemp("render")
        (folder / "ca").mkdir()
        for name in ("ca.crt", "site.crt", "site.key"):
            (folder / "ca" / name).write_text(f"{name}\n")
        (folder / "secrets").mkdir()
        (folder / "secrets" / "oidc-client.json").write_text(json.dumps(CLIENT))
        (folder / "changes.yml").write_text(json.dumps({"jupyterhub_wait_timeout_seconds": 1, **changes}))
        extra = {
            "role_path": str(TOP / "roles" / "jupyterhub"),
            "hub_state_dir": str(folder),
            "hub_bundle": {"images": {name: {"reference": f"registry.example/{name}:1"} for name in ("hub", "proxy", "notebook")}},
            "__jupyterhub_generated": {"secrets": SECRETS},
            "changes_file": str(folder / "changes.yml"),
            "output_file": str(folder / "out.json"),
        }
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", TOP / "inventories" / "local", "-e", json.dumps(extra)]
        done = subprocess.run(
            [*command, Path(__file__).with_name("render.yml")], cwd=TOP, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}
        )
        assert done.returncode == 0, done.stdout + done.stderr
        made: Manifests = json.loads((folder / "out.json").read_text())
        return made

    return run


@pytest.fixture(scope="module")
def manifests(render: Callable[..., Manifests]) -> Manifests:
    return render()


def one(manifests: Manifests, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    found = [made for made in manifests if made["kind"] == kind and made["metadata"]["name"] == name and namespace in (None, made["metadata"].get("namespace"))]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pods(manifests: Manifests) -> list[dict[str, Any]]:
    return [made["spec"]["template"] for made in manifests if made["kind"] == "Deployment"]


def test_every_object_has_a_place(manifests: Manifests) -> None:
    assert len({(made["kind"], made["metadata"]["name"], made["metadata"].get("namespace")) for made in manifests}) == len(manifests)
    for made in manifests:
        assert made["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding") or made["metadata"]["namespace"] == "hub"


def test_the_namespace_comes_first_and_is_restricted(manifests: Manifests) -> None:
    assert [made["metadata"]["name"] for made in manifests if made["kind"] == "Namespace"] == ["hub"]
    assert manifests[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_are_restricted(manifests: Manifests) -> None:
    assert len(pods(manifests)) == 2
    for pod in pods(manifests):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"]["memory"]
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert not any("hostPath" in volume for volume in pod["spec"]["volumes"])


def test_only_the_hub_gets_a_token_of_the_cluster(manifests: Manifests) -> None:
    tokens = {pod["metadata"]["labels"]["component"]: pod["spec"]["automountServiceAccountToken"] for pod in pods(manifests)}
    assert tokens == {"hub": True, "proxy": False}


def test_the_hub_may_only_look_at_pods_and_ask_for_spaces(manifests: Manifests) -> None:
    """Users' pods it starts by the ClusterRole that the controller of user spaces binds in each user's namespace."""
    everywhere = [made for made in manifests if made["kind"] == "ClusterRole"]
    assert [made["rules"] for made in everywhere] == [[{"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list", "watch"]}]]
    roles = [made for made in manifests if made["kind"] == "Role"]
    assert [made["metadata"]["namespace"] for made in roles] == ["hub"]
    assert roles[0]["rules"] == [{"apiGroups": ["hub.airavata.org"], "resources": ["userspaces"], "verbs": ["get", "create", "update", "delete"]}]


def test_nothing_but_names_is_allowed_by_default(manifests: Manifests) -> None:
    spec = one(manifests, "NetworkPolicy", "default")["spec"]
    assert (spec["podSelector"], spec["policyTypes"]) == ({}, ["Ingress", "Egress"])
    assert "ingress" not in spec
    assert [[port["port"] for port in rule["ports"]] for rule in spec["egress"]] == [[53, 53]]


def test_the_hub_reaches_what_it_needs(manifests: Manifests) -> None:
    blocks = [
        (peer["ipBlock"]["cidr"], rule["ports"][0]["port"])
        for rule in one(manifests, "NetworkPolicy", "hub")["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks == [("10.77.0.11/32", 6443), ("10.96.0.1/32", 443), ("10.77.0.1/32", 8444)]


def test_the_config_is_what_the_hub_reads(manifests: Manifests) -> None:
    data = one(manifests, "ConfigMap", "hub")["data"]
    assert set(data) == {path.name for path in HUB_FILES.iterdir() if path.is_file()} | {"user_space_names.py", "values.json", "ca.crt"}
    values = json.loads(data["values.json"])
    secret = {name: base64.b64decode(text).decode() for name, text in one(manifests, "Secret", "hub")["data"].items()}
    made = settings(values, secret)
    assert made["GenericOAuthenticator"]["oauth_callback_url"] == "https://localhost:8443/hub/oauth_callback"
    assert made["KubeSpawner"]["image"] == "registry.example/notebook:1"
    for text in data.values():
        assert not any(hidden in text for hidden in SECRETS.values())


def test_pods_restart_when_and_only_when_their_content_changes(render: Callable[..., Manifests], manifests: Manifests) -> None:
    def contents(of: Manifests) -> dict[str, str]:
        return {pod["metadata"]["labels"]["component"]: pod["metadata"]["annotations"]["hub.airavata.org/content"] for pod in pods(of)}

    before = contents(manifests)
    assert contents(render()) == before
    after = contents(render(jupyterhub_cull_timeout_seconds=60))
    assert after["hub"] != before["hub"]
    assert after["proxy"] == before["proxy"]


def test_choices_of_a_site(render: Callable[..., Manifests]) -> None:
    made = render(
        jupyterhub_services={"gateway": ["read:users"]},
        jupyterhub_login_issuer="https://login.example.org/realm",
        jupyterhub_namespace="lab",
        jupyterhub_user_namespace_prefix="lab-user-",
        jupyterhub_profiles=[],
    )
    assert base64.b64decode(one(made, "Secret", "hub")["data"]["service-gateway"]).decode() == SECRETS["service-gateway"]
    assert {made_["metadata"].get("namespace") for made_ in made} == {None, "lab"}
    egress = one(made, "NetworkPolicy", "hub")["spec"]["egress"][-1]
    assert egress == {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    hub = settings(json.loads(one(made, "ConfigMap", "hub")["data"]["values.json"]), {**SECRETS, "oidc-client.json": json.dumps(CLIENT)})
    assert hub["ConfigurableHTTPProxy"]["api_url"] == "http://proxy-api.lab.svc.cluster.local:8001"
    assert (hub["SpaceMixin"]["hub_namespace"], hub["SpaceMixin"]["namespace_prefix"]) == ("lab", "lab-user-")
