"""The hub's configuration: values of the site and secrets, put in by role jupyterhub, applied to JupyterHub's classes."""

import json
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here))

from hub_login import SiteAuthenticator
from hub_settings import settings
from hub_spawner import UserSpawner

c = get_config()  # noqa: F821  # pylint: disable=undefined-variable  # given by traitlets

values = json.loads((here / "values.json").read_text())
# `..data` and the like are Kubernetes' own: only plain files count.
secrets = {path.name: path.read_text().strip() for path in Path(values["secrets_dir"]).iterdir() if not path.name.startswith(".") and path.is_file()}

c.JupyterHub.authenticator_class = SiteAuthenticator
c.JupyterHub.spawner_class = UserSpawner
c.JupyterHub.template_paths = [str(here)]
for name, traits in settings(values, secrets).items():
    c[name].update(traits)
