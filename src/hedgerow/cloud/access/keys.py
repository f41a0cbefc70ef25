"""Condition keys: what each says of a call, looked up only if a policy asks for it.

Which keys a principal's policies speak of is known from the policies; for each of those this
module knows where its value comes from. A key without a value is absent, as IAM says: a key about
multi-factor authentication, for instance, where a long-lived access key signed.
Source: IAM User Guide, "AWS global condition context keys"; guide pages
security_iam_service-with-iam and tagging.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hedgerow.aws import Asked, Principal
from hedgerow.cloud.access.endpoint import endpoint_of
from hedgerow.policy import Values

OfPrincipal = Callable[[Principal], Values | None]
OfCall = Callable[[Asked], Values | None]

_PRINCIPAL_TYPES: Final = {
    "Root": "Account",
    "IAMUser": "User",
    "AssumedRole": "AssumedRole",
    "FederatedUser": "FederatedUser",
    "AWSService": "Service",
}
_PRINCIPAL_TAG: Final = "aws:principaltag/"
_REQUEST_TAG: Final = "aws:requesttag/"
_RESOURCE_TAG: Final = ":resourcetag/"
TAG_KEYS: Final = "aws:tagkeys"
PASSED_TO_SERVICE: Final = "iam:passedtoservice"
PERMISSIONS_BOUNDARY: Final = "iam:permissionsboundary"


def principal_arn(principal: Principal) -> str:
    """Return the ARN that policies know a principal by: of a session it is the role's."""
    session = principal.session
    if principal.kind == "AssumedRole" and session is not None:
        return session.issuer_arn
    return principal.arn


def _token_issue_time(principal: Principal) -> str | None:
    session = principal.session
    return None if session is None else f"{session.issued_at:%Y-%m-%dT%H:%M:%SZ}"


def _mfa_present(principal: Principal) -> str | None:
    session = principal.session
    return None if session is None else str(session.mfa_at is not None).lower()


def _mfa_age(asked: Asked) -> str | None:
    session = asked.caller.principal.session
    if session is None or session.mfa_at is None:
        return None
    return str(max(0, int((asked.at - session.mfa_at).total_seconds())))


def _source_identity(principal: Principal) -> str | None:
    session = principal.session
    return (session.source_identity or None) if session is not None else None


def _source_vpce(asked: Asked) -> str | None:
    endpoint = endpoint_of(asked.peer)
    return None if endpoint is None else endpoint.id


def _of_input(service: str, *members: str) -> OfCall:
    """Return what reads a string of the input, for calls of one service."""

    def value(asked: Asked) -> str | None:
        if asked.service != service:
            return None
        found = (asked.input.get(member) for member in members)
        return next((str(each) for each in found if each is not None), None)

    return value


def _of_session(key: str) -> OfPrincipal:
    """Return what reads a key that the service which assumed the role has given to the session."""

    def value(principal: Principal) -> str | None:
        session = principal.session
        return None if session is None else session.context.get(key)

    return value


OF_PRINCIPAL: Final[Mapping[str, OfPrincipal]] = {
    "aws:principalarn": principal_arn,
    "aws:principalaccount": lambda principal: principal.account,
    "aws:principaltype": lambda principal: _PRINCIPAL_TYPES[principal.kind],
    "aws:principalisawsservice": lambda principal: str(principal.kind == "AWSService").lower(),
    "aws:userid": lambda principal: principal.id,
    "aws:username": lambda who: who.name if who.kind == "IAMUser" and who.name else None,
    "aws:tokenissuetime": _token_issue_time,
    "aws:multifactorauthpresent": _mfa_present,
    "aws:sourceidentity": _source_identity,
    "credentials-iot:thingname": _of_session("credentials-iot:ThingName"),
    "credentials-iot:thingtypename": _of_session("credentials-iot:ThingTypeName"),
    "credentials-iot:awscertificateid": _of_session("credentials-iot:AwsCertificateId"),
}
"""Keys that are the same for every call of a principal."""

OF_CALL: Final[Mapping[str, OfCall]] = {
    "aws:currenttime": lambda asked: f"{asked.at:%Y-%m-%dT%H:%M:%SZ}",
    "aws:epochtime": lambda asked: str(int(asked.at.timestamp())),
    "aws:multifactorauthage": _mfa_age,
    "aws:securetransport": lambda _asked: "true",
    "aws:sourceip": lambda asked: asked.source_ip,
    "aws:useragent": lambda asked: asked.user_agent or None,
    "aws:requestedregion": lambda asked: asked.region,
    "aws:resourceaccount": lambda asked: asked.caller.account,
    "aws:sourcevpce": _source_vpce,
    "aws:viaawsservice": lambda _asked: "false",
    "iam:awsservicename": _of_input("iam", "AWSServiceName"),
    "iam:policyarn": _of_input("iam", "PolicyArn"),
    "sts:externalid": _of_input("sts", "ExternalId"),
    "sts:rolesessionname": _of_input("sts", "RoleSessionName"),
    "sts:durationseconds": _of_input("sts", "DurationSeconds"),
}
"""Keys that depend on the call. `aws:SecureTransport` is true: nothing is served without TLS."""


