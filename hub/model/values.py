"""JSON values: canonical text, and the round trip of a job's inputs and outputs.

Results live in the store as JSON. A value that a job hands back is always the one that a replay would rebuild from
the store, so that code sees the same types live and after a restart.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from json import encoder
from typing import Any

from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType

from hub.model.errors import InvalidArguments, NotJson
from hub.model.sameness import difference
from hub.model.typed_dicts import portable

Json = Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
#: What the encoder makes anew for each value, which takes longer than a small value itself. Only CPython has it.
_make_writer = getattr(encoder, "c_make_encoder", None)
_write: Callable[[Any, int], Iterable[str]] | None = _make_writer and _make_writer(
    None, _ENCODER.default, encoder.encode_basestring, None, ":", ",", True, False, False
)
_decoder = json.JSONDecoder()
_encode_any: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
_dump: Callable[[Any], bytes] = TypeAdapter(Any).serializer.to_json

_MOST_DEPTH = 200


def _encode(value: Any) -> str:
    return _ENCODER.encode(value) if _write is None else "".join(_write(value, 0))


def canonical(value: Json) -> str:
    """The one JSON text of a value: sorted keys, no spaces. Raises NotJson with the path of what cannot be written."""
    try:
        text = _encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        _explain(value, "$", 0)
        raise NotJson("$", f"it cannot be written as JSON: {_first_line(error)}") from None
    return text


def compact(value: Json) -> str:
    """A JSON text of a value that was made here, without spaces; keys stand as they come. Far quicker than `canonical`."""
    try:
        return _dump(value).decode()
    except ValueError:  # half a character, which only an escape can write
        return _encode_any(value)


def parse(text: str) -> Json:
    """The value of a JSON text that the hub itself wrote."""
    return _decode(text)


def _decode(text: str) -> Json:
    # `decode` looks for spaces on both sides, which takes as long as a small value.
    value, end = _decoder.raw_decode(text)
    return value if end == len(text) else _decoder.decode(text)


def parse_or_none(text: str | None) -> Any:
    return None if text is None else parse(text)


def digest(text: str) -> str:
    """A short hash of a canonical text: 128 bits, in hex."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def round_trip(value: Json) -> tuple[str, Json]:
    """Canonical text, and the value read back from it. Raises NotJson where the two would differ; tuples become lists."""
    text = canonical(value)
    back = _decode(text)
    if back != value:
        _explain(value, "$", 0)
    return text, back


