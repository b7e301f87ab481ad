# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who calls: one account at one server, logged in when it first has to be."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Transport

T = TypeVar("T")
CHECK_TENANT = "Check parent_client_id and parent_client_secret, and that this tenant is ACTIVE."
Account = Mapping[str, str]  # client_id, client_secret, iam_client_secret, username, password, realm, auth_realm; '' for what was not given


def access_token(answer: Mapping[str, Any], what: str, name: str) -> str:
    """The Authorization header that an answer of a token endpoint leads to."""
    if not answer.get("access_token"):
        raise CustosError(f"{what} was answered without an access_token; check that url is the address of {name}.", 200)
    return f"Bearer {answer['access_token']}"


class Session:
    """An account; each dialect says how it logs in."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._bearer = ""

    def log_in(self) -> str:
        """The Authorization header of somebody who may change things."""
        raise NotImplementedError

    def client_token(self) -> str:
        """The Authorization header of the account's client: Custos takes id and secret as a bearer token."""
        pair = f"{self.account['client_id']}:{self.account['client_secret']}"
        return f"Bearer {base64.b64encode(pair.encode()).decode()}"

    def as_admin(self, send: Callable[..., T], method: str, path: str, **what: Any) -> T:
        """Call ``send(method, path, authorization, **what)``, and once more with a new login when the old one expired meanwhile."""
        fresh = not self._bearer
        self._bearer = self._bearer or self.log_in()
        try:
            return send(method, path, self._bearer, **what)
        except CustosError as error:
            if error.status != 401 or fresh:
                raise
            self._bearer = self.log_in()  # tokens live minutes, and a wait for approval may be longer
            return send(method, path, self._bearer, **what)


class CustosSession(Session):
    """A tenant by its client token, and one of the tenant's administrators, at either of Custos' APIs."""

    def __init__(self, http: Transport, account: Account) -> None:
        super().__init__(account)
        self.http = http

    def admin(self, method: str, path: str, query: Any = None, body: Any = None, repeatable: bool | None = None) -> dict[str, Any]:
        """A call that Custos wants a person for; arguments as of ``Transport.call``."""
        return self.as_admin(self.http.call, method, path, query=query, body=body, repeatable=repeatable)

    def client(self, method: str, path: str, query: Any = None, body: Any = None, repeatable: bool | None = None, **more: Any) -> dict[str, Any]:
        """A call that Custos wants a client token for; arguments as of ``Transport.call``."""
        try:
            return self.http.call(method, path, self.client_token(), query, body, repeatable, **more)
        except CustosError as error:
            if error.status == 401:
                raise error.explained(CHECK_TENANT) from error
            raise
