"""What the child process gives up before it sees the first expression. It imports nothing of the hub.

Linux's numbers are from asm/unistd.h, linux/seccomp.h, linux/audit.h, linux/prctl.h and linux/bpf_common.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
import time
from pathlib import Path

_NOBODY = 65534
#: Room for Python's copies of what goes in and out, beside the engine's own limit.
_SLACK_BYTES = 128 * 1024 * 1024

_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _IF_EQUAL, _IF_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOT_PERMITTED = 0x7FFF0000, 0x00050001
_NUMBER_AT, _MACHINE_AT, _THIRD_ARGUMENT_AT = 0, 4, 32
_EXECUTABLE = 4

#: Machine -> its audit number, calls that may map memory (never executable), and the other calls that are left:
#: read write close lseek munmap brk mremap madvise rt_sig{action,procmask,return} sched_yield setitimer futex
#: clock_gettime gettimeofday getrandom restart_syscall sigaltstack exit exit_group.
_CALLS = {
    "x86_64": (
        0xC000003E,
        (9, 10),
        (0, 1, 3, 8, 11, 12, 25, 28, 13, 14, 15, 24, 38, 202, 228, 96, 318, 219, 131, 60, 231),
    ),
    "aarch64": (
        0xC00000B7,
        (222, 226),
        (63, 64, 57, 62, 215, 214, 216, 233, 134, 135, 139, 124, 103, 98, 113, 169, 278, 128, 132, 93, 94),
    ),
}


def syscall_filter(machine: str) -> bytes:
    """The BPF program that leaves a process computing, reading and writing what it has open; empty where unknown."""
    if machine not in _CALLS:
        return b""
    audit, mapping, plain = _CALLS[machine]
    deny = 2 + len(mapping) + len(plain) + 1
    program = [(_LOAD, 0, 0, _MACHINE_AT), (_IF_EQUAL, 0, deny - 2, audit), (_LOAD, 0, 0, _NUMBER_AT)]
    # Behind the list stand: deny, the look at a mapping's rights (two steps), allow, deny.
    for offset, number in enumerate((*mapping, *plain)):
        left = len(mapping) + len(plain) - offset - 1
        program.append((_IF_EQUAL, left + (1 if number in mapping else 3), 0, number))
    program += [
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_LOAD, 0, 0, _THIRD_ARGUMENT_AT),
        (_IF_BITS, 1, 0, _EXECUTABLE),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOT_PERMITTED),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in program)


def confine(memory_bytes: int) -> None:
    """Give up files, network, other processes and further memory. What a platform does not know is left out."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    with contextlib.suppress(OSError):
        os.chdir("/")
    own = Path("/proc/self/statm")
    if own.exists():
        used = int(own.read_text().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, used + memory_bytes + _SLACK_BYTES)
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
    for kind, most in (
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        _limit(kind, most)
    if sys.platform == "linux":
        _filter_calls(syscall_filter(platform.machine()))


def _limit(kind: int, most: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (most, most))


def _filter_calls(program: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    no_further = ctypes.c_ulong(0)
    libc.prctl(_SET_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), no_further, no_further, no_further)
    if program:
        steps = ctypes.create_string_buffer(program, len(program))
        header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(steps)))
        libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER_MODE), ctypes.byref(header), no_further, no_further)
