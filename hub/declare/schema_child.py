"""The child process that holds bodies against schemas where that takes longer than a loop may stand still. A script of its own.

    python -I schema_child.py FOLDER_OF_THE_HUB CPU_SECONDS

Standard input has requests: two lengths and a line feed, then as many bytes of a schema and of a value, both JSON. Standard
output has an answer for each: its length and a line feed, then `=` and the JSON list of what `BodySchema` says. The first one,
`=ready`, answers nothing. End of input ends it.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache


def frame(schema: bytes, value: bytes) -> bytes:
    """A request."""
    return b"%d %d\n%b%b" % (len(schema), len(value), schema, value)


def serve(seconds: float) -> None:
    """Answer requests until there are no more."""
    # Here and not above: the module is also that of a script, which finds the hub only once it is told where.
    from hub.declare.body_schema import BodySchema

    @lru_cache(maxsize=64)
    def compiled(schema: bytes) -> BodySchema:
        return BodySchema(json.loads(schema), longest=seconds)

    _answer(b"=ready")
    source = sys.stdin.buffer
    while line := source.readline():
        lengths = [int(word) for word in line.split()]
        schema, value = [source.read(length) for length in lengths]
        _answer(b"=" + json.dumps(compiled(schema).problems(json.loads(value))).encode())


def _answer(text: bytes) -> None:
    sys.stdout.buffer.write(b"%d\n%b" % (len(text), text))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    serve(float(sys.argv[2]))
