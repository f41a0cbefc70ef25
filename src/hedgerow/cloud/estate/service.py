"""The `hedgerow` API: `ImportEstate` and `ExportGroup`. Plans are made by `hedgerow.estate`.

Planning a large estate takes a second or more: it is done on a thread, so that devices are served.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hedgerow.aws import Answer, AwsError, Call, Service, operation
from hedgerow.cloud.estate.applying import Applied, apply, entries_of
from hedgerow.cloud.estate.contents import modelled
from hedgerow.cloud.estate.parts import around, group_part, namesakes, origin
from hedgerow.cloud.greengrass import AddressBook, authorities
from hedgerow.cloud.greengrass.documents import GROUP
from hedgerow.cloud.home import Home
from hedgerow.estate import Estate, Finding, Group
from hedgerow.estate.findings import blocks
from hedgerow.estate.naming import GROUP_ID, thing_name_of
from hedgerow.estate.plan import Plan, Verdict, plan, worst_first
from hedgerow.estate.soundness import MAX_GROUPS
from hedgerow.estate.wire import encoded, packed, unpacked
from hedgerow.kernel import CallerError, Clock
from hedgerow.store import Store, Transaction

Members = Mapping[str, Any]


class EstateService(Service):
    """Whole estates: planned, brought in as one change, and taken out."""

    model_name: ClassVar[str] = "hedgerow"
    malformed_code: ClassVar[str] = "BadRequestException"
    invalid_code: ClassVar[str] = "BadRequestException"
    internal_code: ClassVar[str] = "InternalServerErrorException"
    message_member: ClassVar[str] = "Message"

    def __init__(self, store: Store, home: Home, clock: Clock, *, addresses: AddressBook) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._addresses = addresses
        self._turn = asyncio.Lock()

    @operation("ImportEstate")
    async def import_estate(self, call: Call) -> Answer:
        """Bring an estate in, or say what that would do.

        A dry run does everything and undoes it, so that what it says is what the import does. One
        estate is read at a time: it takes much more memory than its call.
        """
        async with self._turn:
            return await self._imported(call)

    async def _imported(self, call: Call) -> Answer:
        dry_run, leave_out = bool(call.input.get("DryRun")), bool(call.input.get("LeaveOut"))
        read, misshapen = await asyncio.to_thread(_read, call.input["Estate"])
        new = {} if misshapen else await self._authorities(read)
        try:
            async with self._store.transaction() as tx:
                outcome = await self._outcome(tx, read, misshapen, new, leave_out=leave_out)
                _require_kept(outcome, dry_run=dry_run)
        except _UndoneError as undone:
            if not dry_run:
                raise _refused(undone.outcome.plan) from None
            return await asyncio.to_thread(_answer, undone.outcome, applied=False)
        await self._tell_cores(outcome.plan)
        return await asyncio.to_thread(_answer, outcome, applied=True)

    @operation("ExportGroup")
    async def export_group(self, call: Call) -> Answer:
        """Return a group version with everything that it takes to make it again elsewhere."""
        async with self._store.transaction() as tx:
            group = await group_part(
                tx, self._home, call.input["GroupId"], call.input.get("GroupVersionId")
            )
            estate = await around(tx, self._home, group)
        return {"Estate": await asyncio.to_thread(packed, estate)}

    async def _authorities(self, estate: Estate) -> dict[str, authorities.NewAuthority]:
        """Make authorities for the groups that are not here: their keys take long to make."""
        made: dict[str, authorities.NewAuthority] = {}
        for group in estate.groups[:MAX_GROUPS]:
            if not GROUP_ID.fullmatch(group.id) or group.id in made:
                continue
            if await self._store.get(GROUP, self._home.account, group.id) is None:
                made[group.id] = await authorities.make(
                    self._home, group.id, self._clock, tags=group.tags
                )
        return made

    async def _outcome(
        self,
        tx: Transaction,
        estate: Estate,
        misshapen: tuple[Finding, ...],
        new: Mapping[str, authorities.NewAuthority],
        *,
        leave_out: bool,
    ) -> "_Outcome":
        """Plan and, if nothing is in the way, do it; what stops it then is a finding as well."""
        if misshapen:
            return _Outcome(Plan(estate=estate, steps=(), findings=misshapen), {})
        present = await namesakes(tx, self._home, estate)
        planned = await asyncio.to_thread(
            plan,
            estate,
            origin(self._home),
            present,
            now=self._clock.now(),
            leave_out=leave_out,
        )
        if planned.blocked:
            return _Outcome(planned, {})
        try:
            return _Outcome(planned, await apply(tx, self._home, self._clock, planned, new))
        except (AwsError, CallerError) as error:
            findings = (blocks("REFUSED", "", error.message), *planned.findings)
            stopped = Plan(
                estate=planned.estate, steps=planned.steps, findings=worst_first(findings)
            )
            return _Outcome(stopped, {})

    async def _tell_cores(self, planned: Plan) -> None:
        """Post the addresses that came along where their cores hear of them."""
        for group in planned.estate.groups:
            if group.id in planned.made("group") and group.addresses:
                for entity in group.entities("Core"):
                    name = thing_name_of(entity["ThingArn"])
                    if name is not None:
                        await self._addresses.write(name, entries_of(group))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A plan, and what became of it inside the transaction."""

    plan: Plan
    versions: Applied


class _UndoneError(Exception):
    """Ends a transaction that is not to be kept, and carries what would have been."""

    def __init__(self, outcome: _Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _read(data: bytes) -> tuple[Estate, tuple[Finding, ...]]:
    return modelled(unpacked(data))


def _require_kept(outcome: _Outcome, *, dry_run: bool) -> None:
    """Return if the transaction is to be kept."""
    if dry_run or outcome.plan.blocked:
        raise _UndoneError(outcome)


def _refused(planned: Plan) -> AwsError:
    """Return the error for an import that something is in the way of."""
    faults = [finding for finding in planned.findings if finding.weight == "blocks"]
    first = faults[0]
    more = f" ({len(faults) - 1} more; a dry run lists all)" if len(faults) > 1 else ""
    place = f"{first.place}: " if first.place else ""
    return AwsError("EstateRefusedException", f"Nothing was written. {place}{first.message}{more}")


def _answer(outcome: _Outcome, *, applied: bool) -> Members:
    planned = outcome.plan
    return {
        "Applied": applied,
        "Digest": hashlib.sha256(encoded(planned.estate)).hexdigest(),
        "Groups": [
            {"Id": group.id, "Name": group.name, **_version(outcome, group)}
            for group in planned.estate.groups
        ],
        "Made": _counted(planned, "make"),
        "Kept": _counted(planned, "keep"),
        "Steps": [
            {"Kind": step.kind, "Name": step.name, "Verdict": step.verdict}
            for step in planned.steps
        ],
        "Findings": [
            {
                "Weight": finding.weight,
                "Code": finding.code,
                "Place": finding.place,
                "Message": finding.message,
            }
            for finding in planned.findings
        ],
    }


def _version(outcome: _Outcome, group: Group) -> Members:
    version = outcome.versions.get(group.id)
    return {} if version is None else {"LatestVersion": version}


def _counted(planned: Plan, verdict: Verdict) -> Mapping[str, int]:
    return Counter(step.kind for step in planned.steps if step.verdict == verdict)
