# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON over verified HTTPS, with Ansible's own client."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import ConnectionError as UrlsConnectionError
from ansible.module_utils.urls import SSLValidationError, open_url
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError

T = TypeVar("T")
PASSING = (429, 502, 503, 504)  # statuses that another try may cure


class Transport(Protocol):
    """What a dialect needs to call Custos. ``Http`` is one; another way to the same calls may stand in for it."""

    base: str

    def call(
        self,
        method: str,
        path: str,
        authorization: str = "",
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
    ) -> dict[str, Any]: ...


def custos_message(raw: bytes) -> tuple[str, int | None]:
    """The message and gRPC code of an error body, or the text itself.

    Shapes: Custos v1.0.0 ``{code, message, details}``; Custos v1 plain text; Keycloak ``{errorMessage}`` and OAuth's ``{error, error_description}``.
    """
    text = raw.decode(errors="replace").strip()
    try:
        body = json.loads(text)
    except ValueError:
        return text[:200], None
    if not isinstance(body, dict):
        return text[:200], None
    code = body.get("code")
    for name in ("message", "errorMessage"):
        if isinstance(body.get(name), str):
            return body[name], code if isinstance(code, int) else None
    if isinstance(body.get("error"), str):
        return " ".join(str(body[name]) for name in ("error", "error_description") if body.get(name)), None
    return text[:200], None


def patiently(once: Callable[[], T], retries: int, repeatable: bool) -> T:
    """Make a call, and if it is ``repeatable`` again up to ``retries`` times while it fails in a way that may pass. Raises the last CustosError."""
    retries = retries if repeatable else 0
    for attempt in range(retries + 1):
        try:
            return once()
        except CustosError as error:
            lasting = (error.status and error.status not in PASSING) or isinstance(error.__cause__, (ssl.SSLError, SSLValidationError))
            if attempt == retries or lasting:
                if not repeatable and not lasting:
                    raise CustosError(
                        f"{error} It was not sent again, since it may have been done; run again: what exists is looked up first.", error.status
                    ) from error
                raise
            time.sleep(min(0.5 * 2**attempt, 8))
    raise AssertionError("unreachable")


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
        name: str = "Custos",
    ) -> None:
        self.base = base.rstrip("/")
        self.ca_path = ca_path
        self.timeout_seconds = timeout_seconds
        self.retries = retries
        self.use_proxy = use_proxy
        self.name = name

    def call(
        self,
        method: str,
        path: str,
        authorization: str = "",
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that answers a call. Raises CustosError; arguments as in ``exchange``."""
        data = self.exchange(method, path, authorization, query, body, repeatable, form, headers)
        if not isinstance(data, dict):
            raise CustosError(f"{method} {self.base}{path} was answered with JSON that is no object; check that url is the address of {self.name}.", 200)
        return data

    def exchange(
        self,
        method: str,
        path: str,
        authorization: str = "",
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send ``body`` as JSON, or ``form`` as a form, and read the answer: parsed JSON, ``{}`` when there is no body. Raises CustosError.

        ``repeatable`` says whether the call may be sent twice; by default every method but POST may.
        """
        url = f"{self.base}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        what = f"{method} {self.base}{path}"  # without the query, which may carry a token
        sent = {"Accept": "application/json", "Content-Type": "application/json" if form is None else "application/x-www-form-urlencoded", **(headers or {})}
        if authorization:
            sent["Authorization"] = authorization
        data = urlencode(form) if form is not None else None if body is None else json.dumps(body)
        repeatable = method != "POST" if repeatable is None else repeatable
        return patiently(lambda: self._once(method, url, what, sent, data), self.retries, repeatable)

    def _once(self, method: str, url: str, what: str, headers: dict[str, str], data: str | None) -> Any:
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
            raise CustosError(f"{self.name} answered {error.code} to {what}{where}: {(message or 'no message').rstrip('.')}.", error.code, code) from error
        except (URLError, UrlsConnectionError, SSLValidationError, OSError) as error:
            reason = getattr(error, "reason", error)
            cause = reason if isinstance(reason, ssl.SSLError) else error
            if isinstance(cause, (ssl.SSLError, SSLValidationError)):
                hint = "its certificate was not accepted; set ca_path to the file of the authority that signed it"
            else:
                hint = f"no answer within {self.timeout_seconds} s or no connection; check url, and that the server runs and is not behind a firewall"
            raise CustosError(f"{what} failed: {hint} ({reason}).") from cause
        try:
            return json.loads(raw) if raw.strip() else {}
        except ValueError as error:
            raise CustosError(f"{what} was answered with something that is not JSON; check that url is the address of {self.name}.", 200) from error
