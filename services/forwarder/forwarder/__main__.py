# Copyright: (c) 2026, the airavata.jupyterhub developers
# SPDX-License-Identifier: Apache-2.0
"""Run the forwarder until SIGTERM: python -m forwarder --listen 127.0.0.1:8443 --target 10.77.0.11:30443 --target 10.77.0.21:30443"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal

from forwarder import Forwarder, parse_address


async def run(arguments: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    forwarder = Forwarder(arguments.target, connect_seconds=arguments.connect_seconds, connections=arguments.connections)
    server = await forwarder.serve(arguments.listen)
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    logging.info("listening on %s:%d", *arguments.listen)
    await end.wait()
    server.close()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="forwarder", description="Forward a TCP port to the first target that answers.")
    parser.add_argument("--listen", type=parse_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--target", type=parse_address, required=True, action="append", metavar="HOST:PORT")
    parser.add_argument("--connect-seconds", type=float, default=5.0, help="limit of the try at one target")
    parser.add_argument("--connections", type=int, default=1000, help="how many connections may be open at once")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
