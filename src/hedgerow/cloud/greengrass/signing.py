"""The cloud's signature under what cores download."""

from dataclasses import dataclass, field

from hedgerow.contract import Signer, sign


@dataclass(frozen=True, slots=True)
class DocumentSigner:
    """Signs with the cloud's signing key; the certificate (PEM) goes with every signature."""

    sign: Signer = field(repr=False)
    certificate_pem: str

    def signed(self, payload: bytes) -> bytes:
        """Return the encoded signed document of a payload."""
        return sign(payload, self.sign, self.certificate_pem)
