"""A server starts in its user's space, which is asked for and waited for. Mixed into KubeSpawner; the rules are in hub_space."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from hub_settings import user_uid
from hub_space import SpaceRefusedError, amended, for_groups, groups_of, is_ready, request_for, too_late, volume_parts
from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client
from traitlets import Dict, Integer, List, Unicode, default
from traitlets.config import Configurable
from user_space_names import GROUP, PLURAL, SHARED_PREFIX, VERSION, namespace_name, space_name

_LOOK_SECONDS = 0.3
_PART_OF_START = 0.8  # of the time a start may take: so that the person reads why, and not only that it took too long


class SpaceMixin(Configurable):
    """Namespace, user id, home and shared folders are the controller's to give; the hub makes none of them."""

    hub_namespace = Unicode("hub", config=True, help="Where UserSpaces are.")
    namespace_prefix = Unicode("hub-user-", config=True, help="Begins the names of users' namespaces.")
    first_uid = Integer(0, config=True, help="Ask for this plus the number of the user in the hub's database as user id. 0: do not ask.")
    shared_folders = List(Dict(), config=True, help="Folders with `name`, `gid`, `read_only`, `groups`.")
    site_profiles = List(Dict(), config=True, help="Profiles as in KubeSpawner.profile_list, each with `groups` that may have it.")

    @default("user_namespace_template")
    def _own_namespace(self) -> str:
        return namespace_name(self.namespace_prefix, self.user.name)

    @default("profile_list")
    def _own_profiles(self) -> Any:
        return self._profiles_of if self.site_profiles else []

    async def _profiles_of(self, _spawner: Any) -> list[dict[str, Any]]:
        return for_groups(self.site_profiles, await self._groups())

    async def _groups(self) -> set[str]:
        return groups_of((group.name for group in self.user.groups), await self.user.get_auth_state())

    def _resource(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self.hub_namespace, PLURAL

    async def _asked_for(self, shared: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the user's UserSpace, made or brought up to date."""
        api, name = shared_client("CustomObjectsApi"), space_name(self.user.name)
        uid = user_uid(self.first_uid, self.user.id) if self.first_uid else None
        try:
            item = await api.get_namespaced_custom_object(*self._resource(), name)
        except ApiException as error:
            if error.status != 404:
                raise
            return dict(await api.create_namespaced_custom_object(*self._resource(), request_for(self.user.name, self.hub_namespace, shared, uid)))
        changed = amended(item, shared)
        if changed is None or item["metadata"].get("deletionTimestamp"):
            return dict(item)
        return dict(await api.replace_namespaced_custom_object(*self._resource(), name, changed))

    async def _ensure_namespace(self) -> None:
        """Wait for the user's space and move in. Raises SpaceRefusedError, whose sentence the person is shown."""
        shared = for_groups(self.shared_folders, await self._groups())
        limit = self.start_timeout * _PART_OF_START
        deadline = time.monotonic() + limit
        try:
            item = await self._asked_for(shared)
            while not is_ready(item):
                if time.monotonic() > deadline:
                    raise too_late(item, limit)
                await asyncio.sleep(_LOOK_SECONDS)
                item = await shared_client("CustomObjectsApi").get_namespaced_custom_object(*self._resource(), space_name(self.user.name))
        except SpaceRefusedError as refused:
            self.log.warning("no server for %s: %s", self.user.name, refused)
            raise
        status = item["status"]
        # A server that was started before there were namespaces of users has another one in its state.
        self.namespace = status["namespace"]
        self.dns_name = self.dns_name_template.format(namespace=self.namespace, name=self.pod_name)
        self.uid, self.gid = status["uid"], status["gid"]
        self.supplemental_gids = [folder["gid"] for folder in shared if folder.get("gid")]
        for trait, parts in zip(("volumes", "volume_mounts"), volume_parts(shared)):
            kept = {key: value for key, value in getattr(self, trait).items() if not key.startswith(SHARED_PREFIX)}
            setattr(self, trait, {**kept, **parts})

    async def delete_forever(self) -> None:
        """Give a user's space back when the hub deletes the user: the controller stops what runs, and the provisioner archives the home."""
        if self.name:
            return
        try:
            await shared_client("CustomObjectsApi").delete_namespaced_custom_object(*self._resource(), space_name(self.user.name))
        except ApiException as error:
            if error.status != 404:
                raise
