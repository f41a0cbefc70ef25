"""The credential report: every user of an account, and the state of all it can sign in with.

Source of columns and words: IAM User Guide, "Generate credential reports for your AWS account".
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hedgerow.cloud.iam.access_keys import MAX_ACCESS_KEYS, AccessKey, KeyUse
from hedgerow.cloud.iam.login_profiles import LoginProfile
from hedgerow.store import Kind, Record

LIFETIME: Final = timedelta(hours=4)
"""How long a report can be fetched before a new one has to be made."""

_TRUE: Final = "TRUE"
_FALSE: Final = "FALSE"
_NONE: Final = "N/A"
_UNKNOWN: Final = "no_information"
_NOT_FOR_ROOT: Final = "not_supported"
_NO_KEY: Final = (_FALSE, _NONE, _NONE, _NONE, _NONE)
_KEY: Final = (
    "active",
    "last_rotated",
    "last_used_date",
    "last_used_region",
    "last_used_service",
)
_KEY_NUMBERS: Final = range(1, MAX_ACCESS_KEYS + 1)
_COLUMNS: Final = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_{number}_{fact}" for number in _KEY_NUMBERS for fact in _KEY),
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)


class CredentialReport(msgspec.Struct, frozen=True, kw_only=True):
    """An account's newest report."""

    text: str
    generated_at: datetime


CREDENTIAL_REPORT: Final = Kind("iam-credential-report", CredentialReport)


@dataclass(frozen=True, slots=True)
class Holdings:
    """A user (or the root) and what it can sign in with; `keys` are oldest first."""

    name: str
    arn: str
    created_at: datetime
    root: bool = False
    password: LoginProfile | None = None
    mfa: bool = False
    keys: Sequence[Record[AccessKey]] = ()
    uses: Mapping[str, KeyUse] = field(default_factory=dict)


def report_text(everybody: Sequence[Holdings], max_age_days: int | None) -> str:
    """Return the report as CSV; `max_age_days` is how long the account lets a password be used."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([*_row(one, max_age_days)] for one in everybody)
    return out.getvalue()


def _row(one: Holdings, max_age_days: int | None) -> Iterator[str]:
    yield from (one.name, one.arn, _shown(one.created_at))
    yield from _password(one, max_age_days)
    yield _TRUE if one.mfa else _FALSE
    for number in range(MAX_ACCESS_KEYS):
        yield from _key(one.keys[number], one.uses) if number < len(one.keys) else _NO_KEY
    yield from (_FALSE, _NONE) * 2


def _password(one: Holdings, max_age_days: int | None) -> tuple[str, str, str, str]:
    if one.root:
        return _NOT_FOR_ROOT, _UNKNOWN, _NOT_FOR_ROOT, _NOT_FOR_ROOT
    if one.password is None:
        return _FALSE, _NONE, _NONE, _NONE
    changed = one.password.changed_at
    rotation = _NONE if not max_age_days else _shown(changed + timedelta(days=max_age_days))
    return _TRUE, _UNKNOWN, _shown(changed), rotation


def _key(key: Record[AccessKey], uses: Mapping[str, KeyUse]) -> tuple[str, str, str, str, str]:
    active = _TRUE if key.document.status == "Active" else _FALSE
    rotated = _shown(key.created_at)
    use = uses.get(key.id)
    if use is None:
        return active, rotated, _NONE, _NONE, _NONE
    return active, rotated, _shown(use.at), use.region, use.service


def _shown(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat()
