"""Moments in the three forms that models use: seconds since 1970, ISO 8601 and RFC 822."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

UNIX = "unixtimestamp"
ISO = "iso8601"
RFC822 = "rfc822"
MAX_TIMESTAMP_CHARACTERS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_timestamp(value: float | str, form: str) -> datetime:
    """Return the moment that a value stands for, in UTC; `ValueError` if it stands for none.

    A text may also be the number of seconds, since some SDKs write that whatever the model says.
    """
    try:
        if isinstance(value, str):
            return _read_text(value.strip(), form)
        return _read_seconds(float(value))
    except OverflowError:
        raise ValueError("no such year") from None


def write_timestamp(moment: datetime, form: str) -> float | int | str:
    """Return a moment in the given form; fractions of a second are kept to milliseconds."""
    utc = moment.astimezone(UTC)
    if form == UNIX:
        milliseconds = round((utc - _EPOCH) / timedelta(milliseconds=1))
        whole, rest = divmod(milliseconds, 1000)
        return milliseconds / 1000 if rest else whole
    if form == RFC822:
        return format_datetime(utc.replace(microsecond=0), usegmt=True)
    fraction = f".{utc.microsecond // 1000:03d}" if utc.microsecond >= 1000 else ""  # noqa: PLR2004
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _read_text(text: str, form: str) -> datetime:
    if len(text) > MAX_TIMESTAMP_CHARACTERS:
        raise ValueError("too long for a timestamp")
    if form == RFC822:
        moment = parsedate_to_datetime(text)
    elif form == ISO or "-" in text.lstrip("-"):
        moment = datetime.fromisoformat(text)
    else:
        return _read_seconds(float(text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_seconds(seconds: float) -> datetime:
    if not math.isfinite(seconds):
        raise ValueError("not a moment")
    return _EPOCH + timedelta(seconds=seconds)
