"""ARNs of the registry (`thing/<name>`, `cert/<id>`, …): printing them, and reading principals."""

import re

from hedgerow.cloud.home import Home
from hedgerow.kernel import Arn, CallerError

_CERTIFICATE_ID = re.compile(r"[0-9a-f]{64}")
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


def thing_arn(home: Home, name: str) -> str:
    """Return the ARN of a thing."""
    return _arn(home, f"thing/{name}")


def thing_type_arn(home: Home, name: str) -> str:
    """Return the ARN of a thing type."""
    return _arn(home, f"thingtype/{name}")


def thing_group_arn(home: Home, name: str) -> str:
    """Return the ARN of a thing group."""
    return _arn(home, f"thinggroup/{name}")


def certificate_arn(home: Home, certificate_id: str) -> str:
    """Return the ARN of a certificate."""
    return _arn(home, f"cert/{certificate_id}")


def ca_certificate_arn(home: Home, certificate_id: str) -> str:
    """Return the ARN of a registered authority."""
    return _arn(home, f"cacert/{certificate_id}")


def policy_arn(home: Home, name: str) -> str:
    """Return the ARN of a policy."""
    return _arn(home, f"policy/{name}")


def role_alias_arn(home: Home, name: str) -> str:
    """Return the ARN of a role alias, which `iot:AssumeRoleWithCertificate` is judged on."""
    return _arn(home, f"rolealias/{name}")


def job_arn(home: Home, job_id: str) -> str:
    """Return the ARN of a job."""
    return _arn(home, f"job/{job_id}")


def client_arn(home: Home, client_id: str) -> str:
    """Return what `iot:Connect` is judged on."""
    return _arn(home, f"client/{client_id}")


def topic_arn(home: Home, topic: str) -> str:
    """Return what `iot:Publish` and `iot:Receive` are judged on."""
    return _arn(home, f"topic/{topic}")


def topic_filter_arn(home: Home, topic_filter: str) -> str:
    """Return what `iot:Subscribe` is judged on."""
    return _arn(home, f"topicfilter/{topic_filter}")


def read_certificate_arn(text: str, home: Home) -> str | None:
    """Return the id in the ARN of a certificate of this account and region, else None."""
    return _read(text, home, "cert", _CERTIFICATE_ID)


def read_thing_arn(text: str, home: Home) -> str | None:
    """Return the name in the ARN of a thing of this account and region, else None."""
    return _read(text, home, "thing", _THING_NAME)


def read_thing_group_arn(text: str, home: Home) -> str | None:
    """Return the name in the ARN of a thing group of this account and region, else None."""
    return _read(text, home, "thinggroup", _THING_NAME)


def _read(text: str, home: Home, kind: str, form: re.Pattern[str]) -> str | None:
    try:
        arn = Arn.parse(text)
    except CallerError:
        return None
    own = Arn(service="iot", region=home.region, account=home.account, resource=arn.resource)
    given_kind, _, name = arn.resource.partition("/")
    return name if arn == own and given_kind == kind and form.fullmatch(name) else None


def _arn(home: Home, resource: str) -> str:
    return str(Arn(service="iot", region=home.region, account=home.account, resource=resource))
