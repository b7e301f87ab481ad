"""What the services of Custos' first API share: addresses below /apiserver, and who may call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from custos_double.errors import INTERNAL, NAMES, UNAUTHENTICATED, ApiError
from custos_double.iam import Iam
from custos_double.params import read_params, text
from custos_double.realms import Realms
from custos_double.store import Record
from custos_double.tenants import Caller, Tenants

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREFIX = "/apiserver"


@contextmanager
def as_internal(method: str) -> Iterator[None]:
    """Custos' outer services turn what its inner ones refuse into a 500, with the true reason as a word in the message."""
    try:
        yield
    except ApiError as error:
        raise ApiError(INTERNAL, f"Error occurred at {method} {NAMES[error.code]}: {error.message}") from error


class Service:
    """One service; its handlers are named after the methods of Custos' protocol buffers that they stand for."""

    name = ""

    def __init__(self, tenants: Tenants) -> None:
        self.tenants = tenants
        self.realms: Realms = tenants.realms
        self.iam: Iam = tenants.iam

    def calls(self) -> list[tuple[str, str, Handler]]:
        raise NotImplementedError

    def routes(self) -> list[web.RouteDef]:
        return [web.route(verb, f"{PREFIX}/{self.name}/v1.0.0{path}", handler) for verb, path, handler in self.calls()]

    async def caller(self, request: web.Request, method: str) -> Caller:
        return await self.tenants.caller(request.headers.get("Authorization"), method)

    async def client(self, request: web.Request, method: str) -> Caller:
        """The caller, who must show a client token."""
        caller = await self.caller(request, method)
        if caller.username:
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, a client token is needed")
        return caller

    async def user(self, request: web.Request, method: str) -> Caller:
        """The caller, who must show an administrator's access token."""
        caller = await self.caller(request, method)
        if not caller.username or not caller.admin:
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, an administrator's user token is needed")
        return caller

    async def tenant(self, request: web.Request, method: str) -> tuple[Record, Record]:
        """(tenant, params): the caller's own tenant, or the one that ``client_id`` names."""
        params = await read_params(request)
        return self.tenants.reach(await self.caller(request, method), text(params, "client_id"), method), params

    async def realm(self, request: web.Request, method: str) -> tuple[str, Record]:
        tenant, params = await self.tenant(request, method)
        return str(tenant["tenant_id"]), params
