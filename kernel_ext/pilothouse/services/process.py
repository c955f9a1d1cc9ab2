"""The services as the main thing of a process: log, runtime file, orderly end."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from .host import HostConfig, run_process
from .runtime_files import Record, own_record
from .systems import need_unix

__all__ = ["run_services"]

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_services(
    config: HostConfig, announce: Callable[[dict[str, Any]], None], log_name: str = ""
) -> None:
    """Run the services until SIGTERM, SIGINT or SIGHUP.

    Args:
        config: What to start.
        announce: Called once, with pid and endpoints, when all are healthy and others
            can find this process.
        log_name: Where the error output of this process goes, for those who find it.

    Raises:
        ServiceError: If a service does not start.
    """
    need_unix()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_LOG_FORMAT)
    records: list[Record] = []

    def tell(endpoints: dict[str, dict[str, str]]) -> None:
        record = own_record(endpoints, config.data_dir, log_name)
        record.write()
        records.append(record)
        logging.getLogger(__name__).info("up: %s", ", ".join(endpoints))
        announce(record.announcement())
        if log_name:
            _forget_output()

    try:
        run_process(config, tell)
    finally:
        for record in records:
            record.remove()


def _forget_output() -> None:
    """Turn the standard output to nowhere: who started this reads no further."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
