"""Start the controller: ``python -m hub_spaces --namespace hub --policy /etc/user-spaces/policy.json``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import kopf
from aiohttp import web
from user_space.spec import Policy

from . import __version__
from .api import Api, connect
from .keeper import Keeper
from .lease import while_leading
from .store import Store

log = logging.getLogger("hub_spaces")
_EXIT_SECONDS = 10


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="hub_spaces", description="Make, mend and put away what UserSpaces describe.")
    options.add_argument("--version", action="version", version=__version__)
    options.add_argument("--namespace", required=True, help="where the UserSpaces are")
    options.add_argument("--policy", type=Path, required=True, help="file with what holds for every space")
    options.add_argument("--period-seconds", type=float, default=300, help="how often everything is looked at (default: %(default)s)")
    options.add_argument("--lease-seconds", type=int, default=15)
    options.add_argument("--identity", default=f"{socket.gethostname()}_{os.getpid()}", help="name in the lease (default: %(default)s)")
    options.add_argument("--health-port", type=int, default=8080, help="answers while the program is alive; 0 for none (default: %(default)s)")
    return options


async def answer_health(port: int) -> web.AppRunner | None:
    """Answer 200 to everybody who asks; returns what has to be cleaned up."""
    if not port:
        return None

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthy)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


async def lead(api: Api, policy: Policy, namespace: str, period_seconds: float) -> None:
    """Keep the spaces until SIGTERM, which kopf takes, or until kopf gives up."""
    store = Store(policy.prefix, namespace)
    keeper = Keeper(api, store, policy, namespace, period_seconds)
    registry, settings = kopf.get_default_registry(), kopf.OperatorSettings()
    # What it needs to see is there before it starts, and it does not have to watch for more.
    settings.scanning.disabled = True
    settings.posting.enabled = False
    # A watch that failed for good ends kopf, which then may hang while it tidies up, with the lease held: it kills itself after this.
    settings.process.ultimate_exiting_timeout = _EXIT_SECONDS
    settings.watching.client_timeout = 300
    settings.watching.connect_timeout = 10
    store.watch(registry, settings, keeper.wake, keeper.wake_all)
    work = asyncio.create_task(keeper.run())

    async def stop_work(**_: object) -> None:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    # kopf waits some seconds for every task that began after it did, and the keeper's workers never end by themselves.
    kopf.on.cleanup(registry=registry)(stop_work)
    try:
        await kopf.operator(registry=registry, settings=settings, clusterwide=True, standalone=True)
    finally:
        await stop_work()


async def run(given: argparse.Namespace) -> int:
    """Run until the lease is lost or the program is to end; returns the exit code."""
    policy = Policy.read(json.loads(given.policy.read_text()))
    me = asyncio.current_task()
    assert me is not None
    # As long as it waits for the lease; then kopf takes the signal. The first process of a container has no default for it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    health = await answer_health(given.health_port)
    client = await connect()
    try:
        log.info("hub_spaces %s as %s for the UserSpaces in %s", __version__, given.identity, given.namespace)
        api = Api(client)
        in_order = await while_leading(
            client, given.namespace, "user-spaces", given.identity, given.lease_seconds, lambda: lead(api, policy, given.namespace, given.period_seconds)
        )
    finally:
        await client.close()
        if health is not None:
            await health.cleanup()
    return 0 if in_order else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Start. A lost lease ends the program: whoever runs it starts it again."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        return asyncio.run(run(parser().parse_args(argv)))
    except asyncio.CancelledError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
