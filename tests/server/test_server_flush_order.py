"""What the kernel sees: each 202 is sent after the write-ahead log was flushed, and that after the request was read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from hub_process import Project, Zygote, until
from server_projects import lay_out

REQUESTS = 50
REQUESTS_TO_A_BUG = 20
#: A wrapper that starts a program traced, and stays out of its way: signals reach the program itself.
STRACE = ["strace", "-D", "-f", "--seccomp-bpf", "-ttt", "-y", "-s", "80"]
CALLS = "trace=fdatasync,fsync,read,recvfrom,recvmsg,write,sendto,sendmsg,writev"

_LINE = re.compile(r"(?P<thread>\d+)\s+(?P<at>\d+\.\d+) (?P<rest>.*)")


def can_trace() -> bool:
    """Whether a process may be traced here: some sandboxes forbid it."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-o", "/dev/null", sys.executable, "-c", ""], capture_output=True, check=False)
    return tried.returncode == 0


class Seen(NamedTuple):
    """How many of the answers came in the right order."""

    answers: int
    flushed_before: int


def order_of(trace: str) -> Seen:
    """Read a trace of requests that came one at a time."""
    answers = flushed_before = 0
    read = flushed = False
    flushing: dict[str, bool] = {}
    for line in trace.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        thread, rest = found["thread"], found["rest"]
        if rest.startswith(("fdatasync(", "fsync(")) and ".db-wal" in rest:
            # Only one that begins after the request was read counts, and only when it has ended well.
            flushing[thread] = read
        if thread in flushing and ("fdatasync" in rest or "fsync" in rest) and rest.rstrip().endswith("= 0"):
            flushed = flushed or flushing.pop(thread)
        elif "POST /webhooks/" in rest and rest.startswith(("recv", "read", "<...")):
            read, flushed = True, False
        elif "HTTP/1.1 202" in rest:
            answers += 1
            flushed_before += read and flushed
            read = False
    return Seen(answers, flushed_before)


def test_the_reader_of_traces_knows_right_from_wrong() -> None:
    request = '1 1.0 recvfrom(9<socket>, "POST /webhooks/hook/t", 100, 0, NULL, NULL) = 20'
    begins = "2 1.1 fdatasync(7</var/hub.db-wal> <unfinished ...>"
    ends = "2 1.3 <... fdatasync resumed>) = 0"
    whole = "2 1.1 fdatasync(7</var/hub.db-wal>) = 0"
    answer = '1 1.4 sendto(9<socket>, "HTTP/1.1 202 Accepted", 20, 0, NULL, 0) = 20'
    failed = whole.replace("= 0", "= -1 EIO")
    for lines, seen in [
        ([request, begins, ends, answer], (1, 1)),
        ([request, whole, answer], (1, 1)),
        ([request, answer, whole], (1, 0)),
        ([request, begins, answer, ends], (1, 0)),
        ([begins, request, ends, answer], (1, 0)),
        ([whole, request, answer], (1, 0)),
        ([request, failed, answer], (1, 0)),
        ([request, whole, answer, request, answer], (2, 1)),
    ]:
        assert order_of("\n".join(lines)) == seen, lines


@pytest.mark.skipif(not can_trace(), reason="needs strace, and leave to trace processes")
@pytest.mark.parametrize("plant", ["", "acknowledge_early"])
def test_an_answer_is_sent_after_the_flush(tmp_path: Path, zygote: Zygote, plant: str) -> None:
    project, count = Project(tmp_path, zygote), REQUESTS_TO_A_BUG if plant else REQUESTS
    # Filtered: nothing is run whose own commits could be taken for the event's.
    lay_out(project, hook={"trigger": {"webhook": {}, "condition": "false"}})
    path = project.webhook_path("hook")
    trace = tmp_path / "trace"
    program = [] if not plant else [str(Path(__file__).with_name("planted_serve.py")), plant, "0.03"]
    hub = project.spawn(*STRACE, "-o", str(trace), "-e", CALLS, program=program)
    try:
        hub.wait_ready()
        with httpx.Client(base_url=hub.url, timeout=60) as http:
            for number in range(count):
                assert http.post(path, json={"n": number}).status_code == 202
                # What is committed afterwards belongs to this one: the next one has to wait for it.
                until(lambda number=number: len(project.outcomes("hook")) > number)
        assert hub.stop() == 0
    finally:
        if hub.process.poll() is None:
            hub.kill()
    # The tracer ends a moment after what it traces.
    text = until(
        lambda: (found := trace.read_text()) and f"{hub.process.pid} " in found and "+++ exited" in found and found
    )
    seen = order_of(str(text))
    assert seen.answers == count
    if plant:
        assert seen.flushed_before < count, "the planted bug is seen"
    else:
        assert seen.flushed_before == count