def _explain(value: Any, path: str, depth: int) -> None:
    """Raise NotJson for the first thing in `value` that JSON cannot hold."""
    if depth > _MOST_DEPTH:
        raise NotJson(path, f"nested deeper than {_MOST_DEPTH} levels")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _explain(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotJson(path, f"the key {key!r} is {type(key).__name__}, not a string")
            _explain_one(key, path)
            _explain(item, f"{path}.{key}", depth + 1)
    else:
        _explain_one(value, path)


def _explain_one(value: Any, path: str) -> None:
    """Raise NotJson for a value that is not made of others."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotJson(path, "a lone surrogate is not Unicode text") from None
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(path, f"{value} is not JSON")
    elif value is not None and not isinstance(value, bool | int):
        raise NotJson(path, f"{type(value).__name__} is not JSON{_hint(value)}")


def _hint(value: Any) -> str:
    """What is missing where somebody gives a call for its result."""
    return (
        ". Write `await` in front of it; in a plain job, `.result()` behind it" if isinstance(value, Awaitable) else ""
    )


class Shape:
    """The type of a job's input or output: validates on the way in, rebuilds on the way out.

    Raises TypeError when the annotation has no JSON form.
    """

    __slots__ = ("_adapter", "_default", "annotation")

    def __init__(
        self, annotation: Any = Any, local_names: Mapping[str, Any] | None = None, default: Any = None
    ) -> None:
        """`local_names` are those that annotations inside a TypedDict may use beside its module's.

        `default` stands for a missing value where `{}` does not fit.
        """
        if isinstance(annotation, Mapping):
            raise TypeError(f"{annotation!r} is a value, not a type: give a pydantic model, a dataclass or a TypedDict")
        self.annotation = annotation
        self._default = default
        self._adapter = None if annotation in _PLAIN else _adapter(portable(annotation, local_names or {}))

    def dump_given(self, value: Any) -> tuple[str, Any]:
        """As `dump`. A missing value or null is `{}`, or the default where `{}` does not fit and that does."""
        if value is not None:
            return self.dump(value)
        try:
            return self.dump({})
        except InvalidArguments:
            with suppress(InvalidArguments, NotJson):
                return self.dump(self._default)
            raise

    def dump(self, value: Any) -> tuple[str, Any]:
        """Canonical JSON text of a value, and the value rebuilt from it.

        Raises NotJson or InvalidArguments, each with the path of the offending value.
        """
        if self._adapter is None:
            wanted = _CONTAINERS.get(self.annotation)
            if wanted is not None and not isinstance(value, wanted[0]):
                raise InvalidArguments(f"$: Input should be a valid {wanted[1]}{_hint(value)}")
            return round_trip(value)
        if type(value) is self.annotation and (type(value) in _EXACT or (type(value) is str and value.isascii())):
            return canonical(value), value  # what validation and the way back would come to
        checked = self._checked(self._adapter.validate_python, value)
        try:
            plain = self._adapter.dump_python(checked, mode="json", warnings="error")
        except UnicodeDecodeError:
            raise InvalidArguments(
                "$: bytes in a pydantic model are written as text, and these are none. Give the model "
                'model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64").'
            ) from None
        except ValueError as error:  # pydantic's own, and text that is not Unicode
            raise InvalidArguments(f"$: it cannot be written as JSON: {_first_line(error)}") from None
        text = canonical(plain)
        rebuilt = self.load(text)
        found = difference(checked, rebuilt)
        if found is not None:
            raise InvalidArguments(_lost(*found))
        return text, rebuilt

    def load(self, text: str) -> Any:
        """The value of a stored text."""
        if self._adapter is None:
            return _decode(text)
        return self._checked(self._adapter.validate_json, text)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the type; `{}` where anything goes."""
        if self._adapter is None:
            return {"type": _CONTAINERS[self.annotation][2]} if self.annotation in _CONTAINERS else {}
        return self._adapter.json_schema()

    def _checked(self, read: Callable[[Any], Any], value: Any) -> Any:
        try:
            return read(value)
        except ValidationError as error:
            raise InvalidArguments(_sentences(error)) from None


#: Bytes have no JSON of their own.
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        try:
            adapter = TypeAdapter(annotation, config=_CONFIG)
        except PydanticUserError as error:
            if error.code != "type-adapter-config-unused":
                raise
            # Under another name a dataclass or a TypedDict takes over the configuration; a model keeps its own.
            named: Any = TypeAliasType("Value", annotation)
            adapter = TypeAdapter(named, config=_CONFIG)
        adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError) as error:
        # What pydantic advises is no help here.
        reason = _first_line(error).partition(" Set `arbitrary_types_allowed")[0]
        raise TypeError(f"{annotation!r} has no JSON form: {reason}") from None
    return adapter


def _lost(path: str, given: Any, rebuilt: Any) -> str:
    """Values are not echoed: they may be secret."""
    if type(given) is type(rebuilt):
        return f"{path}: {type(given).__name__} comes back from JSON as another one."
    return (
        f"{path}: {type(given).__name__} comes back from JSON as {type(rebuilt).__name__}. Annotate it so that the two cannot "
        "be mistaken for each other."
    )


def _sentences(error: ValidationError) -> str:
    """`$.items[3].at: Input should be a valid datetime`, one a problem. Values are not echoed: they may be secret."""
    return "; ".join(
        f"{_path(item['loc'])}: {item['msg']}{_hint(item['input'])}" for item in error.errors(include_url=False)
    )


def _path(location: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


_EXACT = (int, bool)
_PLAIN: tuple[Any, ...] = (Any, None, dict, list, object)
#: Those of them that not everything fits: what does, how it is called, and its type in a JSON Schema.
_CONTAINERS: dict[Any, tuple[Any, str, str]] = {
    dict: (dict, "dictionary", "object"),
    list: (list | tuple, "list", "array"),
}
