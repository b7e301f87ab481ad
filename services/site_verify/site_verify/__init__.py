"""A client that uses a JupyterHub site as a browser would, and says step by step whether it works."""

from __future__ import annotations

__all__ = ["errors", "forms", "hub", "kernel", "report", "scenario", "steps"]
