# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The requests that the modules make, as plain dictionaries, counted. Needs the kubernetes library; what is asked is decided elsewhere."""

from __future__ import annotations

import json
import threading
from typing import Any

from .paths import path, path_of

try:
    from kubernetes import config
    from urllib3 import Timeout
    from urllib3.exceptions import HTTPError

    KUBERNETES_ERROR: Exception | None = None
except ImportError as error:
    KUBERNETES_ERROR = error

Object = dict[str, Any]
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 30.0
CONNECTIONS = 8  # requests at once


class ApiError(Exception):
    """A request that failed. ``status`` is that of HTTP, 0 when there was no answer."""

    def __init__(self, what: str, status: int, message: str) -> None:
        super().__init__(f"{what}: {message}" + (f" (HTTP {status})" if status else ""))
        self.status = status


class Client:
    """Requests to the API server of a kubeconfig, from any number of threads; ``calls`` counts them.

    Raises ConfigException of the kubernetes library when the kubeconfig cannot be read.
    """

    def __init__(self, kubeconfig: str) -> None:
        api = config.new_client_from_config(config_file=kubeconfig)
        self._settings, self._pool = api.configuration, api.rest_client.pool_manager
        self._lock = threading.Lock()
        self.calls = 0

    def request(self, method: str, where: str, body: Object | None = None) -> Object:
        """Make one request and return the answer's object. Raises ApiError for anything but success."""
        with self._lock:
            self.calls += 1
        what = f"{method} {where.partition('?')[0]}"
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "airavata.jupyterhub"}
        token = self._settings.get_api_key_with_prefix("BearerToken") or self._settings.get_api_key_with_prefix("authorization")
        if token:
            headers["Authorization"] = token
        try:
            answer = self._pool.request(
                method,
                self._settings.host.rstrip("/") + where,
                headers=headers,
                body=None if body is None else json.dumps(body),
                timeout=Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
                retries=False,
            )
        except (HTTPError, OSError) as error:
            raise ApiError(what, 0, f"no answer from {self._settings.host}: {str(error).rpartition(': ')[2]}") from error
        try:
            found: Object = json.loads(answer.data)
        except ValueError as error:
            raise ApiError(what, answer.status, f"the answer is not JSON: {answer.data[:200]!r}") from error
        if answer.status >= 300:
            raise ApiError(what, answer.status, str(found.get("message", found)))
        return found

    def list(self, kind: str, namespace: str = "", **query: str) -> list[Object]:
        """Return the objects of a kind."""
        return list(self.request("GET", path(kind, namespace, **query)).get("items") or [])

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, None if it is not there."""
        try:
            return self.request("GET", path(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, item: Object) -> Object:
        """Create an object."""
        return self.request("POST", path_of(item, named=False), item)

    def replace(self, item: Object) -> Object:
        """Write an object whole; with the resourceVersion in it, only over the version that was read."""
        return self.request("PUT", path_of(item), item)

    def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with that uid; one that is gone is no error."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self.request("DELETE", path(kind, namespace, name), body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise


def connect(module: Any) -> Client:
    """Return a client for the ``kubeconfig`` of an Ansible module; ends the module with a sentence when there can be none."""
    if KUBERNETES_ERROR is not None:
        from ansible.module_utils.basic import missing_required_lib

        module.fail_json(msg=missing_required_lib("kubernetes"), exception=str(KUBERNETES_ERROR))
    try:
        return Client(module.params["kubeconfig"])
    except (config.ConfigException, OSError) as error:
        return module.fail_json(msg=f"{module.params['kubeconfig']} cannot be used as a kubeconfig: {error}")  # type: ignore[no-any-return]
