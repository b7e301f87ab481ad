"""Roles local_login_provider and hub_login, run for real on this machine: a provider of its own on loopback, in a folder of the test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.login_site import Site, changed, said
from tests.unit.services.custos_double.browser import Login, query_of
from tests.unit.services.custos_double.server import Server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    assert changed(made.run("--tags", "stop")) == 1


def test_the_whole_stage(site: Site) -> None:
    before = made_of(site)
    assert changed(site.run("--check", "--diff")) > 0
    assert made_of(site) == before, "check mode made something"

    first = site.run("--diff")
    assert changed(first) > 0
    client, people = site.kept("oidc-client.json"), site.kept("demo-users.json")["users"]
    names = {"client_id", "client_secret", "issuer", "authorize_url", "token_url", "userdata_url", "end_session_url", "jwks_url"}
    names |= {"groups_url", "custos_client_id", "custos_client_secret", "name", "scope", "username_claim", "authorize_params"}
    assert set(client) == names
    assert client["custos_client_secret"] != client["client_secret"]
    assert client["authorize_params"] == {"kc_idp_hint": "oidc"}
    assert client["issuer"].startswith(site.values["hub_login_front_url"])
    assert client["token_url"].startswith(site.values["hub_login_issuer"])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (site.state / "secrets").iterdir())
    secrets = [
        client["client_secret"],
        client["custos_client_secret"],
        *(person["password"] for person in people),
        *(site.kept("local-login-provider.json").values()),
    ]
    assert not [secret for secret in secrets if secret in first.stdout + first.stderr]

    # Somebody logs in with what the two roles left behind.
    with Server.client_of(site.values["hub_login_issuer"], site.state / "ca" / "ca.crt") as browser:
        child = {"client_id": client["client_id"], "iam_client_secret": client["client_secret"], "realm": client["issuer"].rpartition("/")[2]}
        login = Login(browser, child, f"{site.values['hub_url']}/hub/oauth_callback")
        tokens = login.log_in("alice", people[0]["password"])
        assert login.userinfo(tokens).json()["preferred_username"] == "alice"
        out = login.logout(id_token_hint=tokens["id_token"], post_logout_redirect_uri=f"{site.values['hub_url']}/hub/login")
        assert (out.status_code, out.headers["location"]) == (302, f"{site.values['hub_url']}/hub/login")

    assert changed(site.run()) == 0

    # An interruption between registration and writing, and a new address besides: the same client is found again, and changed.
    (site.state / "secrets" / "oidc-client.json").unlink()
    uris = [f"{site.values['hub_url']}/hub/oauth_callback", "https://hub.example.org/hub/oauth_callback"]
    again = site.run("--diff", roles=("hub_login",), hub_login_redirect_uris=uris)
    assert changed(again) == 2
    assert "+    - https://hub.example.org/hub/oauth_callback" in again.stdout
    assert site.kept("oidc-client.json") == client


@pytest.fixture(scope="module")
def provider_issuer(site: Site) -> str:
    """The issuer of the realm that the custos preset made."""
    assert site.run().returncode == 0
    issuer: str = site.kept("oidc-client.json")["issuer"]
    return issuer


def made_of(site: Site) -> list[str]:
    return sorted(str(path.relative_to(site.state)) for path in site.state.rglob("*"))


@pytest.mark.parametrize(
    ("preset", "values", "expected"),
    [
        (
            "keycloak",
            {"hub_login_identity_provider": "oidc", "hub_login_institution": "https://idp.uni.example"},
            {
                "name": "Keycloak",
                "username_claim": "preferred_username",
                "authorize_params": {"kc_idp_hint": "oidc", "idphint": "https://idp.uni.example"},
                "scope": ["openid", "profile", "email"],
            },
        ),
        ("keycloak", {}, {"authorize_params": {}}),
        (
            "cilogon",
            {"hub_login_institution": "https://idp.uni.example"},
            {
                "name": "CILogon",
                "username_claim": "email",
                "authorize_params": {"selected_idp": "https://idp.uni.example"},
                "scope": ["openid", "profile", "email", "org.cilogon.userinfo"],
            },
        ),
        ("generic", {}, {"name": "", "authorize_params": {}}),
    ],
)
def test_presets_that_discover(site: Site, provider_issuer: str, tmp_path: Path, preset: str, values: dict[str, Any], expected: dict[str, Any]) -> None:
    """The addresses come from the issuer's own document; the client is given. Here the issuer is a realm of the provider of this test."""
    given = {"hub_login_preset": preset, "hub_login_issuer": provider_issuer, "hub_login_client_id": "hub", "hub_login_client_secret": "given by the provider"}
    given |= {"hub_login_file": str(tmp_path / "oidc-client.json")}
    if preset == "cilogon":
        assert changed(site.run("--check", "--diff", roles=("hub_login",), **given, **values)) == 1
    done = site.run("--diff", roles=("hub_login",), **given, **values)
    assert changed(done) == 1
    assert "given by the provider" not in done.stdout + done.stderr
    found = json.loads((tmp_path / "oidc-client.json").read_text())
    assert {name: found[name] for name in expected} == expected
    assert found["issuer"] == provider_issuer
    assert found["token_url"] == f"{provider_issuer}/protocol/openid-connect/token"
    assert found["end_session_url"] == f"{provider_issuer}/protocol/openid-connect/logout"
    assert (found["client_id"], found["client_secret"]) == ("hub", "given by the provider")
    if preset == "cilogon":
        assert changed(site.run(roles=("hub_login",), **given, **values)) == 0


