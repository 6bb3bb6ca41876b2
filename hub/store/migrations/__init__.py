"""Steps from one schema to the next: `step_2` leads from version 1 to version 2, and so on.

A new database is made from `hub.store.tables` at once; the steps are for those that are there. All that are missing run in one
transaction, which the dialect has opened: they happen together with the new version, or not at all. A step only adds: a node of
the version before goes on working beside it.
"""

from __future__ import annotations

import importlib
import logging

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection

log = logging.getLogger(__name__)


def climb(connection: Connection, there: int, wanted: int) -> None:
    """Run the steps behind version `there`, up to `wanted`."""
    operations = Operations(MigrationContext.configure(connection))
    for version in range(there + 1, wanted + 1):
        log.info("the store's schema goes from version %d to %d", version - 1, version)
        importlib.import_module(f"{__name__}.step_{version}").climb(operations)
