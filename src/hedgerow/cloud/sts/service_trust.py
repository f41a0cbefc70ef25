"""Whether a role lets an AWS service assume it for one resource of one account. Pure.

Source: guide page cross-service-confused-deputy-prevention; IAM User Guide, "The confused deputy
problem".
"""

from datetime import datetime

from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.kernel import DeniedError
from hedgerow.policy import AccessRequest, Requester, context, decide_trust

ASSUME_ROLE = "sts:AssumeRole"


def require_service_trust(
    role: RoleFacts, *, service: str, source_account: str, source_arn: str, at: datetime
) -> None:
    """Return if the role's trust policy allows it; else raise `DeniedError` with what it lacks."""
    request = service_request(
        role.arn, service=service, source_account=source_account, source_arn=source_arn, at=at
    )
    decision = decide_trust(role.trust, request)
    if not decision.allowed:
        raise DeniedError(
            f"the trust policy of {role.arn} does not let {service} assume it for {source_arn} of "
            f"account {source_account}: {decision.reason}"
        )


def service_request(
    role_arn: str, *, service: str, source_account: str, source_arn: str, at: datetime
) -> AccessRequest:
    """Return what a trust policy is asked when a service assumes the role for a resource."""
    return AccessRequest(
        action=ASSUME_ROLE,
        resource=role_arn,
        variables=context(
            {
                "aws:SourceAccount": source_account,
                "aws:SourceArn": source_arn,
                "aws:PrincipalIsAWSService": "true",
                "aws:PrincipalServiceName": service,
                "aws:PrincipalType": "Service",
                "aws:SecureTransport": "true",
                "aws:CurrentTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "aws:EpochTime": str(int(at.timestamp())),
            }
        ),
        principal=Requester(account="", arn="", service=service),
    )
