"""The addresses of cores: where their clients find them, and what server certificates name.

One rule for both ways in: the API (`UpdateConnectivityInfo`) and the core's own call on the data
plane. Entries are checked here; who may set them is decided by the caller.
"""

import ipaddress
import re
from collections.abc import Sequence

from hedgerow.cloud.greengrass.documents import (
    CONNECTIVITY,
    Connectivity,
    ConnectivityAddress,
)
from hedgerow.contract import MAX_ADDRESSES, ConnectivityEntry, ConnectivityInfo
from hedgerow.kernel import CallerError, new_uuid, quoted
from hedgerow.store import Store, Transaction

MAX_ID_LENGTH = 256
MAX_METADATA_LENGTH = 1024
MAX_HOST_LENGTH = 253
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


async def read(store: Store, account: str, thing_name: str) -> ConnectivityInfo:
    """Return a core's addresses; none at all is an empty list with an empty version."""
    record = await store.get(CONNECTIVITY, account, thing_name)
    if record is None:
        return ConnectivityInfo()
    entries = tuple(
        ConnectivityEntry(
            id=entry.id,
            host_address=entry.host_address,
            port_number=entry.port_number,
            metadata=entry.metadata,
        )
        for entry in record.document.entries
    )
    return ConnectivityInfo(connectivity_info=entries, version=record.document.version)


async def write(
    tx: Transaction, account: str, thing_name: str, entries: Sequence[ConnectivityEntry]
) -> str:
    """Replace a core's addresses; return the version in force, a new one if anything changed.

    Raises `CallerError` that names the entry at fault.
    """
    addresses = checked(entries)
    record = await tx.get(CONNECTIVITY, account, thing_name)
    if record is not None and record.document.entries == addresses:
        return record.document.version
    document = Connectivity(entries=addresses, version=new_uuid())
    if record is None:
        await tx.insert(CONNECTIVITY, account, thing_name, document)
    else:
        await tx.update(record, document)
    return document.version


def checked(entries: Sequence[ConnectivityEntry]) -> tuple[ConnectivityAddress, ...]:
    """Return the entries as they are kept, or raise `CallerError` that names the one at fault."""
    if len(entries) > MAX_ADDRESSES:
        raise CallerError(f"a core has at most {MAX_ADDRESSES} addresses, not {len(entries)}")
    seen: set[str] = set()
    for entry in entries:
        fault = _fault(entry)
        if fault is None and entry.id in seen:
            fault = "its Id stands there more than once"
        if fault is not None:
            raise CallerError(f"connectivity entry {quoted(entry.id)}: {fault}")
        seen.add(entry.id)
    return tuple(
        ConnectivityAddress(
            id=entry.id,
            host_address=entry.host_address,
            port_number=entry.port_number,
            metadata=entry.metadata,
        )
        for entry in entries
    )


def is_host(text: str) -> bool:
    """Say whether a text is an IP address or a host name that may stand in a certificate."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        return len(text) <= MAX_HOST_LENGTH and all(map(_HOST_LABEL.fullmatch, labels))
    return True


def _fault(entry: ConnectivityEntry) -> str | None:
    if not 1 <= len(entry.id) <= MAX_ID_LENGTH:
        return f"Id has 1 to {MAX_ID_LENGTH} characters"
    if not is_host(entry.host_address):
        return f"HostAddress {quoted(entry.host_address)} is neither an IP address nor a host name"
    if not 0 < entry.port_number < 65536:  # noqa: PLR2004 - the range of TCP ports
        return f"PortNumber {entry.port_number} is not a TCP port"
    if len(entry.metadata) > MAX_METADATA_LENGTH:
        return f"Metadata is longer than {MAX_METADATA_LENGTH} characters"
    return None
