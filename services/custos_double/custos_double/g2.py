"""Custos' second API (/api/v1, release 1.1): what its services share. Errors are plain text, defaults are left out, and what nobody foresaw is a 500."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from custos_double.errors import INTERNAL, UNAUTHENTICATED, ApiError
from custos_double.g1 import Handler, Service
from custos_double.store import Record
from custos_double.tenants import Caller

PREFIX = "/api/v1"


def unexpected() -> ApiError:
    """Spring found no handler, no parameter or no JSON where it looked for one: always the same 500."""
    return ApiError(INTERNAL, "Unexpected error occurred")


def without_defaults(value: Any) -> Any:
    """What protobuf's JSON leaves out is left out: empty text, zero (64-bit numbers are text), false, empty lists and objects."""
    if isinstance(value, dict):
        shown = {name: without_defaults(item) for name, item in value.items()}
        return {name: item for name, item in shown.items() if item not in ("", "0", 0, False, None, [], {})}
    return [without_defaults(item) for item in value] if isinstance(value, list) else value


def answer(message: Record, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(without_defaults(message), status=status, headers=headers)


async def body_of(request: web.Request) -> Record:
    """The JSON object in the body, also of a GET."""
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise unexpected() from error
    if not isinstance(body, dict):
        raise unexpected()
    return body


class G2Service(Service):
    """One service of the second API."""

    inherits = False  # whether handlers are ones of the first API: then defaults are taken out of their answers

    def routes(self) -> list[web.RouteDef]:
        return [web.route(verb, f"{PREFIX}/{self.name}{path}", self._plain(handler)) for verb, path, handler in self.calls()]

    def _plain(self, handler: Handler) -> Handler:
        async def wrapped(request: web.Request) -> web.StreamResponse:
            try:
                response = await handler(request)
            except ApiError as error:
                return web.Response(status=error.status, text=f"Unauthorized: {error.message}" if error.code == UNAUTHENTICATED else error.message)
            if self.inherits and isinstance(response, web.Response) and response.content_type == "application/json":
                response.text = json.dumps(without_defaults(json.loads(response.text or "{}")))
            return response

        return wrapped

    async def caller(self, request: web.Request, method: str) -> Caller:
        """Who is asking; unlike the first API this one insists on ``Bearer``, and has one answer to everything that is wrong with a token."""
        header = request.headers.get("Authorization", "")
        try:
            if not header.startswith("Bearer "):
                raise ApiError(UNAUTHENTICATED, "Token not found")
            return await self.tenants.caller(header, method)
        except ApiError as error:
            raise ApiError(UNAUTHENTICATED, f"Invalid token: {error.message}") from error


async def nothing_here(_request: web.Request) -> web.Response:
    """Also an address that does not exist is an unexpected error."""
    return web.Response(status=500, text=unexpected().message)
