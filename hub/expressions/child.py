"""The child process: the one place where the JavaScript engine lives. A script of its own, which imports nothing of the hub.

    python -I -S child.py ENGINE_FOLDER MEMORY_BYTES CPU_SECONDS

Standard input has requests, standard output an answer for each in the same order; `wire.py` describes both. After its
imports the process gives up every right it has (confinement.py). End of input ends it, and so does a request that
takes twice its time on the processor, in case that nobody is left to kill it.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Importing `quickjs` starts a thread pool; its engine is the module `_quickjs`.
    from quickjs import Context

_STACK_BYTES = 512 * 1024
_MOST_RESULT = 1024 * 1024
_MOST_KNOWN = 4096
_MOST_MESSAGE = 500
_MOST_CONDITION = 1000
_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(32), ord('"'), ord("\\"))}

# --- evaluation ------------------------------------------------------------------------------------------------------

#: Around a condition and around a value. The expression has lines of its own, from the second on, and brackets of its own.
_CONDITION = "((v) => [typeof v, !!v, v])((\n%s\n))"
_VALUE = "((v) => (v === undefined ? 0 : { v }))((\n%s\n))"
_SHAPE = "([type, truth]) => `${type},${truth}`"
_FUNCTION = "the value is a function: call it, or write its result"
_NO_JSON = "the value has no JSON"
_NO_TEXT = "the value is undefined and stands inside a text: give it a default, as in: value ?? 'none'"


class Engines:
    """Makes engines that nobody used before, one ahead of need."""

    def __init__(self, memory_bytes: int, cpu_seconds: float) -> None:
        self._make: type[Context] = importlib.import_module("_quickjs").Context
        self._prelude = Path(__file__).with_name("prelude.js").read_text(encoding="utf-8")
        self._memory = memory_bytes
        self._seconds = cpu_seconds
        self._spare: tuple[Context, Callable[..., None]] | None = None
        #: The one in use or last used; it is freed when there is time for it.
        self._spent: Context | None = None

    def bare(self) -> Context:
        engine = self._make()
        engine.set_memory_limit(self._memory)
        engine.set_max_stack_size(_STACK_BYTES)
        engine.set_time_limit(self._seconds)
        return engine

    def prepare(self) -> None:
        self._spent = None
        if self._spare is None:
            engine = self.bare()
            self._spare = engine, engine.eval(self._prelude)

    def take(self, pins: Iterable[float]) -> Context:
        self.prepare()
        assert self._spare is not None
        (engine, pin), self._spare = self._spare, None
        pin(*pins)
        self._spent = engine
        return engine


class Fault(Exception):
    """Why there is no value: `line,column,"message"`, line 0 where no place is known."""

    def __init__(self, message: str, place: str = "0,0") -> None:
        super().__init__(f"{place},{quote(message)}")


def fault_of(error: Exception, *, placed: bool) -> Fault:
    """What the engine threw: a message, then its stack, or the stack that is missing, in lines."""
    message, _, stack = str(error).partition("\n    at ")
    message = message.removesuffix("\n").removesuffix("\nundefined")
    if isinstance(error, MemoryError):
        return Fault("InternalError: out of memory")
    if not message or "obtaining QuickJS error" in message or not type(error).__module__.endswith("quickjs"):
        return Fault("something was thrown that cannot be described")
    if len(message) > _MOST_MESSAGE:
        message = message[:_MOST_MESSAGE] + "…"
    return Fault(message, _place(stack) if placed else "0,0")


def _place(stack: str) -> str:
    for frame in stack.split("\n"):
        function, found, place = frame.rpartition("<input>:")
        line, _, column = place.rstrip(")").partition(":")
        # The first line is the text around the expression; `Date` is the prelude's.
        if found and line.isdigit() and column.isdigit() and int(line) > 1 and "Date (" not in function:
            return f"{int(line) - 1},{column}"
    return "0,0"


def quote(text: str) -> str:
    """JSON text of a string, without importing `json` at every start."""
    return f'"{text.translate(_ESCAPES)}"'


class Compiler:
    """Says whether a text is one expression: it must compile inside ( ) and inside [ ], which ends every bracket trick."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._known: set[str] = set()

    def check(self, source: str) -> None:
        """Raises Fault. Nothing of the text is run, because a throw stands before it."""
        if source in self._known:
            return
        engine = self._engines.bare()
        for opening, closing in ("()", "[]"):
            try:
                engine.eval(f"throw 0;{opening}\n{source}\n{closing}")
            except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
                if str(error).startswith("0\n"):
                    continue
                if opening == "[":
                    raise Fault("SyntaxError: it closes a bracket that it did not open") from None
                raise fault_of(error, placed=True) from None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.add(source)


