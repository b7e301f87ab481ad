"""Put the parts together and serve them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Handler

from custos_double import keys
from custos_double.clients import Clients
from custos_double.errors import UNAVAILABLE, ApiError, OAuthError, PageError, SettingsError
from custos_double.g1 import PREFIX, Service
from custos_double.g1_groups import GroupService
from custos_double.g1_identity import IdentityService
from custos_double.g1_secrets import SecretService
from custos_double.g1_tenants import TenantService
from custos_double.g1_users import UserService
from custos_double.g2 import PREFIX as PREFIX_2
from custos_double.g2 import nothing_here
from custos_double.g2_identity import G2IdentityService
from custos_double.g2_management import G2GroupService, G2TenantService, G2UserService
from custos_double.groups import Groups
from custos_double.iam_builtin import BuiltinIam
from custos_double.iam_keycloak import KeycloakIam
from custos_double.keycloak_admin import RealmAdmin
from custos_double.keycloak_people import PeopleAdmin
from custos_double.keycloak_rest import AdminRest
from custos_double.oidc import Oidc
from custos_double.realms import MASTER, Realms
from custos_double.roles import Roles
from custos_double.settings import Faults, Settings
from custos_double.store import Store
from custos_double.tenants import Tenants

LOG = logging.getLogger("custos_double")
PURGE_SECONDS = 300
BODY_BYTES = 1024 * 1024


class AccessLog(AbstractAccessLogger):
    """One line per request, without its query: codes and tokens travel there."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.info("%s %s %s %s %.3fs", request.remote, request.method, request.path, response.status, time)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each refusal the shape of the part of Custos it comes from."""
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response(error.body(), status=error.status)
    except OAuthError as error:
        return web.json_response(error.body(), status=error.status, headers={"Cache-Control": "no-store"} if error.status != 404 else {})
    except PageError as error:
        oidc: Oidc = request.app[OIDC]
        return oidc.message_page("We are sorry", error.message, is_error=True, status=error.status)


@web.middleware
async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make the trouble that was asked for."""
    knobs = request.app[SETTINGS].faults
    if not request.path.startswith(("/double/", "/healthz")):
        if knobs.unavailable_count > 0 and request.path.startswith(knobs.unavailable_path):
            knobs.unavailable_count -= 1
            if request.path.startswith(PREFIX):
                raise ApiError(UNAVAILABLE, "upstream connect error or disconnect/reset before headers")
            return web.Response(status=503, text="Service Unavailable")
        if knobs.slow_seconds:
            await asyncio.sleep(knobs.slow_seconds)
        await request.app[TENANTS].approve_due()
    return await handler(request)


SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
OIDC: web.AppKey[Oidc] = web.AppKey("oidc", Oidc)
TENANTS: web.AppKey[Tenants] = web.AppKey("tenants", Tenants)


async def _fault_endpoint(request: web.Request) -> web.Response:
    """Read or set the fault knobs; from this machine only, and only when the configuration allows it."""
    settings = request.app[SETTINGS]
    if not settings.fault_endpoint or not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104 - an address to compare, not to bind
        raise web.HTTPNotFound
    if request.method == "PUT":
        try:
            values = json.loads(await request.read())
            settings.faults = Faults.parse(values if isinstance(values, dict) else {"body": values})
        except (ValueError, SettingsError) as error:
            return web.json_response({"error": str(error)}, status=400)
    return web.json_response(vars(settings.faults))


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def seed(tenants: Tenants, settings: Settings) -> None:
    """Make configured tenants and people exist. Passwords are hashed again only when they changed."""
    store, now = tenants.store, tenants.realms.clock()
    for tenant in settings.tenants:
        await tenants.seed(tenant)
    if settings.keycloak_admin:
        realms, username = tenants.realms, settings.keycloak_admin["username"].lower()
        password = await asyncio.to_thread(keys.hash_password, settings.keycloak_admin["password"])
        values = {"id": (realms.user(MASTER, username) or {}).get("id"), "first_name": "", "last_name": "", "email": ""}
        store.put("realm", "", MASTER, {"id": MASTER, "realm": MASTER})
        realms.save_user(MASTER, realms.new_user(username, values, password, enabled=True, admin=True))
    key = store.get("key", "", "forms", now) or {}
    for user in settings.users:
        username = user["username"].lower()
        mark = keys.fingerprint(str(key.get("secret")) + repr(sorted(user.items())))
        old = store.get("directory", "", username, now)
        if old is None or old.get("mark") != mark:
            password = await asyncio.to_thread(keys.hash_password, user["password"])
            store.put("directory", "", username, {**user, "username": username, "password": password, "mark": mark})
    known = {user["username"].lower() for user in settings.users}
    for person in store.list("directory", "", now):
        if person["username"] not in known:  # nobody comes back to a realm with an account that was taken away
            store.delete("directory", "", person["username"])


def build(settings: Settings, clock: Callable[[], float] = time.time) -> web.Application:
    """The application; opens the state file, seeds it at start-up and closes it at the end."""
    store = Store(settings.state_file)
    realms = Realms(store, settings, lambda: clock() + settings.faults.clock_skew_seconds)
    tenants = Tenants(realms)
    clients = Clients(tenants)
    oidc = Oidc(clients, realms)
    roles = Roles(realms)
    tenants.iam = KeycloakIam(realms, settings.keycloak) if settings.keycloak else BuiltinIam(oidc, roles)
    app = web.Application(middlewares=[errors, faults], client_max_size=BODY_BYTES)
    app[SETTINGS], app[OIDC], app[TENANTS] = settings, oidc, tenants
    users, users_2, groups = UserService(tenants), G2UserService(tenants), Groups(tenants)
    services: list[Service | AdminRest | Oidc] = [
        TenantService(tenants), IdentityService(tenants), users, GroupService(users, groups), SecretService(tenants),
        G2TenantService(tenants), G2IdentityService(groups, tenants), users_2, G2GroupService(users_2, groups),
    ]  # fmt: skip
    if not settings.keycloak:
        services += [oidc, RealmAdmin(clients, roles), PeopleAdmin(clients, roles)]
    for service in services:
        app.add_routes(service.routes())
    app.add_routes([web.route("*", f"{PREFIX_2}/{{tail:.*}}", nothing_here)])
    app.add_routes([web.get("/healthz", _health), web.get("/double/faults", _fault_endpoint), web.put("/double/faults", _fault_endpoint)])

    async def purge() -> None:
        while True:
            store.purge(clock())
            await asyncio.sleep(PURGE_SECONDS)

    async def lifetime(_app: web.Application) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(store.close)
            stack.push_async_callback(tenants.iam.close)
            await seed(tenants, settings)
            task = asyncio.create_task(purge())
            yield
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    app.cleanup_ctx.append(lifetime)
    return app


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"certificate: cannot use {settings.certificate} with {settings.key}: {error}.") from error
    runner = web.AppRunner(build(settings), access_log_class=AccessLog, access_log=LOG, shutdown_timeout=5)
    await runner.setup()
    try:
        for host, port in settings.listen:
            try:
                await web.TCPSite(runner, host, port, ssl_context=context, reuse_address=True).start()
            except OSError as error:
                raise SettingsError(f"listen: cannot listen on {host}:{port}: {error.strerror}.") from error
        LOG.info("listening on %s as %s", ", ".join(f"{host}:{port}" for host, port in settings.listen), settings.front_url)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()
