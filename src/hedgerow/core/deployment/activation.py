"""What a deployment does to the running core, as the deployment room asks for it."""

from collections.abc import Callable
from typing import Protocol

from hedgerow.core.deployment.folder import StoredDeployment
from hedgerow.core.deployment.verification import VerifiedGroup, VerifiedMembership
from hedgerow.kernel import HedgerowError


class UnhealthyError(HedgerowError):
    """The core does not do its work with what it runs; the message lists what fails."""

    code = "Unhealthy"


class Activation(Protocol):
    """What a deployment does to the running core."""

    async def prepare(
        self, group: VerifiedGroup, membership: VerifiedMembership
    ) -> Callable[[], None]:
        """Make everything ready, change nothing, and return the step that changes over.

        Raises `HedgerowError` that lists everything that keeps the group from running here.
        """

    async def check(self, group: VerifiedGroup) -> None:
        """Pass only if the core does its work with this group; `UnhealthyError` says what fails."""

    def resume(self, stored: StoredDeployment) -> None:
        """Put in force at start what lies on disk, without a word to the cloud."""

    def go_back(self, stored: StoredDeployment) -> None:
        """Put in force again what ran before, or nothing; without a word to the cloud."""

    def forget_others(self) -> None:
        """Forget what is of groups before the one that runs; `HedgerowError` names what is left."""

    def update_membership(self, membership: VerifiedMembership) -> None:
        """Put a newer list of certificates in force at once."""

    def withdraw(self) -> None:
        """Stop serving, and keep everything."""

    def wipe(self) -> None:
        """Stop serving, and forget what a reset takes away.

        Raises `HedgerowError` that names what could not be wiped; the rest is gone then.
        """
