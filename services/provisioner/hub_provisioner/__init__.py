"""Provisioner of the hub's volumes: makes, limits, grows, archives directories of an NFS export for the claims of a cluster."""

__version__ = "0.1.0"
