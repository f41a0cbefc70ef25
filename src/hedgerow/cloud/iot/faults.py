"""The errors of the iot API: AWS's codes; statuses come from the service's model."""

from collections.abc import Mapping
from typing import Any

from hedgerow.aws import AwsError
from hedgerow.kernel import quoted


def invalid_request(message: str) -> AwsError:
    """Return the error for a call that makes no sense as it is."""
    return AwsError("InvalidRequestException", message)


def refuse_tags(request: Mapping[str, Any]) -> None:
    """Raise if a call brings tags: policies could not go by tags that are not kept."""
    if request.get("tags"):
        raise invalid_request("Tags are kept for Greengrass and IAM only; leave tags out.")


def thing_not_found(name: str) -> AwsError:
    """Return the error for a thing that is not registered."""
    return AwsError("ResourceNotFoundException", f"Thing {quoted(name)} does not exist.")


def thing_type_not_found(name: str) -> AwsError:
    """Return the error for a thing type that does not exist."""
    return AwsError("ResourceNotFoundException", f"Thing type {quoted(name)} does not exist.")


def thing_group_not_found(name: str) -> AwsError:
    """Return the error for a thing group that does not exist."""
    return AwsError("ResourceNotFoundException", f"Thing group {quoted(name)} does not exist.")


def certificate_not_found(certificate_id: str) -> AwsError:
    """Return the error for a certificate that is not registered."""
    return AwsError(
        "ResourceNotFoundException", f"Certificate {quoted(certificate_id)} does not exist."
    )


def ca_certificate_not_found(certificate_id: str) -> AwsError:
    """Return the error for an authority that is not registered."""
    return AwsError(
        "ResourceNotFoundException", f"CA certificate {quoted(certificate_id)} does not exist."
    )


def policy_not_found(name: str) -> AwsError:
    """Return the error for a policy that does not exist."""
    return AwsError("ResourceNotFoundException", f"Policy {quoted(name)} does not exist.")


def role_alias_not_found(name: str) -> AwsError:
    """Return the error for a role alias that does not exist."""
    return AwsError("ResourceNotFoundException", f"Role alias {quoted(name)} does not exist.")


def policy_version_not_found(name: str, version_id: str) -> AwsError:
    """Return the error for a version that a policy does not have."""
    return AwsError(
        "ResourceNotFoundException",
        f"Policy {quoted(name)} has no version {quoted(version_id)}.",
    )


def already_exists(what: str, resource_id: str, arn: str) -> AwsError:
    """Return the error for a name or certificate that is taken; it says by what."""
    return AwsError(
        "ResourceAlreadyExistsException",
        f"{what} {quoted(resource_id)} already exists in this account.",
        fields={"resourceId": resource_id, "resourceArn": arn},
    )


def version_conflict(expected: int, actual: int) -> AwsError:
    """Return the error for a thing or group that changed since the caller read it."""
    return AwsError(
        "VersionConflictException",
        f"It has version {actual}, not {expected}; describe it again and repeat the change.",
    )


def delete_conflict(message: str) -> AwsError:
    """Return the error for deleting what is still in use."""
    return AwsError("DeleteConflictException", message)


def certificate_state(message: str) -> AwsError:
    """Return the error for a change that the certificate's status does not allow."""
    return AwsError("CertificateStateException", message)


def limit_exceeded(message: str) -> AwsError:
    """Return the error for one attachment too many."""
    return AwsError("LimitExceededException", message)