def test_an_issuer_that_is_another_one_is_refused(site: Site, provider_issuer: str, tmp_path: Path) -> None:
    given = {"hub_login_preset": "keycloak", "hub_login_client_id": "hub", "hub_login_client_secret": "s", "hub_login_file": str(tmp_path / "oidc-client.json")}
    other = provider_issuer.replace("localhost", "127.0.0.1")
    done = site.run(roles=("hub_login",), hub_login_issuer=other, **given)
    assert f"is about {provider_issuer}. Set hub_login_issuer to exactly the issuer" in said(done)
    assert not (tmp_path / "oidc-client.json").exists()


def test_a_provider_without_discovery(tmp_path: Path) -> None:
    site = Site(tmp_path)
    addresses = {name: f"https://login.example.org/{name}" for name in ("authorize_url", "token_url", "userdata_url")}
    given = {"hub_login_preset": "generic", "hub_login_issuer": "https://login.example.org"}
    for values, sentence in (
        ({"hub_login_endpoints": addresses}, "so hub_login_client_id and hub_login_client_secret have to be those of a client"),
        (
            {"hub_login_client_id": "hub", "hub_login_client_secret": "s", "hub_login_endpoints": {"token_url": "https://t"}},
            "has to have authorize_url, token_url, userdata_url",
        ),
    ):
        lacking = site.run(roles=("hub_login",), **given, **values)
        assert sentence in said(lacking)
    client = {"hub_login_client_id": "hub", "hub_login_client_secret": "given by the provider"}
    done = site.run("--diff", roles=("hub_login",), hub_login_endpoints=addresses, **given, **client)
    assert changed(done) == 1
    assert "given by the provider" not in done.stdout + done.stderr
    found = site.kept("oidc-client.json")
    assert {name: found[name] for name in addresses} == addresses
    assert (found["issuer"], found["end_session_url"]) == ("https://login.example.org", "")


def test_a_missing_tenant_is_said_before_anything_is_tried(tmp_path: Path) -> None:
    done = Site(tmp_path).run(roles=("hub_login",))
    assert "It has to hold the gateway's tenant at Custos as JSON" in said(done)


