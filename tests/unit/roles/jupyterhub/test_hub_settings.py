from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hub_settings import cull_command, cull_scopes, passwd_file, settings, user_uid

from tests.unit.roles.jupyterhub.samples import SECRETS, VALUES


def made(**changes: Any) -> dict[str, dict[str, Any]]:
    values = copy.deepcopy(VALUES)
    for path, value in changes.items():
        part, _separator, name = path.partition("__")
        if name:
            values[part][name] = value
        else:
            values[part] = value
    return settings(values, SECRETS)


def test_servers_and_proxy_outlive_the_hub() -> None:
    hub = made()["JupyterHub"]
    assert hub["cleanup_servers"] is False
    assert hub["cleanup_proxy"] is False
    assert made()["ConfigurableHTTPProxy"]["should_start"] is False


def test_secrets_reach_their_places() -> None:
    found = made()
    assert found["JupyterHub"]["cookie_secret"] == bytes.fromhex(SECRETS["cookie-secret"])
    assert found["CryptKeeper"]["keys"] == [bytes.fromhex(SECRETS["crypt-key"])]
    assert found["ConfigurableHTTPProxy"]["auth_token"] == SECRETS["proxy-token"]
    assert found["GenericOAuthenticator"]["client_secret"] == json.loads(SECRETS["oidc-client.json"])["client_secret"]


def test_login_is_proof_keyed_and_kept() -> None:
    found = made()
    assert found["GenericOAuthenticator"]["enable_pkce"] is True
    assert found["GenericOAuthenticator"]["oauth_callback_url"] == "https://hub.example.org/hub/oauth_callback"
    assert found["Authenticator"]["enable_auth_state"] is True


@pytest.mark.parametrize(
    ("limit", "allowed", "per_user"),
    [(0, False, 0), (5, True, 5), (-1, True, 0)],
)
def test_named_servers(limit: int, allowed: bool, per_user: int) -> None:
    hub = made(hub__named_server_limit=limit)["JupyterHub"]
    assert (hub["allow_named_servers"], hub["named_server_limit_per_user"]) == (allowed, per_user)


@pytest.mark.parametrize(
    ("cull", "services"),
    [({"enabled": True}, ["gateway", "idle-culler"]), ({"enabled": False}, ["gateway"])],
)
def test_services_have_roles_and_nothing_more(cull: dict[str, Any], services: list[str]) -> None:
    hub = made(cull={**VALUES["cull"], **cull}, hub__services={"gateway": ["read:users"]})["JupyterHub"]
    assert [service["name"] for service in hub["services"]] == services
    assert [role["services"] for role in hub["load_roles"] if "services" in role] == [[name] for name in services]
    assert hub["services"][0]["api_token"] == SECRETS["service-gateway"]
    assert not any(service.get("admin") for service in hub["services"])


@pytest.mark.parametrize(
    ("changes", "there", "missing"),
    [
        ({}, ["--timeout=3600", "--cull-every=300", "--max-age=0"], ["--cull-users", "--remove-named-servers"]),
        ({"users": True}, ["--cull-users"], []),
        ({"remove_named_servers": True, "max_age_seconds": 7}, ["--remove-named-servers", "--max-age=7"], ["--cull-users"]),
    ],
)
def test_cull_command(changes: dict[str, Any], there: list[str], missing: list[str]) -> None:
    command = cull_command({**VALUES["cull"], **changes})
    assert set(there) <= set(command)
    assert not set(missing) & set(command)


def test_culler_may_delete_users_only_when_asked() -> None:
    assert "admin:users" not in cull_scopes(VALUES["cull"])
    assert "admin:users" in cull_scopes({**VALUES["cull"], "users": True})


def test_extra_config_wins_and_may_name_new_classes() -> None:
    found = made(extra_config={"JupyterHub": {"cleanup_servers": True}, "Other": {"a": 1}})
    assert found["JupyterHub"]["cleanup_servers"] is True
    assert found["JupyterHub"]["cleanup_proxy"] is False
    assert found["Other"] == {"a": 1}


def test_empty_command_is_the_image_own() -> None:
    assert made()["KubeSpawner"]["cmd"] is None
    assert made(singleuser__cmd=["jupyterhub-singleuser"])["KubeSpawner"]["cmd"] == ["jupyterhub-singleuser"]


