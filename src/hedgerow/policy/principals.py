"""Principal and NotPrincipal of trust and endpoint policies: whom a statement speaks of.

Source: IAM User Guide, "AWS JSON policy elements: Principal".
"""

from enum import Enum
from typing import Final

import msgspec

from hedgerow.policy.requests import Requester

_ANYBODY: Final = "*"


class Named(Enum):
    """How a statement speaks of who asks."""

    NOT = "not at all"
    ACCOUNT = "by the account"
    DIRECTLY = "directly"


class Principals(msgspec.Struct, frozen=True, gc=False):
    """The principals a statement names; `negated` for NotPrincipal."""

    accounts: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    federated: frozenset[str] = frozenset()
    anybody: bool = False
    negated: bool = False

    @property
    def everybody(self) -> bool:
        """Whether nobody is left out, so that it does not matter who asks."""
        return self.anybody and not self.negated

    def of(self, requester: Requester | None) -> Named:
        """Tell how the statement speaks of who asks; of nobody known only as of anybody.

        Everybody is not somebody: to be named by `*` is as good as by one's account, so that
        one's own policies have to allow as well.
        """
        named = self._named(requester)
        if not self.negated:
            return named
        return Named.DIRECTLY if named is Named.NOT else Named.NOT

    def _named(self, requester: Requester | None) -> Named:
        if requester is not None:
            if requester.service:
                if requester.service in self.services:
                    return Named.DIRECTLY
            elif requester.arn in self.arns or (
                requester.role_arn and requester.role_arn in self.arns
            ):
                return Named.DIRECTLY
            elif requester.account in self.accounts:
                return Named.ACCOUNT
        return Named.ACCOUNT if self.anybody else Named.NOT

    def __str__(self) -> str:
        listed = sorted((*self.accounts, *self.arns, *self.services, *self.federated))
        shown = ", ".join([_ANYBODY, *listed] if self.anybody else listed)
        return f"anybody but {shown}" if self.negated else shown