def test_custos_second_api(site: Site, provider_issuer: str, tmp_path: Path) -> None:
    """The hub becomes a client in the gateway's realm, without a secret: people log in there, and Custos signs their tokens anew, with their groups."""
    kept = tmp_path / "oidc-client.json"
    given = {"hub_login_api": "v1", "hub_login_file": str(kept), "hub_login_identity_provider": "oidc"}
    planned = site.run("--check", "--diff", roles=("hub_login",), **given)
    assert changed(planned) == 1
    assert "+    token_endpoint_auth_method: none" in planned.stdout
    assert not kept.exists()
    first = site.run("--diff", roles=("hub_login",), **given)
    assert changed(first) == 2
    parent = site.kept("custos-parent.json")
    assert not [name for name in ("client_secret", "admin_password") if parent[name] in first.stdout + first.stderr]
    assert changed(site.run(roles=("hub_login",), **given)) == 0

    client = json.loads(kept.read_text())
    tenant, custos = parent["client_id"].rpartition("-")[2], f"{site.values['hub_login_issuer']}/api/v1"
    assert (client["client_id"], client["client_secret"], client["refresh_tokens"]) == (f"custos-jupyterhubtest-{tenant}", "", False)
    assert (client["token_url"], client["userdata_url"]) == (f"{custos}/identity-management/token", f"{custos}/user-management/userinfo")
    assert client["issuer"] == f"{provider_issuer.rpartition('/')[0]}/{tenant}"
    for name in ("authorize_url", "end_session_url"):
        assert client[name].startswith(f"{client['issuer']}/protocol/openid-connect/")

    # An interruption and a new name: the client is found by its id, then by what was kept.
    kept.unlink()
    assert changed(site.run(roles=("hub_login",), **given)) == 1
    renamed = site.run("--diff", roles=("hub_login",), **given, hub_login_client_name="Another name")
    assert changed(renamed) == 1
    assert "+    client_name: Another name" in renamed.stdout
    assert json.loads(kept.read_text()) == client

    with Server.client_of(site.values["hub_login_front_url"], site.state / "ca" / "ca.crt") as browser:
        login = Login(browser, {"client_id": client["client_id"], "iam_client_secret": "", "realm": tenant}, f"{site.values['hub_url']}/hub/oauth_callback")
        assert query_of(login.authorize(code_challenge=None, code_challenge_method=None).headers["location"])["error"] == "invalid_request"
        form = {"grant_type": "authorization_code", "redirect_uri": login.redirect_uri, "client_id": client["client_id"], "client_secret": ""}
        code = login.code("bob", site.kept("demo-users.json")["users"][1]["password"])
        tokens = browser.post(client["token_url"], data={**form, "code": code, "code_verifier": login.verifier})
        assert tokens.status_code == 200, tokens.text
        who = browser.get(client["userdata_url"], headers={"Authorization": f"Bearer {tokens.json()['access_token']}"}).json()
        assert (who["preferred_username"], who["groups"]) == ("bob", [])
        out = login.logout(id_token_hint=tokens.json()["id_token"], post_logout_redirect_uri=f"{site.values['hub_url']}/hub/login")
        assert (out.status_code, out.headers["location"]) == (302, f"{site.values['hub_url']}/hub/login")


def test_who_the_hub_is_at_keycloak_is_said_once(tmp_path: Path) -> None:
    """Before anything is asked: at the issuer there is nobody."""
    site = Site(tmp_path)
    given = {"hub_login_preset": "keycloak", "hub_login_issuer": "https://127.0.0.1:1/auth/realms/hub"}
    client = {"hub_login_client_id": "hub", "hub_login_client_secret": "given by the provider"}
    file = site.state / "secrets" / "keycloak-admin.json"
    neither = site.run(roles=("hub_login",), **given, hub_login_client_id="hub")
    assert f"there is neither {file}, with somebody who may register the hub in its realm" in said(neither)
    file.parent.mkdir(mode=0o700)
    for content, values, sentence in (
        ({"admin_username": "a", "admin_password": "the admin's"}, client, f"There are both {file}, to register the hub, and hub_login_client_id"),
        ({"admin_username": "a"}, {}, "has to hold, as JSON, admin_username and admin_password of a person, or client_id and client_secret"),
        ({"client_id": "a", "client_secret": "the admin's"}, {"hub_login_issuer": "https://login.example.org"}, "has to be the issuer of a realm of Keycloak"),
    ):
        file.write_text(json.dumps(content))
        refused = site.run("--check", roles=("hub_login",), **{**given, **values})
        assert sentence in said(refused)
        assert "the admin's" not in refused.stdout + refused.stderr
