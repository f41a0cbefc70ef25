"""ARNs of the registry: `thing/<name>`, `cert/<id>`, `policy/<name>`, and reading principals."""

import re

from hedgerow.cloud.home import Home
from hedgerow.kernel import Arn, CallerError

_CERTIFICATE_ID = re.compile(r"[0-9a-f]{64}")


def thing_arn(home: Home, name: str) -> str:
    """Return the ARN of a thing."""
    return _arn(home, f"thing/{name}")


def certificate_arn(home: Home, certificate_id: str) -> str:
    """Return the ARN of a certificate."""
    return _arn(home, f"cert/{certificate_id}")


def policy_arn(home: Home, name: str) -> str:
    """Return the ARN of a policy."""
    return _arn(home, f"policy/{name}")


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
    try:
        arn = Arn.parse(text)
    except CallerError:
        return None
    if (arn.partition, arn.service, arn.region, arn.account) != (
        "aws",
        "iot",
        home.region,
        home.account,
    ):
        return None
    kind, _, certificate_id = arn.resource.partition("/")
    if kind != "cert" or not _CERTIFICATE_ID.fullmatch(certificate_id):
        return None
    return certificate_id


def _arn(home: Home, resource: str) -> str:
    return str(Arn(service="iot", region=home.region, account=home.account, resource=resource))