@dataclass(frozen=True, slots=True)
class WantedKeys:
    """Which keys some policies speak of, sorted by where their values come from."""

    of_principal: tuple[tuple[str, OfPrincipal], ...]
    of_call: tuple[tuple[str, OfCall], ...]
    principal_tags: tuple[str, ...]
    """The whole keys, in lower case, as the next two."""
    request_tags: tuple[str, ...]
    resource_tags: tuple[str, ...]
    tag_keys: bool
    passed_to: bool
    boundary: bool
    nothing_of_call: bool = field(init=False)
    """Whether all that is wanted is the same for every call of a principal."""

    def __post_init__(self) -> None:
        """Look once."""
        of_call = self.of_call or self.request_tags or self.resource_tags
        single = self.tag_keys or self.passed_to or self.boundary
        object.__setattr__(self, "nothing_of_call", not (of_call or single))


def wanted_keys(keys: Iterable[str]) -> WantedKeys:
    """Sort the keys that policies speak of (in lower case); unknown ones never have a value."""
    asked = sorted(keys)
    return WantedKeys(
        of_principal=tuple((key, OF_PRINCIPAL[key]) for key in asked if key in OF_PRINCIPAL),
        of_call=tuple((key, OF_CALL[key]) for key in asked if key in OF_CALL),
        principal_tags=tuple(key for key in asked if key.startswith(_PRINCIPAL_TAG)),
        request_tags=tuple(key for key in asked if key.startswith(_REQUEST_TAG)),
        resource_tags=tuple(key for key in asked if _RESOURCE_TAG in key),
        tag_keys=TAG_KEYS in asked,
        passed_to=PASSED_TO_SERVICE in asked,
        boundary=PERMISSIONS_BOUNDARY in asked,
    )


def principal_values(
    wanted: WantedKeys, principal: Principal, tags: Mapping[str, str]
) -> dict[str, Values]:
    """Return what is known of a principal, for all its calls.

    Session tags win over the role's own of the same name, whatever its case.
    """
    values: dict[str, Values] = {}
    for key, of_principal in wanted.of_principal:
        value = of_principal(principal)
        if value is not None:
            values[key] = value
    if wanted.principal_tags:
        session = principal.session
        all_tags = by_key(_PRINCIPAL_TAG, tags.items())
        if session is not None:
            all_tags.update(by_key(_PRINCIPAL_TAG, session.tags.items()))
        values.update(_picked(wanted.principal_tags, all_tags))
    return values


def call_values(wanted: WantedKeys, asked: Asked) -> dict[str, Values]:
    """Return what is known of a call, whatever it is about."""
    values: dict[str, Values] = {}
    for key, of_call in wanted.of_call:
        value = of_call(asked)
        if value is not None:
            values[key] = value
    return values


def request_tag_values(wanted: WantedKeys, tags: Iterable[tuple[str, str]]) -> Mapping[str, Values]:
    """Return the tags that a request brings, by their condition keys."""
    return _picked(wanted.request_tags, by_key(_REQUEST_TAG, tags))


def resource_tag_values(
    wanted: WantedKeys, prefix: str, tags: Mapping[str, str]
) -> Mapping[str, Values]:
    """Return a resource's tags by their condition keys, in `aws:` and in the service's words."""
    both = by_key(f"aws{_RESOURCE_TAG}", tags.items())
    both.update(by_key(f"{prefix}{_RESOURCE_TAG}", tags.items()))
    return _picked(wanted.resource_tags, both)


def by_key(prefix: str, tags: Iterable[tuple[str, str]]) -> dict[str, Values]:
    """Return tags under condition keys; names that differ in case only become one with all values.

    So that neither of the two can hide the other.
    """
    values: dict[str, Values] = {}
    for name, value in tags:
        key = prefix + name.lower()
        known = values.get(key)
        if known is None or known == value:
            values[key] = value
        else:
            values[key] = (*((known,) if isinstance(known, str) else known), value)
    return values


def _picked(keys: Iterable[str], values: Mapping[str, Values]) -> dict[str, Values]:
    return {key: values[key] for key in keys if key in values}
