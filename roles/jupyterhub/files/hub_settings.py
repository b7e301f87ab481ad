"""What the hub's settings are for the values of a site: pure functions, no JupyterHub needed.

`values` is what role jupyterhub renders (its keys follow the words of Zero to JupyterHub); `secrets` maps names to text.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from typing import Any

from hub_launch import airavata_environment
from user_space_names import HOME_CLAIM

HUB_PORT = 8081
PROXY_API_PORT = 8001
ACCOUNTS_ANNOTATION = "hub.airavata.org/accounts"
TOKEN_SCOPE = "custom:access-token:read"  # noqa: S105  # a name

Settings = dict[str, dict[str, Any]]


def settings(values: dict[str, Any], secrets: dict[str, str]) -> Settings:
    """Return traits by the name of their class, e.g. ``{"JupyterHub": {"hub_bind_url": "http://..."}}``.

    Settings stand under the class that defines them (KubeSpawner, not our subclass): so ``extra_config`` can name the classes of the
    documentation, and wins.
    """
    found: Settings = {
        "JupyterHub": hub_traits(values, secrets),
        "ConfigurableHTTPProxy": {
            "should_start": False,
            "api_url": f"http://proxy-api.{values['namespace']}.svc.cluster.local:{PROXY_API_PORT}",
            "auth_token": secrets["proxy-token"],
        },
        "CryptKeeper": {"keys": [bytes.fromhex(secrets["crypt-key"])]},
        **login_traits(values, secrets),
        **spawner_traits(values),
        "HandOverMixin": hand_over_traits(values, secrets),
    }
    for name, traits in values["extra_config"].items():
        found.setdefault(name, {}).update(traits)
    return found


def hub_traits(values: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    """Return the traits of JupyterHub itself."""
    hub, cull = values["hub"], values["cull"]
    services = [{"name": name, "api_token": secrets[f"service-{name}"], "display": False} for name in sorted(hub["services"])]
    roles = [{"name": name, "scopes": scopes, "services": [name]} for name, scopes in sorted(hub["services"].items())]
    if cull["enabled"]:
        services.append({"name": "idle-culler", "command": cull_command(cull), "display": False})
        roles.append({"name": "idle-culler", "scopes": cull_scopes(cull), "services": ["idle-culler"]})
    return {
        "db_url": hub["db_url"],
        "cookie_secret": bytes.fromhex(secrets["cookie-secret"]),
        "bind_url": "http://0.0.0.0:8000/",
        "public_url": values["url"] + "/",
        "hub_bind_url": f"http://0.0.0.0:{HUB_PORT}",
        "hub_connect_url": f"http://hub.{values['namespace']}.svc.cluster.local:{HUB_PORT}",
        # Servers and proxy are pods of their own: they go on while the hub restarts.
        "cleanup_servers": False,
        "cleanup_proxy": False,
        # A proxy that restarted has forgotten its routes; this is how soon it gets them back.
        "last_activity_interval": 60,
        "allow_named_servers": hub["named_server_limit"] != 0,
        "named_server_limit_per_user": max(hub["named_server_limit"], 0),
        "concurrent_spawn_limit": hub["concurrent_spawn_limit"],
        "active_server_limit": hub["active_server_limit"],
        # Answer at once with the page that shows progress.
        "tornado_settings": {"slow_spawn_timeout": 0},
        "services": services,
        "load_roles": [*roles, *token_roles()],
        "custom_scopes": {TOKEN_SCOPE: {"description": "Read the owner's access token for the gateway."}},
    }


def token_roles() -> list[dict[str, Any]]:
    """Return the hub's roles of users and their servers, each with the right to its owner's access token added: a token can do no more than its owner."""
    return [
        {"name": "user", "scopes": ["self", f"{TOKEN_SCOPE}!user"]},
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", f"{TOKEN_SCOPE}!user"]},
    ]


def cull_command(cull: dict[str, Any]) -> list[str]:
    """Return the command line of the idle culler, a service that the hub runs beside itself."""
    command = [
        sys.executable,
        "-m",
        "jupyterhub_idle_culler",
        f"--url=http://127.0.0.1:{HUB_PORT}/hub/api",
        f"--timeout={cull['timeout_seconds']}",
        f"--cull-every={cull['every_seconds']}",
        f"--concurrency={cull['concurrency']}",
        f"--max-age={cull['max_age_seconds']}",
    ]
    if cull["users"]:
        command.append("--cull-users")
    if cull["remove_named_servers"]:
        command.append("--remove-named-servers")
    return command


def cull_scopes(cull: dict[str, Any]) -> list[str]:
    """Return the least the idle culler needs."""
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    return [*scopes, "admin:users"] if cull["users"] else scopes


def login_traits(values: dict[str, Any], secrets: dict[str, str]) -> Settings:
    """Return the traits of the login, from the client that role hub_login registered. What the site leaves empty is as its preset says."""
    login, client = values["login"], json.loads(secrets["oidc-client.json"])
    groups = login["manage_groups"] or any(login[rules]["groups"] for rules in ("allow", "admin"))
    found: Settings = {
        "Authenticator": {
            "allow_all": login["allow_all"],
            "allowed_users": set(login["allow"]["users"]),
            "admin_users": set(login["admin"]["users"]),
            "enable_auth_state": True,
            "auto_login": login["auto_login"],
            "auth_refresh_age": login["refresh_seconds"],
            "refresh_pre_spawn": values["gateway"]["token_at_spawn"],
            "manage_groups": groups,
        },
        "GenericOAuthenticator": {
            "login_service": login["name"] or client.get("name") or "the login provider",
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "authorize_url": client["authorize_url"],
            "token_url": client["token_url"],
            "userdata_url": client["userdata_url"],
            "oauth_callback_url": f"{values['url']}/hub/oauth_callback",
            "scope": login["scope"] or client.get("scope") or ["openid", "profile", "email"],
            "username_claim": login["username_claim"] or client.get("username_claim") or "preferred_username",
            "extra_authorize_params": {**client.get("authorize_params", {}), **login["extra_authorize_params"]},
            "enable_pkce": login["pkce"],
            "logout_redirect_url": client.get("logout_url") or "",
        },
        "SiteAuthenticator": {
            "end_session_url": client.get("end_session_url") or "",
            "logged_out_url": login["logged_out_url"],
            "issuer": client.get("issuer") or client["authorize_url"],
            "former_issuers": set(login["former_issuers"]),
            "refresh_tokens": client.get("refresh_tokens", True),
            "subject_claim": login["subject_claim"],
            "allow_rules": login["allow"],
            "admin_rules": login["admin"],
            "institution_claims": login["institution_claims"],
            "groups_claim": login["groups_claim"],
            "contact": login["contact"],
        },
    }
    if groups:
        found["GenericOAuthenticator"]["auth_state_groups_key"] = "groups"  # where SiteAuthenticator puts them
    if client.get("groups_url"):
        token = f"{client['custos_client_id']}:{client['custos_client_secret']}"
        found["SiteAuthenticator"] |= {"groups_url": client["groups_url"], "groups_token": base64.b64encode(token.encode()).decode()}
    return found


def hand_over_traits(values: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    """Return the traits of what servers get from the gateway."""
    gateway, client = values["gateway"], json.loads(secrets["oidc-client.json"])
    environment = airavata_environment(gateway["airavata"], client.get("issuer") or "")
    if environment:
        environment["HUB_TOKEN_VARIABLES"] = "CS_ACCESS_TOKEN UPSTREAM_TOKEN"  # noqa: S105  # names; what kernels keep fresh
    return {"launch": gateway["launch"], "gateway_environment": environment, "token_at_spawn": gateway["token_at_spawn"]}


def spawner_traits(values: dict[str, Any]) -> Settings:
    """Return the traits of the spawner: what a user's pod looks like."""
    user = values["singleuser"]
    home = user["home_dir"]
    pod = {
        "enable_user_namespaces": True,
        "slug_scheme": "safe",
        "pod_name_template": "jupyter-{user_server}",
        "image": user["image"],
        "image_pull_policy": "IfNotPresent",
        "cmd": user["cmd"] or None,
        "default_url": user["default_url"],
        "working_dir": home,
        "environment": {**user["extra_env"], "HOME": home},
        "cpu_guarantee": user["cpu_guarantee"],
        "cpu_limit": user["cpu_limit"],
        "mem_guarantee": user["memory_guarantee"],
        "mem_limit": user["memory_limit"],
        "start_timeout": user["start_timeout_seconds"],
        "http_timeout": user["http_timeout_seconds"],
        # The controller of user spaces makes the home's claim.
        "storage_pvc_ensure": False,
        "volumes": {
            "home": {"name": "home", "persistentVolumeClaim": {"claimName": HOME_CLAIM}},
            "tmp": {"name": "tmp", "emptyDir": {"sizeLimit": f"{user['tmp_gib']}Gi"}},
            "passwd": {
                "name": "passwd",
                "downwardAPI": {"items": [{"path": "passwd", "fieldRef": {"fieldPath": f"metadata.annotations['{ACCOUNTS_ANNOTATION}']"}}]},
            },
        },
        "volume_mounts": {
            "home": {"name": "home", "mountPath": home},
            "tmp": {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # a volume of the pod
            "passwd": {"name": "passwd", "mountPath": "/etc/passwd", "subPath": "passwd", "readOnly": True},
        },
        "automount_service_account_token": False,
        "container_security_context": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "extra_pod_config": {
            "enableServiceLinks": False,
            # The hub's name has more dots than this: one question to the name server instead of five.
            "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            "terminationGracePeriodSeconds": 10,
        },
        "node_selector": user["node_selector"],
    }
    space = {
        "hub_namespace": values["namespace"],
        "namespace_prefix": values["user_namespace_prefix"],
        "first_uid": user["first_uid"],
        "shared_folders": values["shared_folders"],
        "site_profiles": values["profiles"],
    }
    return {"KubeSpawner": pod, "UserSpawner": {"home_dir": home}, "SpaceMixin": space}


def user_uid(first_uid: int, user_id: int) -> int:
    """Return the user id that is asked for the hub's user number ``user_id``."""
    if user_id < 1:
        raise ValueError(f"the hub's users are counted from 1, not from {user_id}")
    return first_uid + user_id


def passwd_file(name: str, uid: int, gid: int, home: str) -> str:
    """Return the text of /etc/passwd in a user's pod. The login name is made from the hub's user name, which may be anything."""
    login = re.sub(r"[^a-z0-9_-]+", "-", name.partition("@")[0].lower()).strip("-")[:32] or "user"
    if not login[0].isalpha() or login in ("root", "nobody"):
        login = f"u-{login}"[:32]
    return f"root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n{login}:x:{uid}:{gid}::{home}:/bin/bash\n"
