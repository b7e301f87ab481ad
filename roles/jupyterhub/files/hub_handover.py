"""What a server gets from the gateway that started it: repositories, data, addresses, a token. Mixed into the spawner; the rules are in hub_launch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub_launch import LaunchRefusedError, check, kept, pod_parts, split, without
from tornado import web
from traitlets import Bool, Dict, default
from traitlets.config import Configurable

TOKEN_VARIABLES = ("CS_ACCESS_TOKEN", "UPSTREAM_TOKEN")  # of Airavata's SDK, and of older Custos notebooks
# Shown instead of no form: a server that was asked for by a link is not started without what the link asked for, unless the person says so.
_WITHOUT = "<p>Start the server without it?</p>"


class HandOverMixin(Configurable):
    """For a spawner of JupyterHub; with KubeSpawner also volumes are mounted."""

    launch = Dict(config=True, help="What links may ask for: `git` (origins of repositories) and `data` (claims and volumes by name).")
    gateway_environment = Dict(config=True, help="Environment variables of every server, from the gateway's values.")
    token_at_spawn = Bool(False, config=True, help="Put an access token into the server's environment when it starts.")

    _mine: frozenset[str] = frozenset()  # keys of volumes and mounts that an earlier start added
    _parts: tuple[dict[str, str], dict[str, Any], dict[str, Any]] = ({}, {}, {})
    _token = ""
    _refused = False

    async def get_options_form(self) -> Any:
        """Return the form; after a link that was refused there always is one."""
        form = await super().get_options_form()
        refused, self._refused = self._refused, False
        return form or (_WITHOUT if refused else form)

    def options_from_query(self, query_data: Mapping[str, list[str]]) -> dict[str, Any]:
        """Return the options of a link, with or without `opt-` before its parameters. Raises HTTPError(400)."""
        launch, rest = split(query_data)
        try:
            launch = check(launch, self.launch)
        except LaunchRefusedError as refused:
            self._refused = True
            raise _shown(refused) from refused
        return {**super().options_from_query(rest), **launch}

    def run_options_from_form(self, form_data: dict[str, Any]) -> dict[str, Any]:
        """Return the options of the form, with the launch that this server was made for: the form does not know it."""
        return {**kept(self.orm_spawner.user_options), **super().run_options_from_form(form_data)}

    @default("apply_user_options")
    def _apply_launch(self) -> Any:
        return lambda spawner, options: spawner.apply_launch(options)

    def apply_launch(self, options: Any) -> None:
        """Prepare the server for its options, which may also come from the API or from another time. Raises HTTPError(400), once: a launch that is
        not allowed, or not any more, is then forgotten, or the server could never be started again.
        """
        try:
            self._parts = pod_parts(check(kept(options), self.launch), self.launch)
        except LaunchRefusedError as refused:
            self.orm_spawner.user_options = without(options)
            raise _shown(refused) from refused
        for trait, index in (("volumes", 1), ("volume_mounts", 2)):
            if self.has_trait(trait):
                own = {key: value for key, value in getattr(self, trait).items() if key not in self._mine}
                setattr(self, trait, {**own, **self._parts[index]})
        self._mine = frozenset({*self._parts[1], *self._parts[2]})

    @default("auth_state_hook")
    def _keep_token(self) -> Any:
        def keep(spawner: HandOverMixin, auth_state: dict[str, Any] | None) -> None:
            spawner._token = (auth_state or {}).get("access_token") or "" if spawner.token_at_spawn else ""

        return keep

    def get_env(self) -> dict[str, str]:
        """Return the environment: the gateway's values, those of the hub and the site over them, then the launch."""
        token = dict.fromkeys(TOKEN_VARIABLES, self._token) if self._token else {}
        return {**self.gateway_environment, **super().get_env(), **self._parts[0], **token}


def _shown(refused: LaunchRefusedError) -> web.HTTPError:
    error = web.HTTPError(400, str(refused))
    error.jupyterhub_message = str(refused)
    return error
