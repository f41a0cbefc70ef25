"""How a record becomes bytes that say nothing, and how foreign bytes are found out.

Each record is encrypted with AES-256-GCM under a key derived from the data key and a fresh random
salt, so that one data key can serve any number of records. Everything the database can see about
the record is associated data: changing a column, or moving a ciphertext to another row or
version, makes decryption fail. Ids, names and parents are looked up by keyed hashes.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hedgerow.kernel import Secret, random_bytes
from hedgerow.store.errors import TamperedError, UnreadableDocumentError
from hedgerow.store.records import Kind, Record, T

_SALT_BYTES = 16
_NONCE_BYTES = 12
_LENGTH_BYTES = 4
_DIGEST = "sha256"


class Contents(msgspec.Struct, frozen=True, array_like=True):
    """What is encrypted: the document and everything readable about its record."""

    id: str
    parent: str | None
    name: str | None
    created_at: datetime
    updated_at: datetime
    document: msgspec.Raw


class SealedRow(msgspec.Struct, frozen=True, gc=False):
    """A record as the database sees it. `parent_index` is empty for a record without a parent."""

    account: str
    kind: str
    id_index: bytes
    parent_index: bytes
    name_index: bytes | None
    version: int
    key_id: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """The unwrapped keys of one store. `data` maps key id to key; `current` is used to write."""

    index: Secret[bytes]
    token: Secret[bytes]
    data: Mapping[int, Secret[bytes]]
    current: int


class Sealer:
    """Seals records to rows and opens them again."""

    def __init__(self, keys: StoreKeys) -> None:
        self._index_key = keys.index.reveal()
        self._data_keys = {key_id: key.reveal() for key_id, key in keys.data.items()}
        self._current = keys.current

    def __repr__(self) -> str:
        return "Sealer(***)"

    def id_index(self, kind: str, account: str, id: str) -> bytes:  # noqa: A002 - the record's own word
        """Return the keyed hash under which a record is found by its id."""
        return self._index("id", account, kind, id)

    def name_index(self, kind: str, account: str, parent: str | None, name: str) -> bytes:
        """Return the keyed hash under which a record is found by its name and parent."""
        if parent is None:
            return self._index("name", account, kind, name)
        return self._index("name of child", account, kind, parent, name)

    def parent_index(self, kind: str, parent: str | None) -> bytes:
        """Return the keyed hash that all children of a parent share; empty for no parent."""
        return b"" if parent is None else self._index("parent", kind, parent)

    def listing(self, kind: str, account: str, parent: str | None) -> bytes:
        """Return bytes that identify one list, to tie its page tokens to it."""
        return self._index("list", account, kind, *(() if parent is None else (parent,)))

    def seal(self, record: Record[Any]) -> SealedRow:
        """Return the record as a row that reveals its account, kind, version and size only."""
        kind, account = record.kind.name, record.account
        contents = Contents(
            id=record.id,
            parent=record.parent,
            name=record.name,
            created_at=record.created_at,
            updated_at=record.updated_at,
            document=msgspec.Raw(msgspec.json.encode(record.document)),
        )
        row = SealedRow(
            account=account,
            kind=kind,
            id_index=self.id_index(kind, account, record.id),
            parent_index=self.parent_index(kind, record.parent),
            name_index=None
            if record.name is None
            else self.name_index(kind, account, record.parent, record.name),
            version=record.version,
            key_id=self._current,
            sealed=b"",
        )
        salt, nonce = random_bytes(_SALT_BYTES), random_bytes(_NONCE_BYTES)
        cipher = AESGCM(_record_key(self._data_keys[self._current], salt))
        sealed = cipher.encrypt(nonce, msgspec.json.encode(contents), _associated_data(row))
        return msgspec.structs.replace(row, sealed=salt + nonce + sealed)

    def open(self, kind: Kind[T], row: SealedRow) -> Record[T]:
        """Return the record of a row, or raise `TamperedError` if it is not as it was sealed."""
        contents = msgspec.json.decode(self._decrypt(row), type=Contents)
        return Record(
            kind=kind,
            account=row.account,
            id=contents.id,
            version=row.version,
            document=_read_document(kind, contents.document),
            parent=contents.parent,
            name=contents.name,
            created_at=contents.created_at,
            updated_at=contents.updated_at,
        )

    def _index(self, *parts: str) -> bytes:
        return hmac.digest(self._index_key, _join(*[part.encode() for part in parts]), _DIGEST)

    def _decrypt(self, row: SealedRow) -> bytes:
        salt, rest = row.sealed[:_SALT_BYTES], row.sealed[_SALT_BYTES:]
        try:
            cipher = AESGCM(_record_key(self._data_keys[row.key_id], salt))
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _associated_data(row))
        except (InvalidTag, KeyError, ValueError):
            raise TamperedError(
                f"a stored record of kind {row.kind} in account {row.account} is not what was "
                "written there; restore the database from a backup and look who can write to it"
            ) from None


def _record_key(data_key: bytes, salt: bytes) -> bytes:
    return hmac.digest(data_key, salt, _DIGEST)


def _associated_data(row: SealedRow) -> bytes:
    return _join(
        b"record",
        row.account.encode(),
        row.kind.encode(),
        row.id_index,
        b"%d" % row.version,
        row.parent_index,
        b"named" if row.name_index is not None else b"nameless",
        row.name_index or b"",
        b"%d" % row.key_id,
    )


def _join(*parts: bytes) -> bytes:
    """Concatenate so that no two lists of parts give the same bytes."""
    return b"".join([len(part).to_bytes(_LENGTH_BYTES) + part for part in parts])


@cache
def _decoder(document_type: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(document_type)


def _read_document(kind: Kind[T], encoded: msgspec.Raw) -> T:
    decoder: msgspec.json.Decoder[T] = _decoder(kind.type)
    try:
        return decoder.decode(encoded)
    except msgspec.DecodeError as error:
        raise UnreadableDocumentError(
            f"a stored document of kind {kind.name} does not fit this version: {error}"
        ) from error
