"""A process that has imported the hub and forks: each fork is a `hub` of its own, without the second that imports take.

It reads one JSON object a line and writes one JSON object a line:

    {"run": N, "argv": [...], "cwd": DIR, "env": {...}, "out": FILE, "err": FILE, "plant": {...}}  ->  {"run": N, "pid": PID}
    {"signal": N, "number": 15}                                                                   (nothing)
    ... a fork has ended                                                                          ->  {"ended": N, "code": CODE}

Signals go through here because only the parent knows for certain that a process id still means the same process. At the end
of its input it kills every fork that is left: nothing outlives the tests.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import sys
import traceback
from typing import Any

import planted

#: What commands import late.
LATE = """
    apscheduler.schedulers.asyncio uvicorn.lifespan.off uvicorn.loops.auto uvicorn.protocols.http.auto
    uvicorn.protocols.websockets.auto hub.assembly.serving hub.cli.checking hub.cli.events hub.cli.executors hub.cli.schedules
    hub.cli.serve hub.cli.waiting hub.cli.workflows hub.views.events
    hub.views.executions hub.views.executors hub.views.installation
"""


def preload() -> None:
    for name in LATE.split():
        importlib.import_module(name)


def become(request: dict[str, Any]) -> None:
    """Be the hub that was asked for, in a fork. It does not return."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        err = os.open(request["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, target in enumerate((nowhere, out, err)):
            os.dup2(target, number)
        os.closerange(3, 64)
        os.chdir(request["cwd"])
        os.environ.update(request["env"])
        sys.argv = ["hub", *request["argv"]]
        planted.plant(request["plant"])
        from hub.cli import main

        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    preload()
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(wake, selectors.EVENT_READ)
    forks: dict[int, int] = {}
    buffered = b""
    say(ready=True)
    while True:
        for key, _ in selector.select():
            if key.fd == wake:
                os.read(wake, 4096)
                reap(forks)
                continue
            read = os.read(0, 65536)
            if not read:
                for pid in forks:
                    os.kill(pid, signal.SIGKILL)
                return
            *lines, buffered = (buffered + read).split(b"\n")
            for line in lines:
                handle(json.loads(line), forks)


def handle(request: dict[str, Any], forks: dict[int, int]) -> None:
    if "signal" in request:
        for pid, run in forks.items():
            if run == request["signal"]:
                os.kill(pid, request["number"])
        return
    pid = os.fork()
    if pid == 0:
        become(request)
    forks[pid] = request["run"]
    say(run=request["run"], pid=pid)


def reap(forks: dict[int, int]) -> None:
    while forks:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        say(ended=forks.pop(pid), code=os.waitstatus_to_exitcode(status))


def say(**message: Any) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
