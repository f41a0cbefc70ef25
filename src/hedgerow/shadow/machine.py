"""The shadow as a pure machine: state and request in, new state and answers out.

Source: AWS IoT's description of shadow documents and of the reserved shadow topics.
"""

from dataclasses import dataclass

import msgspec

from hedgerow.kernel import quoted
from hedgerow.shadow.documents import (
    MAX_DOCUMENT_BYTES,
    NO_SHADOW,
    VERSIONS_KEPT_S,
    Json,
    Section,
    Shadow,
)
from hedgerow.shadow.errors import CONFLICT, NOT_FOUND, TOO_LARGE, ShadowError
from hedgerow.shadow.merging import difference, merged, stamped
from hedgerow.shadow.requests import ShadowRemoval, ShadowUpdate


@dataclass(frozen=True, slots=True)
class ShadowChange:
    """The shadow after an update, and what is to be answered and told.

    `delta` is None when `reported` agrees with everything `desired` asks for.
    """

    shadow: Shadow
    accepted: bytes
    documents: bytes
    delta: bytes | None


def apply_update(shadow: Shadow, update: ShadowUpdate, timestamp: int) -> ShadowChange:
    """Merge an update into a shadow; raise `ShadowError` for a stale version or too much state.

    Version 0 is also that of a shadow which was deleted: such an update makes it anew or not at
    all, although its versions count on (for 48 hours, as documented).
    """
    if shadow.deleted and timestamp - shadow.deleted_at > VERSIONS_KEPT_S:
        shadow = NO_SHADOW
    current = {shadow.version, 0} if shadow.deleted else {shadow.version}
    if update.expected_version is not None and update.expected_version not in current:
        raise ShadowError(CONFLICT, "Version conflict", update.client_token)
    after = _updated(shadow, update, timestamp)
    if len(msgspec.json.encode(state_of(after))) > MAX_DOCUMENT_BYTES:
        raise ShadowError(
            TOO_LARGE, "The payload exceeds the maximum size allowed", update.client_token
        )
    return ShadowChange(
        shadow=after,
        accepted=_accepted(after, update, timestamp),
        documents=_documents(shadow, after, update.client_token, timestamp),
        delta=_delta(after, update.client_token, timestamp),
    )


def get_answer(shadow: Shadow, name: str, client_token: str | None, timestamp: int) -> bytes:
    """Return the whole shadow as on `get/accepted`; raise `ShadowError` if there is none.

    `name` is what it is called: the shadow's name, or the thing's for its classic one.
    """
    _require_existing(shadow, name, client_token)
    state = state_of(shadow)
    delta, _ = difference(shadow.desired or {}, shadow.reported or {}, shadow.desired_times)
    if delta:
        state["delta"] = delta
    return _encoded(
        {
            "state": state,
            "metadata": times_of(shadow),
            "version": shadow.version,
            "timestamp": timestamp,
        },
        client_token,
    )


def apply_delete(
    shadow: Shadow, name: str, removal: ShadowRemoval, timestamp: int
) -> tuple[Shadow, bytes]:
    """Return the tombstone and the answer; raise `ShadowError` if there is no such shadow."""
    token = removal.client_token
    _require_existing(shadow, name, token)
    if removal.expected_version not in {None, shadow.version}:
        raise ShadowError(CONFLICT, "Version conflict", token)
    answer = _encoded({"version": shadow.version, "timestamp": timestamp}, token)
    return Shadow(version=shadow.version, deleted=True, deleted_at=timestamp), answer


def state_of(shadow: Shadow) -> dict[str, Json]:
    """Return the sections that are there, as they stand in documents."""
    sections = {"desired": shadow.desired, "reported": shadow.reported}
    return {name: section for name, section in sections.items() if section is not None}


def times_of(shadow: Shadow) -> dict[str, Json]:
    """Return the timestamps of the sections that are there: a document's metadata."""
    sections = {
        "desired": shadow.desired_times if shadow.desired is not None else None,
        "reported": shadow.reported_times if shadow.reported is not None else None,
    }
    return {name: times for name, times in sections.items() if times is not None}


def _updated(shadow: Shadow, update: ShadowUpdate, timestamp: int) -> Shadow:
    desired, desired_times = shadow.desired, shadow.desired_times
    if "desired" in update.sections:
        desired, desired_times = _section_after(
            desired, desired_times, update.sections["desired"], timestamp
        )
    reported, reported_times = shadow.reported, shadow.reported_times
    if "reported" in update.sections:
        reported, reported_times = _section_after(
            reported, reported_times, update.sections["reported"], timestamp
        )
    return Shadow(
        version=shadow.version + 1,
        desired=desired,
        reported=reported,
        desired_times=desired_times,
        reported_times=reported_times,
        deleted=False,
    )


def _section_after(
    current: Section | None, times: Section, changes: Section | None, timestamp: int
) -> tuple[Section | None, Section]:
    if changes is None:
        return None, {}
    return merged(current or {}, times, changes, timestamp)


def _require_existing(shadow: Shadow, name: str, client_token: str | None) -> None:
    if shadow.deleted:
        raise ShadowError(NOT_FOUND, f"No shadow exists with name: {quoted(name)}", client_token)


def _accepted(shadow: Shadow, update: ShadowUpdate, timestamp: int) -> bytes:
    return _encoded(
        {
            "state": update.sections,
            "metadata": {
                name: stamped(section, timestamp)
                for name, section in update.sections.items()
                if section is not None
            },
            "version": shadow.version,
            "timestamp": timestamp,
        },
        update.client_token,
    )


def _delta(shadow: Shadow, client_token: str | None, timestamp: int) -> bytes | None:
    state, metadata = difference(shadow.desired or {}, shadow.reported or {}, shadow.desired_times)
    if not state:
        return None
    return _encoded(
        {
            "version": shadow.version,
            "timestamp": timestamp,
            "state": state,
            "metadata": metadata,
        },
        client_token,
    )


def _documents(before: Shadow, after: Shadow, client_token: str | None, timestamp: int) -> bytes:
    body: dict[str, Json] = {"current": _snapshot(after), "timestamp": timestamp}
    if not before.deleted:
        body["previous"] = _snapshot(before)
    return _encoded(body, client_token)


def _snapshot(shadow: Shadow) -> dict[str, Json]:
    return {"state": state_of(shadow), "metadata": times_of(shadow), "version": shadow.version}


def _encoded(body: dict[str, Json], client_token: str | None) -> bytes:
    return msgspec.json.encode(
        body if client_token is None else {**body, "clientToken": client_token}
    )