@pytest.mark.parametrize(("first", "number", "uid"), [(20000, 1, 20001), (20000, 999, 20999)])
def test_user_uid(first: int, number: int, uid: int) -> None:
    assert user_uid(first, number) == uid


@pytest.mark.parametrize("number", [0, -1])
def test_user_uid_refuses_what_is_no_user(number: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        user_uid(20000, number)


@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("alice", "alice"),
        ("Alice.Smith@example.org", "alice-smith"),
        ("root", "u-root"),
        ("nobody", "u-nobody"),
        ("123", "u-123"),
        ("", "user"),
        ("@@", "user"),
        ("a:0:0::/:/bin/sh\nroot2:x:0:0", "a-0-0-bin-sh-root2-x-0-0"),
        ("x" * 80, "x" * 32),
        ("Ünïcode", "n-code"),
    ],
)
def test_passwd_file_has_one_line_for_the_user_whatever_the_name(name: str, login: str) -> None:
    lines = passwd_file(name, 20007, 100, "/home/jovyan").splitlines()
    assert lines[2:] == [f"{login}:x:20007:100::/home/jovyan:/bin/bash"]
    assert [line.split(":")[2] for line in lines] == ["0", "65534", "20007"]


def test_a_server_may_do_one_thing_more_than_by_default() -> None:
    """JupyterHub's own roles of users and servers, and the right to the owner's access token. Its real defaults are in test_hub_gateway.py."""
    roles = {role["name"]: role["scopes"] for role in made()["JupyterHub"]["load_roles"] if "services" not in role}
    assert roles == {
        "user": ["self", "custom:access-token:read!user"],
        "server": ["users:activity!user", "access:servers!server", "custom:access-token:read!user"],
    }


@pytest.mark.parametrize(
    ("login", "client", "expected"),
    [
        ({}, {}, {"scope": ["openid", "profile", "email"], "username_claim": "preferred_username", "login_service": "Custos"}),
        ({"name": ""}, {"name": "CILogon"}, {"login_service": "CILogon"}),
        ({"scope": []}, {"scope": ["openid", "org.cilogon.userinfo"]}, {"scope": ["openid", "org.cilogon.userinfo"]}),
        ({"username_claim": ""}, {"username_claim": "email"}, {"username_claim": "email"}),
        ({"username_claim": "eppn"}, {"username_claim": "email"}, {"username_claim": "eppn"}),
        (
            {"extra_authorize_params": {"prompt": "login", "idphint": "b"}},
            {"authorize_params": {"kc_idp_hint": "oidc", "idphint": "a"}},
            {"extra_authorize_params": {"kc_idp_hint": "oidc", "idphint": "b", "prompt": "login"}},
        ),
    ],
)
def test_what_the_site_leaves_empty_is_as_the_preset_says(login: dict[str, Any], client: dict[str, Any], expected: dict[str, Any]) -> None:
    secrets = {**SECRETS, "oidc-client.json": json.dumps({**json.loads(SECRETS["oidc-client.json"]), **client})}
    found = settings({**VALUES, "login": {**VALUES["login"], **login}}, secrets)["GenericOAuthenticator"]
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("login", "managed"),
    [({}, False), ({"manage_groups": True}, True), ({"admin": {**VALUES["login"]["admin"], "groups": ["a"]}}, True)],
)
def test_groups_are_the_providers_when_a_rule_needs_them(login: dict[str, Any], managed: bool) -> None:
    found = settings({**VALUES, "login": {**VALUES["login"], **login}}, SECRETS)
    assert found["Authenticator"]["manage_groups"] is managed
    # oauthenticator does not start with this set and groups not managed
    assert ("auth_state_groups_key" in found["GenericOAuthenticator"]) is managed


def test_kernels_keep_a_token_only_where_there_is_a_gateway() -> None:
    assert made()["HandOverMixin"]["gateway_environment"] == {}
    with_gateway = made(gateway__airavata={"gateway_id": "seagrid"})["HandOverMixin"]["gateway_environment"]
    assert with_gateway == {
        "GATEWAY_ID": "seagrid",
        "AUTH_SERVER_URL": "https://login.example.org",
        "AUTH_REALM": "10000002",
        "HUB_TOKEN_VARIABLES": "CS_ACCESS_TOKEN UPSTREAM_TOKEN",
    }
