"""The values that go into the store and come out of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

Operation = Literal["insert", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A sort of document: its stable name in the database, and its type."""

    name: str
    type: type[T]


class Record(msgspec.Struct, Generic[T], frozen=True):
    """A document as it was read or written; `version` starts at 1 and grows with every update."""

    kind: Kind[T]
    account: str
    id: str
    version: int
    document: T
    parent: str | None
    name: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some records in order of creation; `next_token` is None on the last page."""

    records: tuple[Record[T], ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A committed change of one record; `version` is the one written, or the one deleted.

    `document` is what was written, None if the record was deleted.
    """

    kind: str
    account: str
    id: str
    operation: Operation
    version: int
    parent: str | None
    document: msgspec.Struct | None = field(default=None, repr=False, compare=False)
