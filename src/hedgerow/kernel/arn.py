"""Amazon Resource Names: the one parser and the one printer."""

from dataclasses import dataclass
from typing import Self

from hedgerow.kernel.errors import CallerError, quoted

_PARTS = 6


@dataclass(frozen=True, slots=True)
class Arn:
    """`arn:partition:service:region:account:resource`; the resource may itself hold colons.

    Region and account are empty where a service leaves them out (IAM has no region).
    """

    service: str
    region: str
    account: str
    resource: str
    partition: str = "aws"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an ARN, or raise `CallerError` that quotes what was given."""
        parts = text.split(":", _PARTS - 1)
        if len(parts) != _PARTS or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
            raise CallerError(
                f"{quoted(text)} is not an ARN; the form is arn:aws:service:region:account:resource"
            )
        return cls(
            partition=parts[1],
            service=parts[2],
            region=parts[3],
            account=parts[4],
            resource=parts[5],
        )

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"
