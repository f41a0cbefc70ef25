"""Proving who begins something that is no API call: a WebSocket, say.

The signature is the same as that of calls; what differs is data: the names it is scoped to, and
which parameters such clients add after signing.
"""

from dataclasses import dataclass, field

from hedgerow.aws.caller import VerifiedCaller
from hedgerow.aws.claims import SignatureClaim, read_claim
from hedgerow.aws.credentials import Credential, CredentialSource
from hedgerow.aws.http import HttpRequest
from hedgerow.aws.signature_errors import SignatureError, SignatureFault
from hedgerow.aws.sigv4 import Scope, SigningKeys, verify
from hedgerow.kernel import Clock


@dataclass(frozen=True, slots=True)
class Proven:
    """A caller whose signature was checked, and the credential that signed."""

    caller: VerifiedCaller
    credential: Credential


@dataclass(frozen=True, slots=True)
class SignedDoor:
    """Checks the signatures of one kind of request.

    A presigned request may leave its lifetime out and is then good for as long as the clocks of
    both sides may differ; with one, it is good until that is over and not a second longer.
    """

    credentials: CredentialSource
    scope: Scope
    clock: Clock
    unsigned_parameters: frozenset[str] = frozenset()
    keys: SigningKeys = field(default_factory=SigningKeys)

    def claim(self, request: HttpRequest) -> SignatureClaim:
        """Return what the request says of its signature, or raise `SignatureError`."""
        return read_claim(request, may_omit_expires=True)

    async def prove(self, request: HttpRequest, claim: SignatureClaim) -> Proven:
        """Return the proven caller, or raise `SignatureError`."""
        token = claim.session_token.reveal() if claim.session_token is not None else None
        credential = await self.credentials.find(claim.access_key_id, token)
        caller = verify(
            request,
            claim,
            credential,
            scope=self.scope,
            now=self.clock.now(),
            keys=self.keys,
            unsigned_parameters=self.unsigned_parameters,
        )
        if credential is None:  # `verify` has raised then
            raise SignatureError(SignatureFault.UNKNOWN_KEY, "The security token is invalid.")
        return Proven(caller, credential)
