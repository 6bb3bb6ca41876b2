"""Where in an expression something went wrong, drawn below the line."""

from __future__ import annotations

from hub.model.errors import ExpressionError


def pointed(source: str, error: ExpressionError | None) -> str:
    """The expression with a caret below the place; as it is when there is none, or the engine knows no more than the only line."""
    lines = source.split("\n")
    if error is None or error.line is None or not 1 <= error.line <= len(lines):
        return source
    if len(lines) == 1 and error.column in (None, 1):
        return source
    # Tabs stay tabs, so that the caret stands below what it means.
    before = lines[error.line - 1][: max((error.column or 1) - 1, 0)]
    caret = "".join("\t" if letter == "\t" else " " for letter in before) + "^"
    return "\n".join([*lines[: error.line], caret, *lines[error.line :]])
