"""What columns of several tables share."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, text


def big(*, primary_key: bool = False, nullable: bool = False, default: int | None = None) -> Column[int]:
    """A whole number of 64 bits: an instant in milliseconds, a number that only grows."""
    server = None if default is None else text(str(default))
    return Column(BigInteger, primary_key=primary_key, nullable=nullable, server_default=server)
