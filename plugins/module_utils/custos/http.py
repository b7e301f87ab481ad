# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON over verified HTTPS, with Ansible's own client."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import ConnectionError as UrlsConnectionError
from ansible.module_utils.urls import SSLValidationError, open_url
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError

PASSING = (429, 502, 503, 504)  # statuses that another try may cure


def custos_message(raw: bytes) -> tuple[str, int | None]:
    """The message and gRPC code of an error body: Custos' ``{code, message, details}``, or the text itself."""
    text = raw.decode(errors="replace").strip()
    try:
        body = json.loads(text)
    except ValueError:
        return text[:200], None
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return body["message"], body["code"] if isinstance(body.get("code"), int) else None
    return text[:200], None


class Http:
    """Calls to one server.

    :arg base: the address before every path, such as ``https://custos.example.org/apiserver``.
    :arg ca_path: file of the certificate authorities to trust instead of the system's, or None.
    :arg retries: how often a call that may be repeated is tried again after a failure that may pass.
    """

    def __init__(
        self,
        base: str,
        ca_path: str | None = None,
        timeout_seconds: int = 30,
        retries: int = 4,
        use_proxy: bool = True,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.base = base.rstrip("/")
        self.ca_path = ca_path
        self.timeout_seconds = timeout_seconds
        self.retries = retries
        self.use_proxy = use_proxy
        self._sleep = sleep or time.sleep

    def call(
        self,
        method: str,
        path: str,
        authorization: str = "",
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> dict[str, Any]:
        """The JSON object that answers a call. Raises CustosError.

        ``repeatable`` says whether the call may be sent twice; by default every method but POST may.
        """
        url = f"{self.base}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        what = f"{method} {self.base}{path}"  # without the query, which may carry a token
        repeatable = method != "POST" if repeatable is None else repeatable
        tries = 1 + (self.retries if repeatable else 0)
        for attempt in range(1, tries + 1):
            try:
                return self._once(method, url, what, authorization, body)
            except CustosError as error:
                if attempt == tries or (error.status and error.status not in PASSING) or isinstance(error.__cause__, (ssl.SSLError, SSLValidationError)):
                    if not repeatable and (error.status in PASSING or not error.status):
                        raise CustosError(
                            f"{error} It was not sent again, since it may have been done; run again: what exists is looked up first.", error.status
                        ) from error
                    raise
                self._sleep(min(0.5 * 2 ** (attempt - 1), 8))
        raise AssertionError("unreachable")

    def _once(self, method: str, url: str, what: str, authorization: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        data = None if body is None else json.dumps(body)
        try:
            # No redirects: a token must not follow to an address that nobody checked.
            answer = open_url(
                url, data=data, headers=headers, method=method, timeout=self.timeout_seconds, ca_path=self.ca_path, use_proxy=self.use_proxy,
                http_agent="airavata.jupyterhub", follow_redirects="none",
            )  # fmt: skip
            raw = answer.read()
        except HTTPError as error:
            message, code = custos_message(error.read())
            where = f" (redirect to {error.headers.get('Location')})" if 300 <= error.code < 400 else ""
            raise CustosError(f"Custos answered {error.code} to {what}{where}: {message or 'no message'}.", error.code, code) from error
        except (URLError, UrlsConnectionError, SSLValidationError, OSError) as error:
            reason = getattr(error, "reason", error)
            cause = reason if isinstance(reason, ssl.SSLError) else error
            if isinstance(cause, (ssl.SSLError, SSLValidationError)):
                hint = "its certificate was not accepted; set ca_path to the file of the authority that signed it"
            else:
                hint = f"no answer within {self.timeout_seconds} s or no connection; check url, and that the server runs and is not behind a firewall"
            raise CustosError(f"{what} failed: {hint} ({reason}).") from cause
        try:
            parsed = json.loads(raw or b"{}")
        except ValueError as error:
            raise CustosError(f"{what} was answered with something that is not JSON; check that url is the address of Custos.", 200) from error
        if not isinstance(parsed, dict):
            raise CustosError(f"{what} was answered with JSON that is no object; check that url is the address of Custos.", 200)
        return parsed
