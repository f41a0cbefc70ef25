"""Errors as an AWS service answers them: code, sentence, status and whatever else it names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hedgerow.kernel import CallerError, DeniedError, HedgerowError

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


class AwsError(HedgerowError):
    """What the caller gets instead of a result.

    `code` is AWS's own (`ResourceNotFoundException`). `http_status` left out means the status that
    the service's model gives to the code, or 400 for a code the model does not name. `fields` are
    further members of the error, by the model's names, such as greengrass's `ErrorDetails`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        http_status: int | None = None,
        fields: Mapping[str, Any] = _NO_FIELDS,
    ) -> None:
        super().__init__(message, code=code)
        self.code = code  # type: ignore[misc]  # the base has one per class, AWS one per case
        self.http_status = http_status
        self.fields = fields


class AccessDeniedError(DeniedError):
    """No policy allows the call, or one denies it.

    The sentence is for the caller. `decision` has the facts behind it, which are kept with the
    record of the call for those who may read it.
    """

    def __init__(self, message: str, *, decision: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.decision = decision


class MalformedBodyError(CallerError):
    """The request cannot be read as the model says; the service's own code is put on it later."""

    code = "SerializationException"


class BrokenConstraintError(CallerError):
    """The request reads well and breaks a constraint of the model."""

    code = "ValidationException"


class InvalidPageTokenError(CallerError):
    """A page token that this service did not give out, or gave out for another list."""

    code = "InvalidNextToken"
