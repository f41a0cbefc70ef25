"""What the cloud answers: a reason code, with its sentence if it gave one. Pure."""

from dataclasses import dataclass

from hedgerow.mqtt.codec import NO_PROPERTIES, Properties, ReasonCode

_OF_A_CLIENT_ID = frozenset({ReasonCode.NOT_AUTHORIZED, ReasonCode.CLIENT_IDENTIFIER_NOT_VALID})


@dataclass(frozen=True, slots=True)
class Answer:
    """A reason code of the cloud, with its reason string if it gave one."""

    code: ReasonCode
    reason: str = ""

    @classmethod
    def of(cls, code: ReasonCode, properties: Properties = NO_PROPERTIES) -> "Answer":
        """Return the answer that a packet holds."""
        return cls(code, properties.reason_string or "")

    @property
    def is_failure(self) -> bool:
        """Tell whether the code is one of failure."""
        return self.code.is_error

    @property
    def wants_less(self) -> bool:
        """Tell whether the cloud has taken too much for now."""
        return self.code is ReasonCode.QUOTA_EXCEEDED

    @property
    def refuses_client_id(self) -> bool:
        """Tell whether another client id may be let in."""
        return self.code in _OF_A_CLIENT_ID

    @property
    def session_taken_over(self) -> bool:
        """Tell whether another connection with the same client id took this one's place."""
        return self.code is ReasonCode.SESSION_TAKEN_OVER

    def __str__(self) -> str:
        return self.reason or self.code.name.replace("_", " ").capitalize()
