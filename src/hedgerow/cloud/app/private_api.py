"""Private doors of the API: a listener on an address of its own, with an id and a policy.

It is what an interface endpoint is at AWS: calls that come through it carry `aws:SourceVpce`, and
its policy has to allow them as well as the caller's own.
Source: guide page vpc-interface-endpoints.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hedgerow.cloud.access.endpoint import ApiEndpoint
from hedgerow.kernel import ConfigurationError, quoted
from hedgerow.policy import Dialect, MalformedPolicyError, NamedPolicy, parse_policy

_ID = re.compile(r"vpce-[0-9a-z]{1,32}")
_FORM = "id=vpce-…,host=ADDRESS,port=NUMBER[,policy=FILE]"
_MAX_PORT = 65_535
_ALL_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an operator may want all of them


@dataclass(frozen=True, slots=True)
class PrivateApi:
    """One private door as the operator wants it; port 0 is any free one."""

    id: str
    host: str
    port: int
    policy: Path | None = None


def read_private_api(text: str) -> PrivateApi:
    """Return what `id=…,host=…,port=…,policy=FILE` says, or raise `ConfigurationError`."""
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in ("id", "host", "port", "policy") or not value or name in fields:
            raise ConfigurationError(f"{quoted(part)} is not a part of {_FORM}")
        fields[name] = value
    missing = [name for name in ("id", "host", "port") if name not in fields]
    if missing:
        raise ConfigurationError(f"{quoted(text)} lacks {', '.join(missing)}; write {_FORM}")
    if not _ID.fullmatch(fields["id"]):
        raise ConfigurationError(
            f"{quoted(fields['id'])} is not an endpoint's id; write vpce- and then digits and "
            "letters in lower case"
        )
    port = int(fields["port"]) if fields["port"].isascii() and fields["port"].isdigit() else -1
    if not 0 <= port <= _MAX_PORT:
        raise ConfigurationError(f"{quoted(fields['port'])} is not a port")
    policy = Path(fields["policy"]) if "policy" in fields else None
    return PrivateApi(id=fields["id"], host=fields["host"], port=port, policy=policy)


@dataclass(frozen=True, slots=True)
class PrivateDoor:
    """A private door with its policy read: what a listener is opened with."""

    endpoint: ApiEndpoint
    host: str
    port: int

    @property
    def name(self) -> str | None:
        """The name or address that a client can reach it by; None if it listens on all of them."""
        return None if self.host in _ALL_ADDRESSES else self.host


def private_doors(wanted: Sequence[PrivateApi]) -> tuple[PrivateDoor, ...]:
    """Return the doors with their policies, or raise `ConfigurationError`."""
    ids = [one.id for one in wanted]
    for one in ids:
        if ids.count(one) > 1:
            raise ConfigurationError(
                f"two private APIs have the id {one}: no policy could tell them apart"
            )
    return tuple(PrivateDoor(_endpoint(one), one.host, one.port) for one in wanted)


def _endpoint(wanted: PrivateApi) -> ApiEndpoint:
    """Return what calls through the door carry; an error names the policy's file and place."""
    if wanted.policy is None:
        return ApiEndpoint(wanted.id)
    try:
        text = wanted.policy.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"cannot read the policy {wanted.policy}: {reason}") from error
    try:
        policy = parse_policy(text, Dialect.ENDPOINT)
    except MalformedPolicyError as error:
        raise ConfigurationError(f"{wanted.policy}: {error.message}") from error
    return ApiEndpoint(wanted.id, NamedPolicy(name=wanted.id, policy=policy))