def condition(engine: Context, source: str) -> tuple[bool, str]:
    """Whether it holds, and `["type",truth,value]`: null for a value that is long or has no JSON. Raises Fault."""
    result = engine.eval(_CONDITION % source)
    try:
        text = str(result.json())
    except Exception as error:  # noqa: BLE001 - whatever was thrown is the answer
        if "Promise" in str(error):
            raise fault_of(error, placed=False) from None
        text = ""
    kind, _, rest = text[:_MOST_CONDITION].partition(",")
    if not text.startswith('["') or len(text) > _MOST_CONDITION:
        kind, _, truth = engine.eval(_SHAPE)(result).partition(",")
        kind, rest = f'["{kind}"', f"{truth},null]"
    if kind == '["function"':
        raise Fault(_FUNCTION)
    return rest.startswith("true"), f"{kind},{rest}"


def value(engine: Context, kind: str, source: str, most: int) -> str:
    """The JSON of a value, "" for undefined; inside a text always that of a string. Raises Fault."""
    result = engine.eval(_VALUE % source)
    if result == 0:
        if kind == "t":
            raise Fault(_NO_TEXT)
        return ""
    try:
        text = str(result.json())
    except Exception as error:  # noqa: BLE001 - whatever was thrown is the answer
        raise fault_of(error, placed=False) from None
    if not text.startswith('{"v":'):
        raise Fault(_FUNCTION if engine.eval("({ v }) => typeof v")(result) == "function" else _NO_JSON)
    text = text[5:-1]
    if len(text) > most:
        raise Fault(f"the result is longer than the {_MOST_RESULT} characters that all results of a request may have")
    return text if kind == "v" or text.startswith('"') else quote(text)


def evaluate(engines: Engines, compiler: Compiler, pins: list[str], kinds: str, texts: list[str]) -> str:
    """The answer to one request: `=[condition,[[value], …]]` or `![which,line,column,message]`."""
    scope, sources = texts[:3], texts[3:]
    found, values, most, which = '["boolean",true,null]', [], _MOST_RESULT, 0
    try:
        for source in sources:
            compiler.check(source)
            which += 1
        engine = engines.take(map(float, pins))
        which = 0
        for kind, source in zip(kinds, sources, strict=True):
            for name, text in zip(("args", "context", "env"), scope, strict=True):
                engine.set(name, engine.parse_json(text))
            if kind == "c":
                matched, found = condition(engine, source)
                if not matched:
                    break
            else:
                values.append(f"[{value(engine, kind, source, most)}]")
                most -= len(values[-1])
            which += 1
    except Fault as fault:
        return f"![{which},{fault}]"
    except Exception as error:  # noqa: BLE001 - whatever was thrown is the answer
        return f"![{which},{fault_of(error, placed=True)}]"
    return f"=[{found},[{','.join(values)}]]"


def check(compiler: Compiler, texts: list[str]) -> str:
    return f"=[{','.join([_checked(compiler, source) for source in texts])}]"


def _checked(compiler: Compiler, source: str) -> str:
    try:
        compiler.check(source)
    except Fault as fault:
        return f"[{fault}]"
    return "null"


# --- the loop --------------------------------------------------------------------------------------------------------


def requests(engines: Engines) -> Iterator[tuple[list[str], list[str]]]:
    """Each request's words and texts, read from standard input until it ends."""
    buffer = bytearray()

    def fill() -> None:
        engines.prepare()
        data = os.read(0, 1 << 18)
        if not data:
            os._exit(0)
        buffer.extend(data)

    while True:
        while (end := buffer.find(b"\n")) < 0:
            fill()
        words = buffer[:end].decode().split(" ")
        lengths = list(map(int, words[-1].split(",")))
        at = end + 1
        whole = at + sum(lengths)
        while len(buffer) < whole:
            fill()
        texts = []
        for length in lengths:
            texts.append(buffer[at : at + length].decode())
            at += length
        del buffer[:whole]
        yield words, texts


def answer_with(text: str) -> None:
    body = text.encode()
    left = memoryview(b"%d\n%b" % (len(body), body))
    while left:
        left = left[os.write(1, left) :]


def main(engine_folder: str, memory_bytes: int, cpu_seconds: float) -> None:
    sys.path += [str(Path(__file__).parent), engine_folder]
    confine = importlib.import_module("confinement").confine
    engines = Engines(memory_bytes, cpu_seconds)
    compiler = Compiler(engines)
    confine(memory_bytes)
    engines.prepare()
    answer_with("=ready")
    for words, texts in requests(engines):
        signal.setitimer(signal.ITIMER_PROF, 2 * cpu_seconds)
        if words[0] == "check":
            answer_with(check(compiler, texts))
        else:
            answer_with(evaluate(engines, compiler, words[1:6], words[6], texts))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
