"""What every user's server has in common. Values of a site come from the hub (role jupyterhub)."""

from hub_signatures import FolderSignatureStore

c = get_config()  # noqa: F821  # pylint: disable=undefined-variable  # given by traitlets

c.NotebookNotary.store_factory = FolderSignatureStore
# The image is read-only: extensions come with the next image, so nothing has to ask a package index.
c.LabApp.extension_manager = "readonly"
c.LabServerApp.extension_manager = "readonly"
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "-l"]}
# A trash in the home fails when the home is full, and frees nothing when it is not. JupyterLab asks before it deletes.
c.FileContentsManager.delete_to_trash = False
c.FileContentsManager.always_delete_dir = True
