"""The variables of a request: what a policy may refer to by `${…}` or in a condition.

Source: AWS IoT Developer Guide, "Basic", "Thing" and "X.509 certificate policy variables".
"""

from collections.abc import Mapping
from typing import Final

CLIENT_ID: Final = "iot:ClientId"
CERTIFICATE_ID: Final = "iot:CertificateId"
THING_NAME: Final = "iot:Connection.Thing.ThingName"
THING_TYPE_NAME: Final = "iot:Connection.Thing.ThingTypeName"
IS_ATTACHED: Final = "iot:Connection.Thing.IsAttached"
_ATTRIBUTE_PREFIX: Final = "iot:Connection.Thing.Attributes["

ALWAYS_KNOWN: Final = frozenset({IS_ATTACHED, CERTIFICATE_ID})
"""Every connection has these; a request without one is our mistake, so a deny on it denies."""

_KNOWN: Final = {
    name.lower(): name
    for name in (CLIENT_ID, CERTIFICATE_ID, THING_NAME, THING_TYPE_NAME, IS_ATTACHED)
}
_CERTIFICATE_FIELDS: Final = (
    "iot:Certificate.Subject.",
    "iot:Certificate.Issuer.",
    "iot:Certificate.SubjectAlternativeName.",
    "iot:Certificate.SerialNumber",
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


def placeholder(text: str) -> str | None:
    """Return the proper spelling of a variable that may stand in `${…}`.

    More names than for conditions: one that no request carries yet makes an allow statement
    match nothing and a deny statement deny, so it is safe to accept it.
    """
    known = condition_key(text)
    if known is None and any(
        text.lower().startswith(field.lower()) for field in _CERTIFICATE_FIELDS
    ):
        return text
    return known


def connection_variables(
    *,
    client_id: str,
    thing_name: str | None,
    certificate_id: str,
    attached: bool,
    thing_type_name: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the variables of a connection.

    Those about the thing are there only if the thing is attached to the certificate and the
    client id equals its name (issue 2; the AWS IoT guide's "Thing policy variables").
    """
    variables = {CERTIFICATE_ID: certificate_id, IS_ATTACHED: "true" if attached else "false"}
    if client_id:
        variables[CLIENT_ID] = client_id
    if not (attached and thing_name and client_id == thing_name):
        return variables
    variables[THING_NAME] = thing_name
    if thing_type_name:
        variables[THING_TYPE_NAME] = thing_type_name
    for name, value in (attributes or {}).items():
        variables[f"{_ATTRIBUTE_PREFIX}{name}]"] = value
    return variables
