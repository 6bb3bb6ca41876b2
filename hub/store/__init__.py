"""The store: every verb by which the hub remembers something, and every question that it is asked.

Writes are durable when they return. Nothing above this floor knows what kind of database it is.
"""

from hub.store.store import Store, open_store

__all__ = ["Store", "open_store"]
