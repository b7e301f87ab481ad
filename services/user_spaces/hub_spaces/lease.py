"""Who may act: one holder of a Lease, elected by the client library. What it lacks is added here: it survives an API server that does not answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.leaderelection.electionconfig import Config
from kubernetes_asyncio.leaderelection.leaderelection import LeaderElection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock

log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0


class PatientLock(LeaseLock):  # type: ignore[misc]  # the library is in the image, not where types are checked
    """A Lease for which no answer is a failed try, not the end."""

    async def _within_limit(self, call: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(call, _ANSWER_SECONDS)

    async def get(self, name: str, namespace: str) -> Any:
        try:
            return await self._within_limit(super().get(name, namespace))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            refused = ApiException(status=0, reason=f"no answer: {error or type(error).__name__}")
            refused.body = json.dumps({"code": 0})
            return False, refused

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        try:
            return bool(await self._within_limit(super().create(name, namespace, election_record)))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            return False

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        try:
            return bool(await self._within_limit(super().update(name, namespace, updated_record)))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            return False

    async def give_back(self) -> None:
        """Let another instance begin at once."""
        held, record = await self.get(self.name, self.namespace)
        if held and record is not None and record.holder_identity == self.identity:
            self.lease_reference.spec.holder_identity = None
            try:
                await self._within_limit(self.api_instance.replace_namespaced_lease(name=self.name, namespace=self.namespace, body=self.lease_reference))
            except (ApiException, aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                log.warning("the lease was not given back: %s", error)


async def while_leading(client: ApiClient, namespace: str, name: str, identity: str, seconds: int, work: Callable[[], Awaitable[None]]) -> bool:
    """Wait for the lease, then do ``work``. Ends when the work does, or when the lease is lost; returns whether the work ended in order."""
    lock = PatientLock(name, namespace, identity, client)
    ended, in_order = asyncio.Event(), False

    async def begin() -> None:
        nonlocal in_order
        log.info("lease %s/%s taken by %s", namespace, name, identity)
        try:
            await work()
            in_order = True
        except Exception:
            log.exception("the work ended by itself")
        finally:
            ended.set()

    async def lost() -> None:
        log.error("lease %s/%s lost", namespace, name)

    election = asyncio.create_task(
        LeaderElection(Config(lock, seconds, seconds * 2 / 3, max(1.0, seconds / 6), onstarted_leading=begin, onstopped_leading=lost)).run()
    )
    ending = asyncio.create_task(ended.wait())
    await asyncio.wait({election, ending}, return_when=asyncio.FIRST_COMPLETED)
    if ended.is_set():
        election.cancel()
        await lock.give_back()
    ending.cancel()
    await asyncio.gather(election, ending, return_exceptions=True)
    return in_order
