"""Large results, put back in the place of their references."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session, col, select

from hub.store.contents import is_reference, unpacked
from hub.store.tables import ContentRow


class Texts:
    """Texts of rows with the large ones in their place. All that the rows refer to is asked for at once."""

    def __init__(self, session: Session, texts: Iterable[str | None]) -> None:
        wanted = {text[1:] for text in texts if text is not None and is_reference(text)}
        rows = session.exec(select(ContentRow).where(col(ContentRow.hash).in_(wanted))) if wanted else ()
        self._known = {row.hash: row.packed for row in rows}

    def __call__(self, text: str | None) -> str | None:
        if text is None or not is_reference(text):
            return text
        return unpacked(self._known[text[1:]])
