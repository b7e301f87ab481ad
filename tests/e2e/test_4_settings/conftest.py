"""The settings of these tests: short tokens, rules of access, a gateway, folders that are shared."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from site_verify.scenario import Person

from tests.e2e.site import Run, Site
from tests.e2e.test_4_settings.gateway import DATA, GROUPS, STRANGER, TOKEN_SECONDS, Gateway, ask, custos_url, deploy_address, let_out, provide_data
from tests.git_server import serve_repository

SHARED = {
    "nfs_provisioner_shared_folders": [
        {"name": "team", "gid": 5000, "size_gib": 1},
        {"name": "course", "gid": 5001, "size_gib": 1, "read_only": True},
    ],
    "jupyterhub_shared_folders": [{"name": "team", "gid": 5000}, {"name": "course", "read_only": True}],
}


@pytest.fixture(scope="package")
def origin(built: tuple[Site, list[Run]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server of this machine, on the address that the machines know, with the repository `waves.git` in git's plain form."""
    site, _runs = built
    with serve_repository(tmp_path_factory.mktemp("served"), deploy_address(site), "tide.txt", "high at noon\n") as url:
        yield url


@pytest.fixture(scope="package")
def gateway(built: tuple[Site, list[Run]], origin: str) -> Iterator[Gateway]:
    """The site with all of it. On a site that stays, settings are as before afterwards; the shared folders stay, as nothing deletes them."""
    site, _runs = built
    alice = Person("alice", site.users["alice"], site.browser())
    alice.session.login("alice", alice.password)
    alice.start()  # her namespace is where data has to be
    [pod] = [pod for pod in site.user_pods("alice") if pod.status.pod_ip and not pod.metadata.deletion_timestamp]
    namespace = pod.metadata.namespace
    alice.stop()
    client = json.loads((site.state / "secrets" / "oidc-client.json").read_text())
    credentials = (client["custos_client_id"], client["custos_client_secret"])
    made = ask(site, "POST", f"{custos_url(client)}/{GROUPS}/group", auth=credentials, json={"group": {"name": "hub-admins", "owner_id": "hub-admin"}})
    assert made.status_code == 200, made.text
    group = made.json()["id"]
    values = {
        "local_login_provider_access_token_seconds": TOKEN_SECONDS,
        "jupyterhub_allow_all": False,
        "jupyterhub_allowed_users": sorted(set(site.users) - {STRANGER}),
        "jupyterhub_admin_groups": [group],
        "jupyterhub_login_contact": "help@example.org",
        "jupyterhub_airavata": {"gateway_id": "e2e"},
        "jupyterhub_launch_git": [origin],
        "jupyterhub_launch_data": {"tides": {"claim": DATA}},
        **SHARED,
    }
    try:
        provide_data(site, namespace)
        let_out(site, namespace, origin)
        site.run_playbook("site.yml", "--tags", "storage,login,hub", "-e", json.dumps(values)).must_pass()
        site.settings = values
        yield Gateway(site, origin, group, alice)
    finally:
        for server in alice.session.servers():
            alice.session.stop(server)
        alice.session.client.close()
        if not site.temporary:
            site.settings = {}
            site.run_playbook("site.yml", "--tags", "storage,login,hub").must_pass()
            ask(site, "DELETE", f"{custos_url(client)}/{GROUPS}/group/{group}", auth=credentials)
            site.kubectl("delete", "networkpolicy,persistentvolumeclaim", DATA, "-n", namespace, "--ignore-not-found")
            site.kubectl("delete", "persistentvolume", DATA, "--ignore-not-found")
            site.ssh("storage1", "rm", "-rf", f"{site.values['hub_storage_export']}/{DATA}")
