"""Values and secrets as role jupyterhub renders them."""

from __future__ import annotations

import json
from typing import Any

VALUES: dict[str, Any] = {
    "url": "https://hub.example.org",
    "namespace": "hub",
    "user_namespace_prefix": "hub-user-",
    "secrets_dir": "/etc/jupyterhub-secrets",
    "hub": {
        "db_url": "sqlite:////srv/jupyterhub/jupyterhub.sqlite",
        "named_server_limit": 5,
        "concurrent_spawn_limit": 20,
        "active_server_limit": 0,
        "services": {},
    },
    "login": {
        "name": "Custos",
        "scope": ["openid", "profile", "email"],
        "username_claim": "preferred_username",
        "extra_authorize_params": {},
        "pkce": True,
        "auto_login": False,
        "logged_out_url": "https://hub.example.org/hub/login",
        "refresh_seconds": 300,
        "subject_claim": "sub",
        "former_issuers": [],
        "groups_claim": "groups",
        "manage_groups": False,
        "institution_claims": ["idp"],
        "contact": "help@example.org",
        "allow_all": True,
        "allow": {"users": [], "groups": [], "email_domains": [], "institutions": []},
        "admin": {"users": [], "groups": [], "email_domains": [], "institutions": []},
    },
    "gateway": {
        "airavata": {},
        "token_at_spawn": False,
        "launch": {"git": [], "data": {}},
    },
    "singleuser": {
        "image": "airavata.local/jupyterhub/notebook:1",
        "cmd": [],
        "default_url": "/lab",
        "home_dir": "/home/jovyan",
        "first_uid": 0,
        "tmp_gib": 2,
        "cpu_guarantee": 0.05,
        "cpu_limit": 1.0,
        "memory_guarantee": "256M",
        "memory_limit": "1G",
        "extra_env": {"GATEWAY_ID": "default"},
        "node_selector": {},
        "start_timeout_seconds": 180,
        "http_timeout_seconds": 60,
    },
    "profiles": [],
    "shared_folders": [],
    "cull": {
        "enabled": True,
        "timeout_seconds": 3600,
        "every_seconds": 300,
        "max_age_seconds": 0,
        "concurrency": 10,
        "users": False,
        "remove_named_servers": False,
    },
    "extra_config": {},
}
SECRETS: dict[str, str] = {
    "cookie-secret": "0c" * 32,
    "crypt-key": "0d" * 32,
    "proxy-token": "0e" * 32,
    "service-gateway": "0f" * 32,
    "service-airavata": "1a" * 32,
    "oidc-client.json": json.dumps(
        {
            "client_id": "custos-abc-10000002",
            "client_secret": "client secret",
            "issuer": "https://login.example.org/realms/10000002",
            "authorize_url": "https://login.example.org/auth",
            "token_url": "https://login.example.org/token",
            "userdata_url": "https://login.example.org/userinfo",
            "end_session_url": "https://login.example.org/logout",
        }
    ),
}
