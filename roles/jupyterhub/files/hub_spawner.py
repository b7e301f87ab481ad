"""How a user's server is started: KubeSpawner, in the space of its user."""

from __future__ import annotations

from functools import partial
from typing import Any

import jupyterhub.utils
import kubespawner.spawner
from hub_handover import HandOverMixin
from hub_settings import ACCOUNTS_ANNOTATION, passwd_file
from hub_space_mixin import SpaceMixin
from kubespawner import KubeSpawner
from traitlets import Unicode

# A server starts in 2-3 seconds, and both waits for it ("is the pod running", "does it answer") would by default look after up to
# 0.8, then 1.6, then 3.2 more seconds. The first looks at memory only, the second is one request to the user's own pod.
_SECONDS_BETWEEN_LOOKS = 0.3
for _module in (jupyterhub.utils, kubespawner.spawner):
    _module.exponential_backoff = partial(jupyterhub.utils.exponential_backoff, start_wait=0.1, max_wait=_SECONDS_BETWEEN_LOOKS)


class UserSpawner(HandOverMixin, SpaceMixin, KubeSpawner):
    """Every user has a name in their pod, whatever number they are there."""

    home_dir = Unicode("/home/jovyan", config=True, help="Where the home is mounted.")

    async def get_pod_manifest(self) -> Any:
        """Return the pod, with the text of its /etc/passwd as an annotation that a volume shows as a file."""
        pod = await super().get_pod_manifest()
        pod.metadata.annotations[ACCOUNTS_ANNOTATION] = passwd_file(self.user.name, self.uid, self.gid, self.home_dir)
        return pod
