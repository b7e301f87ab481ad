"""What Prometheus sees. Names of volumes are those of their claims; usage is read when it is asked for, at most every quarter minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily

from .errors import StorageError
from .limits import Usage

log = logging.getLogger(__name__)
_FRESH_SECONDS = 15.0
# (namespace, claim, volume, usage) of volumes, (path, usage) of shared folders, and archives
Reading = tuple[list[tuple[str, str, str, Usage]], list[tuple[str, Usage]], list[Usage]]
_FIELDS = (
    ("used_bytes", "Bytes used", "used"),
    ("limit_bytes", "Bytes that may be used; 0 for any", "limit"),
    ("soft_limit_bytes", "Bytes that may be used for longer than the grace time; 0 for no such limit", "soft"),
    ("used_inodes", "Files, directories and links", "inodes"),
    ("limit_inodes", "Files, directories and links there may be; 0 for any", "inode_limit"),
)


class _UsageCollector:
    """Usage of every volume, read on request."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._reading: Reading = ([], [], [])

    def describe(self) -> list[Any]:
        return []  # nothing is read at registration

    def collect(self) -> Iterator[Any]:
        with self._lock:
            if time.monotonic() - self._at > _FRESH_SECONDS:
                try:
                    self._reading = self._read()
                except StorageError as error:
                    log.warning("usage: %s", error)
                    self._reading = ([], [], [])
                self._at = time.monotonic()
            volumes, shared, archives = self._reading
        for name, text, field in _FIELDS:
            family: Any = GaugeMetricFamily(
                f"hub_volume_{name}", f"{text} (a claim's volume)", labels=["namespace", "persistentvolumeclaim", "persistentvolume"]
            )
            for namespace, claim, volume, usage in volumes:
                family.add_metric([namespace, claim, volume], getattr(usage, field))
            yield family
            family = GaugeMetricFamily(f"hub_shared_folder_{name}", f"{text} (a shared folder)", labels=["folder"])
            for folder, usage in shared:
                family.add_metric([folder], getattr(usage, field))
            yield family
        yield GaugeMetricFamily("hub_archives", "Archived volumes", value=len(archives))
        yield GaugeMetricFamily("hub_archives_used_bytes", "Bytes used by archived volumes", value=sum(usage.used for usage in archives))


class Metrics:
    """Counters of the work, and the server that shows them."""

    def __init__(self, read_usage: Callable[[], Reading]) -> None:
        self.registry = CollectorRegistry()
        self.operations = Counter("hub_provisioner_operations", "Work done, by kind and outcome", ["operation", "outcome"], registry=self.registry)
        self.seconds = Histogram("hub_provisioner_operation_seconds", "Time of work, by kind", ["operation"], registry=self.registry)
        self.leader = Gauge("hub_provisioner_leader", "1 while this instance holds the lease", registry=self.registry)
        self.waiting = Gauge("hub_provisioner_queue_length", "Objects that wait for work", registry=self.registry)
        self.orphans = Gauge("hub_storage_orphans", "Things on the disk without a volume, or the other way round", ["kind"], registry=self.registry)
        self.unchecked = Gauge("hub_archives_without_checksums", "Archives whose checksums are not made yet", registry=self.registry)
        self.deleted_archives = Counter("hub_archives_deleted", "Archives deleted because of their age", registry=self.registry)
        self.deleted_bytes = Counter("hub_archives_deleted_bytes", "Bytes of files in them", registry=self.registry)
        self.registry.register(_UsageCollector(read_usage))

    def serve(self, address: str, port: int) -> None:
        """Answer on an address, from a thread of its own."""
        start_http_server(port, addr=address, registry=self.registry)
