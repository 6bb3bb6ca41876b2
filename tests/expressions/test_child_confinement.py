"""What the child process may not do, whatever the engine inside it is made to do."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit import PATIENCE

from hub.expressions import confinement
from hub.expressions.process import Child, Limits
from hub.expressions.wire import evaluation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and seccomp are Linux's")

FILTERED = bool(confinement.syscall_filter(platform.machine()))

ATTEMPTS = """
import ctypes, json, mmap, os, signal, socket, sys
sys.path.append(sys.argv[1])
import confinement
canary = sys.argv[2]
report = os.dup(1)
confinement.confine(64 << 20)
attempts = {
    "open": lambda: open(canary).read(),
    "write": lambda: os.open(canary, os.O_WRONLY),
    "stat": lambda: os.stat(canary),
    "list": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink(canary),
    "socket": lambda: socket.socket(),
    "pair": lambda: socket.socketpair(),
    "fork": os.fork,
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "trace": lambda: os.readlink("/proc/self/exe"),
    "pipe": os.pipe,
    "root": lambda: os.setuid(0),
    "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    "memory": lambda: len(bytearray(300 << 20)),
}
outcome = {}
for name, attempt in attempts.items():
    try:
        attempt()
        outcome[name] = "done"
    except MemoryError:
        outcome[name] = "refused"
    except OSError as error:
        outcome[name] = "refused"
os.write(report, json.dumps(outcome).encode())
os._exit(0)
"""


def test_nothing_but_computing_is_left(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("alive")
    folder = str(Path(confinement.__file__).parent)
    command = [sys.executable, "-I", "-S", "-c", ATTEMPTS, folder, str(canary)]
    run = subprocess.run(command, capture_output=True, check=True, cwd="/")
    outcome = json.loads(run.stdout)
    assert len(outcome) == 15
    if FILTERED:
        assert set(outcome.values()) == {"refused"}, outcome
    assert outcome["memory"] == "refused"
    assert canary.read_text() == "alive"


def test_what_the_kernel_says_of_it(scope, monkeypatch):
    monkeypatch.setenv("HUB_CANARY", "canary-7f3a9c")
    child = Child(Limits(memory_mb=32))
    assert child.ask(evaluation(scope(), "v", ["1 + 1"]), 5) == b'=[["boolean",true,null],[[2]]]'
    proc = Path(f"/proc/{child.pid}")
    status = dict(line.split(":\t") for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"] == "1"
    assert status["CapEff"].strip("0") == ""
    if FILTERED:
        assert status["Seccomp"] == "2"
    if os.geteuid() == 0:
        assert set(status["Uid"].split() + status["Gid"].split()) == {"65534"}
        assert status["Groups"].strip() == ""
        assert (proc / "environ").read_bytes() == b"TZ=UTC\0"
        assert (proc / "cwd").readlink() == Path("/")
        assert sorted(entry.name for entry in (proc / "fd").iterdir()) == ["0", "1", "2"]
    limits = {line[:25].strip(): line[25:].split()[:2] for line in (proc / "limits").read_text().splitlines()}
    wanted = {"Max processes": "0", "Max file size": "0", "Max core file size": "0", "Max open files": "3"}
    assert {name: limits[name] for name in wanted} == {name: [most, most] for name, most in wanted.items()}
    assert int(limits["Max address space"][1]) < 300 << 20
    child.kill()
    assert not proc.exists()


def test_nobody_is_needed_to_end_a_hanging_process(scope):
    child = Child(Limits(deadline=0.1))
    frame = evaluation(scope(), "v", ["new Array(2 ** 32 - 1).join('')"])
    with pytest.raises(EOFError):  # and not the TimeoutError of whoever asks
        child.ask(frame, PATIENCE)


def test_end_of_input_ends_it():
    child = Child(Limits())
    writing, child.writing = child.writing, os.open(os.devnull, os.O_WRONLY)
    os.dup2(child.writing, writing)
    try:
        with pytest.raises(EOFError):
            child.ask(b"", 5)
    finally:
        os.close(child.writing)


def test_the_filter_allows_what_is_listed_and_nothing_else():
    """A small machine for the five instructions that the filter has."""

    def verdict(machine, number, third=0, audit=None):
        program = confinement.syscall_filter(machine)
        steps = [confinement.struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
        data = {0: number, 4: audit or confinement._CALLS[machine][0], 32: third}
        at = value = 0
        while True:
            code, yes, no, operand = steps[at]
            at += 1
            if code == confinement._LOAD:
                value = data[operand]
            elif code == confinement._IF_EQUAL:
                at += yes if value == operand else no
            elif code == confinement._IF_BITS:
                at += yes if value & operand else no
            else:
                return operand == confinement._ALLOW

    for machine, (_, mapping, plain) in confinement._CALLS.items():
        allowed = {number for number in range(600) if verdict(machine, number)}
        assert allowed == {*mapping, *plain}
        assert not any(verdict(machine, number, third=4) or verdict(machine, number, third=7) for number in mapping)
        assert not any(verdict(machine, number, audit=0x40000003) for number in range(600))
        assert not verdict(machine, 0x40000000 + 1)
    assert confinement.syscall_filter("vax") == b""


def test_words_that_it_cannot_read_end_it():
    with pytest.raises(EOFError):
        Child(Limits()).ask(b"this is no request\n", 5)


def test_signals_that_end_it_end_it(scope):
    child = Child(Limits())
    assert child.ask(evaluation(scope(), "v", ["1"]), 5)
    os.kill(child.pid, signal.SIGTERM)
    with pytest.raises(EOFError):
        child.ask(evaluation(scope(), "v", ["1"]), 5)
