"""The plan: every part of an estate with what is done about it, and everything there is to say.

Pure: what the cloud holds already comes in as an estate too. One function decides, for a dry run
and for the import itself, so that the one cannot promise what the other does not do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from hedgerow.estate.dangers import dangers
from hedgerow.estate.findings import WEIGHTS, Finding, blocks, changes
from hedgerow.estate.relocation import relocated
from hedgerow.estate.shapes import shape_faults
from hedgerow.estate.soundness import faults
from hedgerow.estate.unusable import without_unusable
from hedgerow.estate.values import Certificate, Estate, Group, Origin, Policy, Thing, ThingGroup
from hedgerow.kernel import quoted

Verdict = Literal["make", "keep", "differs"]
"""`make`: it is not there. `keep`: the very same is there. `differs`: something else is in its
place, and nothing is written."""

StepKind = Literal["thing-type", "thing-group", "policy", "certificate", "thing", "group"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about one part."""

    kind: StepKind
    name: str
    verdict: Verdict


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The estate as it will be here, step by step, and what is said of it, the worst first."""

    estate: Estate
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]

    @property
    def blocked(self) -> bool:
        """Whether anything stands in the way."""
        return any(finding.weight == "blocks" for finding in self.findings)

    def made(self, kind: StepKind) -> frozenset[str]:
        """Return the names of what is made of a kind."""
        return _made(self.steps, kind)


def plan(
    estate: Estate, target: Origin, present: Estate, *, now: datetime, leave_out: bool = False
) -> Plan:
    """Return the plan to bring an estate to `target`, which holds `present` already.

    With `leave_out`, members whose certificates cannot be used are left out with their rows, each
    named; without, they block.
    """
    misshapen = tuple(shape_faults(estate))
    if misshapen:
        return Plan(estate=estate, steps=(), findings=misshapen)
    moved = relocated(estate, target)
    usable, losses = without_unusable(moved, now=now, leave_out=leave_out)
    compared = tuple(_compared(usable, present))
    steps = tuple(step for step, _ in compared)
    findings = (
        *faults(usable),
        *losses,
        *_moves(estate.origin, target),
        *(finding for _, said in compared for finding in said),
        *dangers(usable, now, _made(steps, "group")),
    )
    return Plan(
        estate=usable.in_order(),
        steps=steps,
        findings=worst_first(findings),
    )


def _made(steps: Iterable[Step], kind: StepKind) -> frozenset[str]:
    return frozenset(step.name for step in steps if step.kind == kind and step.verdict == "make")


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings once each, what blocks first."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: WEIGHTS.index(finding.weight)))


def _moves(origin: Origin, target: Origin) -> Iterator[Finding]:
    if (origin.account, origin.region) != (target.account, target.region):
        yield changes(
            "ARNS_MOVED",
            "",
            f"ARNs of account {origin.account} in {origin.region} become those of "
            f"{target.account} in {target.region}, also in policies",
        )


_Compared = Iterator[tuple[Step, tuple[Finding, ...]]]
_Part = TypeVar("_Part")


def _compared(estate: Estate, present: Estate) -> _Compared:
    """Yield a step for every part of the estate, in the order in which they need each other."""
    yield from _each("thing-type", estate.thing_types, present.thing_types, _named, _same)
    yield from _each("thing-group", estate.thing_groups, present.thing_groups, _named, _same_set)
    yield from _each("policy", estate.policies, present.policies, _named, _same_policy)
    yield from _each(
        "certificate", estate.certificates, present.certificates, lambda one: one.id, _same_key
    )
    yield from _each("thing", estate.things, present.things, _named, _same_thing)
    yield from _each("group", estate.groups, present.groups, lambda one: one.id, _same_group)


def _each(
    kind: StepKind,
    wanted: Iterable[_Part],
    present: Iterable[_Part],
    name_of: Callable[[_Part], str],
    difference: Callable[[_Part, _Part], str],
) -> _Compared:
    there: Mapping[str, _Part] = {name_of(one): one for one in present}
    for one in wanted:
        name = name_of(one)
        existing = there.get(name)
        if existing is None:
            yield Step(kind=kind, name=name, verdict="make"), ()
            continue
        differing = difference(one, existing)
        if not differing:
            yield Step(kind=kind, name=name, verdict="keep"), ()
            continue
        code = f"{kind.upper().replace('-', '_')}_DIFFERS"
        fault = blocks(code, name, f"a {kind} of this name is here already, {differing}")
        yield Step(kind=kind, name=name, verdict="differs"), (fault,)


def _named(part: object) -> str:
    return str(getattr(part, "name", ""))


def _same(wanted: object, present: object) -> str:
    return "" if wanted == present else "with other properties; delete it or rename one of them"


def _same_set(wanted: ThingGroup, present: ThingGroup) -> str:
    same = (wanted.description, wanted.attributes) == (present.description, present.attributes)
    return "" if same else "with other properties; delete it or rename one of them"


def _same_policy(wanted: Policy, present: Policy) -> str:
    if _as_json(wanted.document) == _as_json(present.document):
        return ""
    return f"and says something else; compare: aws iot get-policy --policy-name {wanted.name}"


def _same_key(wanted: Certificate, present: Certificate) -> str:
    if wanted.status == present.status:
        return ""
    return f"and is {present.status}, not {wanted.status}; set the status of one of them"


def _same_thing(wanted: Thing, present: Thing) -> str:
    same = (wanted.attributes, wanted.thing_type) == (present.attributes, present.thing_type)
    return "" if same else "with other attributes or another type; change one of them"


def _same_group(wanted: Group, present: Group) -> str:
    def content(group: Group) -> Group:
        bare: Group = msgspec.structs.replace(group, role_arn="", addresses=())
        return Estate(origin=Origin(account="", region=""), groups=(bare,)).in_order().groups[0]

    if content(wanted) == content(present):
        return ""
    return (
        f"called {quoted(present.name)}, with other content; add a version to it with the API, or "
        "delete it first"
    )


def _as_json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
