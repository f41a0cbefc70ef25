"""Who makes a call, proven: the value that only a verified signature makes."""

from dataclasses import InitVar, dataclass
from typing import final

from hedgerow.aws.principal import Principal


@final
class SignatureProof:
    """What `sigv4.verify` alone holds; without it no `VerifiedCaller` can be made."""

    __slots__ = ()


SIGNATURE_PROOF = SignatureProof()


@final
@dataclass(frozen=True, slots=True)
class VerifiedCaller:
    """The principal whose access key signed the request.

    INVARIANT: `hedgerow.aws.sigv4` is the only module that imports `SIGNATURE_PROOF`.
    """

    principal: Principal
    access_key_id: str
    proof: InitVar[SignatureProof]

    def __post_init__(self, proof: SignatureProof) -> None:
        """Refuse to exist without the proof of a checked signature."""
        if proof is not SIGNATURE_PROOF:
            raise TypeError("a VerifiedCaller is made by sigv4.verify and nothing else")

    @property
    def account(self) -> str:
        """The account (12 digits) that the caller belongs to."""
        return self.principal.account

    @property
    def arn(self) -> str:
        """The caller's ARN."""
        return self.principal.arn

    @property
    def principal_id(self) -> str:
        """The caller's unique id."""
        return self.principal.id
