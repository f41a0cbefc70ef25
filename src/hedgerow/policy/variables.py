"""The variables of a device's request: what an AWS IoT policy may refer to.

Source: AWS IoT Developer Guide, "Basic", "Thing" and "X.509 certificate policy variables".
"""

from collections.abc import Mapping
from typing import Final

from hedgerow.policy.context import Context, context

CLIENT_ID: Final = "iot:ClientId"
CERTIFICATE_ID: Final = "iot:CertificateId"
THING_NAME: Final = "iot:Connection.Thing.ThingName"
THING_TYPE_NAME: Final = "iot:Connection.Thing.ThingTypeName"
IS_ATTACHED: Final = "iot:Connection.Thing.IsAttached"
CONNECT_ATTRIBUTES: Final = "iot:ConnectAttributes"
"""The one key with several values: what a CONNECT asks for beyond a clean connection."""
_ATTRIBUTE_PREFIX: Final = "iot:Connection.Thing.Attributes["

ALWAYS_KNOWN: Final = frozenset({IS_ATTACHED.lower(), CERTIFICATE_ID.lower()})
"""Every connection has these; a request without one is our mistake, so a deny on it denies."""

_KNOWN: Final = {
    name.lower(): name
    for name in (
        CLIENT_ID,
        CERTIFICATE_ID,
        THING_NAME,
        THING_TYPE_NAME,
        IS_ATTACHED,
        CONNECT_ATTRIBUTES,
    )
}
_CERTIFICATE_FIELDS: Final = (
    "iot:certificate.subject.",
    "iot:certificate.issuer.",
    "iot:certificate.subjectalternativename.",
    "iot:certificate.serialnumber",
)


def condition_key(text: str) -> str | None:
    """Return the variable's proper spelling if a request can carry it (case does not count)."""
    known = _KNOWN.get(text.lower())
    if known is not None:
        return known
    if text.lower().startswith(_ATTRIBUTE_PREFIX.lower()) and text.endswith("]"):
        attribute = text[len(_ATTRIBUTE_PREFIX) : -1]
        return f"{_ATTRIBUTE_PREFIX}{attribute}]" if attribute else None
    return None


def is_placeholder(text: str) -> bool:
    """Tell whether a variable may stand in `${…}`.

    More names than for conditions: one that no request carries yet makes an allow statement
    match nothing and a deny statement deny, so it is safe to accept it.
    """
    key = condition_key(text)
    if key == CONNECT_ATTRIBUTES:
        return False  # several values are no text
    return key is not None or text.lower().startswith(_CERTIFICATE_FIELDS)


def connection_variables(
    *,
    client_id: str,
    thing_name: str | None,
    certificate_id: str,
    attached: bool,
    thing_type_name: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Context:
    """Return the variables of a connection.

    Those about the thing are there only if the thing is attached to the certificate and the
    client id equals its name (the AWS IoT guide's "Thing policy variables").
    """
    variables = {CERTIFICATE_ID: certificate_id, IS_ATTACHED: "true" if attached else "false"}
    if client_id:
        variables[CLIENT_ID] = client_id
    if attached and thing_name and client_id == thing_name:
        variables[THING_NAME] = thing_name
        if thing_type_name:
            variables[THING_TYPE_NAME] = thing_type_name
        for name, value in (attributes or {}).items():
            variables[f"{_ATTRIBUTE_PREFIX}{name}]"] = value
    return context(variables)
