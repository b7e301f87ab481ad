"""What every kernel and terminal IPython has in common."""

c = get_config()  # noqa: F821  # pylint: disable=undefined-variable  # given by traitlets

# SQLite on a network file system can stall a kernel at its start.
c.HistoryManager.hist_file = "/tmp/ipython-history.sqlite"  # noqa: S108  # private to the pod

# Keeps the access token for the gateway fresh, where the hub says so.
c.InteractiveShellApp.extensions = ["hub_token"]
