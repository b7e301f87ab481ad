"""How a user's server is started: KubeSpawner, with an owner for each home."""

from __future__ import annotations

from functools import partial
from typing import Any

import jupyterhub.utils
import kubespawner.spawner
from hub_handover import HandOverMixin
from hub_settings import ACCOUNTS_ANNOTATION, GID_ANNOTATION, UID_ANNOTATION, passwd_file, user_uid
from kubespawner import KubeSpawner
from traitlets import Integer, Unicode, default

# A server starts in 2-3 seconds, and both waits for it ("is the pod running", "does it answer") would by default look after up to
# 0.8, then 1.6, then 3.2 more seconds. The first looks at memory only, the second is one request to the user's own pod.
_SECONDS_BETWEEN_LOOKS = 0.3
for _module in (jupyterhub.utils, kubespawner.spawner):
    _module.exponential_backoff = partial(jupyterhub.utils.exponential_backoff, start_wait=0.1, max_wait=_SECONDS_BETWEEN_LOOKS)


class UserSpawner(HandOverMixin, KubeSpawner):
    """Every user has an id of their own, in pods and on the volume."""

    first_uid = Integer(20000, config=True, help="User ids are this plus the number of the user in the hub's database.")
    home_dir = Unicode("/home/jovyan", config=True, help="Where the home is mounted.")

    @default("uid")
    def _default_uid(self) -> int:
        return user_uid(self.first_uid, self.user.id)

    async def get_pod_manifest(self) -> Any:
        """Return the pod, with the text of its /etc/passwd as an annotation that a volume shows as a file."""
        pod = await super().get_pod_manifest()
        pod.metadata.annotations[ACCOUNTS_ANNOTATION] = passwd_file(self.user.name, self.uid, self.gid, self.home_dir)
        return pod

    def get_pvc_manifest(self) -> Any:
        """Return the claim, with the owner that the provisioner gives to its directory."""
        claim = super().get_pvc_manifest()
        claim.metadata.annotations[UID_ANNOTATION] = str(self.uid)
        claim.metadata.annotations[GID_ANNOTATION] = str(self.gid)
        return claim

    async def _ensure_namespace(self) -> None:
        """Make nothing: namespaces are the site's to make, the hub has no right to. Called when users have namespaces of their own."""
