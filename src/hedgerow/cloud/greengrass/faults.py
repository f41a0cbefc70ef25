"""The errors of the greengrass API, in V1's codes and words where operators know them.

The model has only `BadRequestException` and `InternalServerErrorException`; what does not exist
was answered with the unmodelled `IdNotFoundException` and status 404.
"""

from collections.abc import Sequence

from hedgerow.aws import AwsError

MAX_SHOWN_FAULTS = 20
"""So many stand in the sentence; the details have up to `MAX_LISTED_FAULTS`."""
MAX_LISTED_FAULTS = 1_000


def bad_request(message: str, details: Sequence[tuple[str, str]] = ()) -> AwsError:
    """Return a `BadRequestException`; details are (code, sentence)."""
    fields = {
        "ErrorDetails": [
            {"DetailedErrorCode": code, "DetailedErrorMessage": text} for code, text in details
        ]
    }
    return AwsError("BadRequestException", message, http_status=400, fields=fields)


def invalid_definition(path: str, faults: Sequence[str]) -> AwsError:
    """Return the error for a definition version whose content is wrong: every fault at once."""
    shown = list(faults[:MAX_SHOWN_FAULTS])
    if len(faults) > MAX_SHOWN_FAULTS:
        shown.append(f"and {len(faults) - MAX_SHOWN_FAULTS} more")
    return bad_request(
        f"The {path} definition is invalid or corrupted. (ErrorDetails: [{'; '.join(shown)}])",
        [("INVALID_DEFINITION", fault) for fault in faults[:MAX_LISTED_FAULTS]],
    )


def not_found(what: str) -> AwsError:
    """Return the error for an id that names nothing, e.g. `group definition`."""
    return AwsError("IdNotFoundException", f"That {what} does not exist.", http_status=404)


def role_missing(message: str) -> AwsError:
    """Return V1's answer to asking for a role that is not associated: code and status 404."""
    return AwsError("404", message, http_status=404)
