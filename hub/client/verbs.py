"""What every page of the client has: the hub that it asks."""

from __future__ import annotations

from hub.drivers import ProjectDriver


class Verbs:
    """Verbs on one hub."""

    def __init__(self, driver: ProjectDriver) -> None:
        self._driver = driver
        self._store = driver.store
