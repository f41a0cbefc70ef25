"""Who makes a call, proven: the value that only a verified signature makes."""

from dataclasses import InitVar, dataclass
from typing import final


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

    account: str
    arn: str
    access_key_id: str
    principal_id: str
    proof: InitVar[SignatureProof]

    def __post_init__(self, proof: SignatureProof) -> None:
        """Refuse to exist without the proof of a checked signature."""
        if proof is not SIGNATURE_PROOF:
            raise TypeError("a VerifiedCaller is made by sigv4.verify and nothing else")
