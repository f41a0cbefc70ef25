"""ARNs of an estate: printed under its origin, and read whatever their account is."""

import re
from typing import Final

from hedgerow.estate.values import Origin
from hedgerow.kernel import Arn, CallerError

CERTIFICATE_ID: Final = re.compile(r"[0-9a-f]{64}")
THING_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
GROUP_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP: Final = re.compile(r"/greengrass/groups/([0-9A-Za-z-]{1,64})(?:/versions/([0-9A-Za-z-]+))?")


def printed_arn(origin: Origin, service: str, resource: str) -> str:
    """Return an ARN under an origin."""
    return str(
        Arn(
            service=service,
            region=origin.region,
            account=origin.account,
            resource=resource,
            partition=origin.partition,
        )
    )


def thing_arn(origin: Origin, name: str) -> str:
    """Return the ARN of a thing."""
    return printed_arn(origin, "iot", f"thing/{name}")


def certificate_arn(origin: Origin, certificate_id: str) -> str:
    """Return the ARN of a certificate."""
    return printed_arn(origin, "iot", f"cert/{certificate_id}")


def thing_name_of(arn: object) -> str | None:
    """Return the name in the ARN of a thing, or None."""
    return _named(arn, "iot", "thing/", THING_NAME)


def certificate_id_of(arn: object) -> str | None:
    """Return the id in the ARN of a certificate, or None."""
    return _named(arn, "iot", "cert/", CERTIFICATE_ID)


def group_id_of(arn: object) -> str | None:
    """Return the group's id in the ARN of a group or of one of its versions, or None."""
    parsed = parsed_arn(arn)
    match = None if parsed is None else _GROUP.fullmatch(parsed.resource)
    return None if match is None else match[1]


def origin_of(arn: object) -> Origin | None:
    """Return the account and region that an ARN names, if it names both."""
    parsed = parsed_arn(arn)
    if parsed is None or not parsed.account or not parsed.region:
        return None
    return Origin(account=parsed.account, region=parsed.region, partition=parsed.partition)


def parsed_arn(text: object) -> Arn | None:
    """Return an ARN, or None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        return Arn.parse(text)
    except CallerError:
        return None


def _named(text: object, service: str, prefix: str, form: re.Pattern[str]) -> str | None:
    arn = parsed_arn(text)
    if arn is None or arn.service != service or not arn.resource.startswith(prefix):
        return None
    name = arn.resource.removeprefix(prefix)
    return name if form.fullmatch(name) else None
