"""The requests of the controller, as plain dictionaries, on the client library's connections and credentials."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.exceptions import ApiException
from user_space.paths import path, path_of

Object = dict[str, Any]
_ANSWER_SECONDS = 20.0
_ANSWERS = dict.fromkeys((200, 201, 202), "object")


class ApiError(Exception):
    """A request that failed. ``status`` is that of HTTP, 0 when there was no answer."""

    def __init__(self, what: str, status: int, message: str) -> None:
        super().__init__(f"{what}: {message}" + (f" (HTTP {status})" if status else ""))
        self.status = status


async def connect() -> ApiClient:
    """Return a client with the account of the pod, or with the kubeconfig of the environment."""
    try:
        config.load_incluster_config()
    except config.ConfigException:
        await config.load_kube_config()
    return ApiClient()


class Api:
    """Requests to the API server."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def request(self, method: str, where: str, body: Object | None = None) -> Object:
        """Make one request and return the answer's object. Raises ApiError for anything but success."""
        what = f"{method} {where}"
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "hub-user-spaces"}
        try:
            answer, _status, _headers = await self._client.call_api(
                where,
                method,
                body=body,
                header_params=headers,
                auth_settings=["BearerToken"],
                response_types_map=_ANSWERS,
                _request_timeout=_ANSWER_SECONDS,
            )
        except ApiException as error:
            try:
                message = json.loads(error.body)["message"]
            except (ValueError, KeyError, TypeError):
                message = str(error.reason)
            raise ApiError(what, error.status or 0, message) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise ApiError(what, 0, f"no answer: {error or type(error).__name__}") from error
        return dict(answer or {})

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, None if it is not there."""
        try:
            return await self.request("GET", path(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, item: Object) -> Object:
        """Create an object."""
        return await self.request("POST", path_of(item, named=False), item)

    async def replace(self, item: Object, part: str = "") -> Object:
        """Write an object whole (``part``: only ``/status``), over the version that was read."""
        return await self.request("PUT", path_of(item) + part, item)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with that uid; one that is gone, or another by now, is no error."""
        try:
            await self.request("DELETE", path(kind, namespace, name), {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}})
        except ApiError as error:
            if error.status not in (404, 409):
                raise
