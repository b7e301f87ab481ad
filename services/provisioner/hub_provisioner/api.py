"""The few calls to the Kubernetes API that the provisioner makes, as plain dicts.

The kubernetes package reads the kubeconfig and makes the connection pool; requests are made on that pool directly, because the typed
calls differ between the releases that distributions carry (12 to 37) and the protocol does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from kubernetes import client, config
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

Object = dict[str, Any]
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 20.0
_WATCH_SECONDS = 240
COLLECTIONS = {
    "claims": "/api/v1/persistentvolumeclaims",
    "volumes": "/api/v1/persistentvolumes",
    "classes": "/apis/storage.k8s.io/v1/storageclasses",
}


class ApiError(Exception):
    """A request that failed.

    :param status: HTTP status; 0 when there was no answer.
    """

    def __init__(self, what: str, status: int, message: str) -> None:
        super().__init__(f"{what}: {message}" + (f" (HTTP {status})" if status else ""))
        self.status = status


class Api:
    """Requests to the API server of a kubeconfig."""

    def __init__(self, kubeconfig: str | None) -> None:
        if kubeconfig:
            self._client = config.new_client_from_config(config_file=kubeconfig)
        else:
            config.load_incluster_config()
            self._client = client.ApiClient()
        self._settings = self._client.configuration
        self._pool = self._client.rest_client.pool_manager

    def _open(self, method: str, path: str, body: Object | None, answer_seconds: float, stream: bool) -> Any:
        what = f"{method} {path.partition('?')[0]}"
        headers = {"Accept": "application/json", "User-Agent": "hub-provisioner"}
        token = self._settings.get_api_key_with_prefix("authorization") or self._settings.get_api_key_with_prefix("BearerToken")
        if token:
            headers["Authorization"] = token
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.request(
                method,
                self._settings.host.rstrip("/") + path,
                headers=headers,
                body=None if body is None else json.dumps(body),
                timeout=Timeout(connect=_CONNECT_SECONDS, read=answer_seconds),
                retries=False,
                preload_content=not stream,
            )
        except (HTTPError, OSError) as error:
            # urllib3 names objects first and the reason last
            raise ApiError(what, 0, f"no answer from {self._settings.host}: {str(error).rpartition(': ')[2]}") from error
        if response.status >= 300:
            data = response.data
            response.release_conn()
            try:
                message = json.loads(data)["message"]
            except (ValueError, KeyError, TypeError):
                message = data[:200].decode(errors="replace")
            raise ApiError(what, response.status, message)
        return response

    def request(self, method: str, path: str, body: Object | None = None) -> Object:
        """Make one request.

        :return: the answer's object.
        :raises ApiError: anything but success.
        """
        response = self._open(method, path, body, _ANSWER_SECONDS, stream=False)
        try:
            answer: Object = json.loads(response.data)
        except ValueError as error:
            raise ApiError(f"{method} {path}", response.status, "the answer is not JSON") from error
        return answer

    def list(self, collection: str) -> tuple[list[Object], str]:
        """All objects of one of `COLLECTIONS`, and the version to watch from."""
        answer = self.request("GET", COLLECTIONS[collection])
        return answer.get("items") or [], answer["metadata"]["resourceVersion"]

    def watch(self, collection: str, version: str) -> Iterator[tuple[str, Object]]:
        """Changes since `version` (type, object), until the server ends the watch after some minutes.

        :raises ApiError: status 410 when the version is too old: list again.
        """
        query = urlencode({"watch": "1", "resourceVersion": version, "timeoutSeconds": _WATCH_SECONDS, "allowWatchBookmarks": "true"})
        path = f"{COLLECTIONS[collection]}?{query}"
        # The server sends bookmarks about once a minute; a connection that says nothing for so long is dead.
        response = self._open("GET", path, None, _WATCH_SECONDS / 2, stream=True)
        rest = b""
        try:
            for chunk in response.stream(65536, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(f"watch {collection}", int(event["object"].get("code") or 500), event["object"].get("message", ""))
                    yield event["type"], event["object"]
        except (HTTPError, OSError, ValueError) as error:
            raise ApiError(f"watch {collection}", 0, str(error)) from error
        finally:
            response.close()

    def _or_none(self, path: str) -> Object | None:
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def get_volume(self, name: str) -> Object | None:
        return self._or_none(f"/api/v1/persistentvolumes/{quote(name)}")

    def create_volume(self, volume: Object) -> Object:
        return self.request("POST", "/api/v1/persistentvolumes", volume)

    def put_volume(self, volume: Object) -> Object:
        return self.request("PUT", f"/api/v1/persistentvolumes/{quote(volume['metadata']['name'])}", volume)

    def delete_volume(self, volume: Object) -> None:
        """Delete exactly this volume; one that is gone is no error."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": volume["metadata"]["uid"]}}
        try:
            self.request("DELETE", f"/api/v1/persistentvolumes/{quote(volume['metadata']['name'])}", body)
        except ApiError as error:
            if error.status != 404:
                raise

    def get_claim(self, namespace: str, name: str) -> Object | None:
        return self._or_none(f"/api/v1/namespaces/{quote(namespace)}/persistentvolumeclaims/{quote(name)}")

    def put_claim_status(self, claim: Object) -> Object:
        metadata = claim["metadata"]
        return self.request("PUT", f"/api/v1/namespaces/{quote(metadata['namespace'])}/persistentvolumeclaims/{quote(metadata['name'])}/status", claim)

    def get_lease(self, namespace: str, name: str) -> Object | None:
        return self._or_none(f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases/{quote(name)}")

    def create_lease(self, namespace: str, lease: Object) -> Object:
        return self.request("POST", f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases", lease)

    def put_lease(self, namespace: str, name: str, lease: Object) -> Object:
        return self.request("PUT", f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases/{quote(name)}", lease)

    def create_event(self, namespace: str, event: Object) -> Object:
        return self.request("POST", f"/api/v1/namespaces/{quote(namespace)}/events", event)
