# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that all Custos modules share; the doc fragment ``custos`` describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import APIS, need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects import DIALECTS, Dialect
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Http, Transport
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.sdk import Sdk

ACCOUNT = ("client_id", "client_secret", "iam_client_secret", "username", "password")
CUSTOS_NEEDS = ["parent_client_id", "parent_client_secret", "parent_username", "parent_password"]
REQUIRED_IF = [("api", "v1.0.0", CUSTOS_NEEDS), ("api", "v1", CUSTOS_NEEDS), ("api", "keycloak", ["realm"])]

REGISTRATION = {"type": "str", "choices": ["child", "admin"], "default": "child"}


def connection_spec() -> dict[str, dict[str, Any]]:
    """The argument spec of everything that says where Custos is and who we are."""
    return {
        "url": {"type": "str", "required": True},
        "api": {"type": "str", "choices": list(APIS), "default": APIS[0]},
        "transport": {"type": "str", "choices": ["https", "custos-sdk"], "default": "https"},
        "realm": {"type": "str"},
        "auth_realm": {"type": "str"},
        "parent_client_id": {"type": "str"},
        "parent_client_secret": {"type": "str", "no_log": True},
        "parent_iam_client_secret": {"type": "str", "no_log": True},
        "parent_username": {"type": "str"},
        "parent_password": {"type": "str", "no_log": True},
        "ca_path": {"type": "path"},
        "use_proxy": {"type": "bool", "default": True},
        "timeout_seconds": {"type": "int", "default": 30},
        "retries": {"type": "int", "default": 4},
    }


def connect(params: Mapping[str, Any]) -> tuple[Dialect, Any]:
    """The dialect that the options name, and a session of it; nothing is called yet."""
    dialect = DIALECTS[params["api"]]
    if params["api"] == "keycloak":
        lacking = "parent_password" if params["parent_username"] else "parent_client_secret"
        if not params[lacking]:
            raise CustosError(f"api keycloak needs {lacking}: a person's parent_username and parent_password, or a client's parent_client_secret.")
    patience = {name: params[name] for name in ("ca_path", "timeout_seconds", "retries", "use_proxy")}
    transport: Transport
    if params["transport"] == "custos-sdk":
        need(params["api"], "transport custos-sdk")
        transport = Sdk(params["url"], **patience)
    else:
        transport = Http(dialect.base_of(params["url"]), **patience, name="Keycloak" if params["api"] == "keycloak" else "Custos")
    account = {name: params[f"parent_{name}"] or "" for name in ACCOUNT} | {name: params[name] or "" for name in ("realm", "auth_realm")}
    return dialect, dialect.session(transport, account)


def run_module(spec: dict[str, dict[str, Any]], kind: str, run: Callable[[AnsibleModule, Any], dict[str, Any]]) -> None:
    """What every Custos module does: connect, ``run(module, <the dialect's class for this kind of thing>)``, end with the result or the error."""
    module = AnsibleModule(argument_spec=spec, required_if=REQUIRED_IF, supports_check_mode=True)
    try:
        dialect, session = connect(module.params)
        result = run(module, getattr(dialect, kind)(session))
    except CustosError as error:
        module.fail_json(msg=str(error), status=error.status, code=error.code)
    module.exit_json(**result)
