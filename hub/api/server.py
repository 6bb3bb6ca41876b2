"""The HTTP server: uvicorn inside the hub's own loop, its life in the hub's hands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Callable, Iterator
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from hub.api.connection import Connection, Elsewhere, Patience
from hub.api.turn import Turn
from hub.model.errors import Conflict
from hub.model.node import address_of
from hub.triggers.webhook.quick import QuickIntake

_BACKLOG = 2048
_SEND_BUFFER = 262_144
#: Seconds between two looks at connections that may be too slow.
_LOOK = 1.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the hub's, which stops its parts in order."""
        yield


class HttpServer:
    """Listens from `start()` to `stop()`."""

    def __init__(self, host: str, port: int, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._welcoming: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return address_of(self._host, self._port)

    def bind(self) -> None:
        """Take the address, before anything else begins. Raises Conflict when it cannot be had. Port 0 takes any free one."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Said outright: asyncio turns Nagle's algorithm off only where it reads TCP here. Left on, the second part of an
        # answer waits 40 ms for the sender's acknowledgement of the first.
        taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by connections: what the kernel holds for a peer that never reads, which it would let grow to megabytes.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        try:
            taken.bind((self._host, self._port))
        except OSError as error:
            taken.close()
            why = "another program listens there already" if error.errno == errno.EADDRINUSE else error.strerror
            raise Conflict(
                f"{self.address} cannot be listened on: {why}. Choose another address with --host and --port, "
                "or under server in config/hub.yaml."
            ) from error
        self._port = taken.getsockname()[1]
        self._socket = taken

    async def start(self, app: ASGIApp, quick: QuickIntake | None = None, elsewhere: Elsewhere | None = None) -> None:
        """Answering when it returns. `quick` is the short way for webhooks; `elsewhere` may take connections over."""
        assert self._socket is not None
        _allow_files()
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            http=type(
                "Connection",
                (Connection,),
                {"quick": quick, "patience": self._patience, "turn": Turn(), "elsewhere": elsewhere},
            ),
            ws="none",
            backlog=_BACKLOG,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the HTTP server ended before it began.")
            await asyncio.sleep(0.005)
        self._looking = asyncio.create_task(self._look())

    def adopt(self, connection: socket.socket, data: bytes) -> None:
        """Serve a connection that comes from elsewhere; `data` was read of it, and not answered."""
        task = asyncio.get_running_loop().create_task(self._welcome(connection, data))
        self._welcoming.add(task)
        task.add_done_callback(self._welcoming.discard)

    async def _welcome(self, connection: socket.socket, data: bytes) -> None:
        server = self._server
        if server is None or server.should_exit:
            connection.close()
            return
        make = cast("type[Connection]", server.config.http_protocol_class)
        made = make(config=server.config, server_state=server.server_state, app_state=server.lifespan.state)
        made.early = data
        with contextlib.suppress(OSError):  # its peer is gone
            await asyncio.get_running_loop().connect_accepted_socket(lambda: made, connection)

    async def _look(self) -> None:
        """Cut the slow ones."""
        assert self._server is not None
        loop, connections = asyncio.get_running_loop(), self._server.server_state.connections
        while True:
            await asyncio.sleep(min(_LOOK, self._patience.idle / 4))
            now = loop.time()
            for connection in [one for one in connections if isinstance(one, Connection)]:
                connection.look(now)

    async def stop(self) -> None:
        """Finish the requests under way, at most two seconds."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            if self._looking is not None:
                self._looking.cancel()
        elif self._socket is not None:
            self._socket.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop to serve in: uvloop's where it runs, which takes half the time a request."""
    maker: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        import uvloop

        maker = uvloop.new_event_loop
    return maker()


def _allow_files() -> None:
    """As many open files as this process may have: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
