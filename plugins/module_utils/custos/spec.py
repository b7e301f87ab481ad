# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that all Custos modules share; the doc fragment ``custos`` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import DIALECTS, Dialect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0 import base_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Http


def connection_spec() -> dict[str, dict[str, Any]]:
    """The argument spec of everything that says where Custos is and who we are."""
    return {
        "url": {"type": "str", "required": True},
        "api": {"type": "str", "choices": ["v1.0.0"], "default": "v1.0.0"},
        "parent_client_id": {"type": "str", "required": True},
        "parent_client_secret": {"type": "str", "required": True, "no_log": True},
        "parent_username": {"type": "str", "required": True},
        "parent_password": {"type": "str", "required": True, "no_log": True},
        "registration": {"type": "str", "choices": ["child", "admin"], "default": "child"},
        "ca_path": {"type": "path"},
        "use_proxy": {"type": "bool", "default": True},
        "timeout_seconds": {"type": "int", "default": 30},
        "retries": {"type": "int", "default": 4},
    }


def connect(params: Mapping[str, Any]) -> Dialect:
    """The dialect that the options name, ready to be called."""
    http = Http(
        base_of(params["url"]),
        ca_path=params["ca_path"],
        timeout_seconds=params["timeout_seconds"],
        retries=params["retries"],
        use_proxy=params["use_proxy"],
    )
    account = {name: params[f"parent_{name}"] for name in ("client_id", "client_secret", "username", "password")}
    return DIALECTS[params["api"]](http, account)
