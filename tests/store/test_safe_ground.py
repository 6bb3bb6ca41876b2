"""A database that can lose what it has acknowledged is refused, unless somebody has decided to live with that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import FakeClock
from postgres_cluster import Cluster

from hub.model.errors import BadInput, StoreUnavailable
from hub.store import open_store
from hub.store.dialects.postgres_ground import dangers
from hub.store.dialects.postgres_link import Link
from hub.store.dialects.sqlite_file import network_dangers


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.stop()


@pytest.fixture
def setting(cluster: Cluster) -> Iterator[Cluster]:
    """The server, whose settings are as they were at the end."""
    yield cluster
    cluster.execute("ALTER SYSTEM RESET ALL")
    cluster.execute("SELECT pg_reload_conf()")


def reloaded(cluster: Cluster, name: str) -> None:
    """Until new sessions have it."""
    cluster.execute("SELECT pg_reload_conf()")
    for _ in range(200):
        if cluster.execute(f"SHOW {name}") == [("off",)]:
            return
        cluster.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(f"{name} is not off")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_without_it_is_refused(setting: Cluster, name: str, caplog: pytest.LogCaptureFixture) -> None:
    setting.execute(f"ALTER SYSTEM SET {name} = off")
    reloaded(setting, name)
    with pytest.raises(
        StoreUnavailable, match=rf"no safe place for the store: the server runs with {name} = off"
    ) as told:
        open_store(setting.url(), FakeClock())
    assert "store_options: {allow_unsafe: true}" in str(told.value)
    with caplog.at_level(logging.WARNING):
        asyncio.run(open_store(setting.url(), FakeClock(), allow_unsafe=True).close())
    assert f"{name} = off" in caplog.text


def test_a_database_that_cannot_hold_every_text_is_refused(cluster: Cluster) -> None:
    cluster.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(StoreUnavailable, match="encoding is LATIN1"):
        open_store(cluster.url("latin"), FakeClock())


def test_a_standby_is_refused(cluster: Cluster) -> None:
    standby = cluster.standby()
    try:
        with pytest.raises(StoreUnavailable, match="the server is a standby"):
            open_store(standby.url(), FakeClock())
    finally:
        standby.stop()


def test_a_pooler_in_between_is_refused(cluster: Cluster) -> None:
    """A pooler speaks for sessions of its own: it tells clients another process id than that of the session behind it."""
    link = Link(cluster.url())

    class Pooled:
        backend = link.backend + 1
        simple = staticmethod(link.simple)

    assert dangers(link) == []
    (said,) = dangers(Pooled())  # type: ignore[arg-type]
    assert "pooler" in said
    link.close()


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"postgresql://hub@127\.0\.0\.1:1/hub cannot be opened") as told:
        open_store("postgresql://hub:secret-word@127.0.0.1:1/hub", FakeClock())
    assert "secret-word" not in str(told.value)


@pytest.mark.parametrize("url", ["postgresql://hub:secret%zzword@host/hub", "postgresql://hub:secret/word@host:x/hub"])
def test_an_address_that_cannot_be_read_is_not_told(url: str) -> None:
    with pytest.raises((BadInput, StoreUnavailable)) as told:
        open_store(url, FakeClock())
    assert "word" not in str(told.value).replace("a password", "")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(("kind", "refused"), [("nfs4", True), ("cifs", True), ("ext4", False), ("tmpfs", False)])
def test_a_file_on_a_network_file_system_is_refused(tmp_path: Path, kind: str, refused: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/far {kind} rw 0 0\n/dev/b {tmp_path}/farther ext4 rw 0 0\n"
    )
    (tmp_path / "far").mkdir()
    assert bool(network_dangers(tmp_path / "far" / "hub.db", mounts)) == refused
    assert network_dangers(tmp_path / "near.db", mounts) == []
    assert network_dangers(tmp_path / "farther" / "hub.db", mounts) == []
