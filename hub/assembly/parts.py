"""The parts of a hub, wired: for the command line one by one, for `hub serve` all running."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from dataclasses import dataclass, replace
from pathlib import Path

from hub.assembly.common_time import go_by_the_nodes
from hub.assembly.definitions import revision_of
from hub.assembly.examining import Examiner
from hub.assembly.files import Files, database_url
from hub.assembly.planning import Planning
from hub.assembly.reaching import Reached
from hub.assembly.trying import Trial
from hub.client import Client
from hub.declare.config import Config
from hub.dispatch.deciding import Rules
from hub.dispatch.deliver import Dispatcher
from hub.dispatch.match import Bindings
from hub.drivers import ProjectDriver
from hub.engine.lease import Lease, this_process
from hub.engine.surroundings import Surroundings
from hub.engine.worker import MOST_RUNNING, Worker
from hub.expressions import Evaluator
from hub.identity.gate import Gate
from hub.identity.uses import Uses
from hub.model.clock import Clock, SharedClock, SystemClock, new_id
from hub.model.errors import ConfigError
from hub.model.identity import ANONYMOUS, Principal, local
from hub.store import Store, open_store
from hub.store.nodes import About
from hub.store.verbs import Probe, no_probe

log = logging.getLogger(__name__)

#: How many seconds a command waits until its change can be written: people think it stands still then.
_PATIENCE = 30.0
#: How many seconds a command that has worked on executions gives itself to give them back.
_LAST_SECONDS = 10.0
#: How often a command looks whether the server that it waits for is still there, and how often that has to be gone in a row:
#: one that is started again must find its seat free.
_SEAT_SECONDS = 0.25
_SEAT_LOOKS = 12


@dataclass(slots=True)
class Parts:
    """A hub that is wired and not running."""

    files: Files
    config: Config
    clock: SharedClock
    store: Store
    surroundings: Surroundings
    evaluator: Evaluator
    dispatcher: Dispatcher
    #: Asked by the operator of this machine; in a server by nobody, until somebody has shown who they are.
    client: Client
    driver: ProjectDriver
    reached: Reached
    #: This process as a worker of executions, and what others are told of it.
    node: str
    about: About
    #: Done when storage failed, with the error: nothing can be written any more in this process.
    broken: asyncio.Future[Exception]

    def worker(self) -> tuple[Worker, Lease]:
        """A worker for this node. It is woken by what this process commits."""
        slots = self.config.engine.max_running
        worker = Worker(
            self.store,
            self.files.registry,
            self.surroundings,
            self.clock,
            self.node,
            slots=MOST_RUNNING if slots is None else slots,
        )
        self.store.listen(worker.hear)
        lease = Lease(
            self.store,
            self.clock,
            self.node,
            worker,
            seconds=self.config.engine.lease / 1000,
            about=self.about,
            shared=self.clock,
        )
        return worker, lease

    def replace(self, files: Files) -> None:
        """Put changed files into effect. The store, the address and the databases stay those of the start."""
        if files.config is None:
            raise ConfigError(files.problems)
        self.files, self.config = files, files.config
        self.surroundings = replace(files.surroundings(self.surroundings.databases), used=self.surroundings.used)
        self.driver.registry, self.driver.surroundings = files.registry, self.surroundings
        self.driver.executors = {executor.name: executor for executor in files.executors}
        self.driver.broken = files.broken
        self.dispatcher.rules = Rules(Bindings(files.executors), files.registry, self.surroundings)
        self.about = replace(self.about, revision=revision_of(files.root))

    async def close(self) -> None:
        await self.evaluator.close()
        self.files.judging.close()
        await self.files.fetching.close()
        await self.store.close()
        for database in self.surroundings.databases.values():
            database.close()


async def open_parts(
    files: Files, *, serving: bool = False, clock: Clock | None = None, probe: Probe = no_probe
) -> Parts:
    """Open the store and wire everything to it. `serving` is for the one process that serves.

    Raises ConfigError when config/hub.yaml cannot be used, StoreUnavailable when the database cannot.
    """
    if files.config is None:
        raise ConfigError(files.problems)
    config, clock = files.config, SharedClock(clock or SystemClock())
    store, broken = _open_store(config, files.root, clock, serving=serving, probe=probe)
    if not serving:
        await go_by_the_nodes(store, clock)
    uses = Uses(store.permission_used, clock)
    surroundings = replace(files.surroundings(), used=uses)
    evaluator = Evaluator()
    rules = Rules(Bindings(files.executors), files.registry, surroundings)
    dispatcher = Dispatcher(store, evaluator, clock, rules)
    store.listen(lambda topic: dispatcher.waker.ring() if topic == "events" else None)
    reached = Reached(config.server, store)
    driver = ProjectDriver(
        store=store,
        registry=files.registry,
        surroundings=surroundings,
        clock=clock,
        executors={executor.name: executor for executor in files.executors},
        broken=files.broken,
        reached=reached,
        gate=Gate(files.root, clock, store),
        uses=uses,
        dispatch=dispatcher.run_once,
        replay=dispatcher.replay,
        preview=dispatcher.preview,
    )
    client = Client(driver, ANONYMOUS if serving else operator())
    node, about = new_id(clock.now()), this_process(revision_of(files.root))
    parts = Parts(
        files, config, clock, store, surroundings, evaluator, dispatcher, client, driver, reached, node, about, broken
    )
    _follow_files(driver, parts)
    return parts


def _open_store(
    config: Config, root: Path, clock: Clock, *, serving: bool, probe: Probe
) -> tuple[Store, asyncio.Future[Exception]]:
    """The store, and what is done when storage has failed."""
    loop = asyncio.get_running_loop()
    broken: asyncio.Future[Exception] = loop.create_future()

    def on_broken(error: Exception) -> None:
        loop.call_soon_threadsafe(broken.set_result, error)

    store = open_store(
        database_url(config.store, root),
        clock,
        checkpoints=serving,
        probe=probe,
        on_broken=on_broken,
        allow_unsafe=config.allow_unsafe,
        patience=None if serving else _PATIENCE,
    )
    return store, broken


def _follow_files(driver: ProjectDriver, parts: Parts) -> None:
    """What clients ask of the files is asked of those that are in effect then."""
    driver.files = Planning(lambda: parts.files, parts.store, parts.clock)
    driver.examine = Examiner(lambda: parts.files)
    trial = Trial(lambda: parts.files, parts.clock)
    driver.sign, driver.passed = trial.sign, trial.passed
    driver.revision = lambda: parts.about.revision


def operator() -> Principal:
    """Whoever runs this process: they can read and write the project's files and its store."""
    uid = os.getuid()
    try:
        return local(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return local(str(uid))


async def run_in_process(parts: Parts, until: asyncio.Event) -> None:
    """Work on the project's executions in this process until the event is set, from when nobody else serves the store.

    For commands that wait without a server, also when there was one as they began.
    """
    looks = 0 if parts.store.take_seat() else _SEAT_LOOKS
    while looks:
        if await _is_set(until, _SEAT_SECONDS):
            return
        looks = looks - 1 if parts.store.seat_is_free() else _SEAT_LOOKS
        if looks == 0 and not parts.store.take_seat():
            looks = _SEAT_LOOKS
    worker, lease = parts.worker()
    with parts.store.untiring():
        working = asyncio.create_task(_work(worker, lease, until))
        await until.wait()
    worker.waker.ring()
    try:
        async with asyncio.timeout(_LAST_SECONDS):
            await working
    except TimeoutError:  # the store cannot be written; what runs here is found by whoever serves it next
        log.warning("what was running could not be given back, and goes on when a server runs.")


async def _work(worker: Worker, lease: Lease, until: asyncio.Event) -> None:
    await lease.take()
    await asyncio.gather(worker.serve(until), lease.serve(until))
    await worker.drain(5.0)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait for it so long; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
