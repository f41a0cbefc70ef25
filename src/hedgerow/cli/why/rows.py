"""The rows of a deployed subscription table, as a step of the way and as people read them."""

from collections.abc import Sequence

from hedgerow.cli.why.path import Step
from hedgerow.contract import GroupDeployment
from hedgerow.core.switchboard import Explanation, RowFinding
from hedgerow.kernel import quoted
from hedgerow.mqtt import valid_topic

_STEP = "rows"


def row_step(group: GroupDeployment, found: Explanation, topic: str) -> Step:
    """Return whether some row lets the message pass, or how the nearest one fails."""
    if found.allowed:
        ids = ", ".join(finding.row.id for finding in found.rows)
        return Step(_STEP, passed=True, says=f"{found.reason}: {ids}")
    if not valid_topic(topic):
        change = "publish to a topic without + and #"
        return Step(_STEP, passed=False, says=found.reason, code="bad-topic", change=change)
    if not found.rows:
        change = (
            "add a row with this source, topic and target to the group's subscription definition, "
            "and deploy the group"
        )
        return Step(_STEP, passed=False, says=found.reason, code="no-row", change=change)
    return _differs(found.rows[0], names_of(group), topic)


def _differs(finding: RowFinding, names: dict[str, str], topic: str) -> Step:
    """Return the step for a row that fails by one part; which part is the code."""
    row = finding.row
    if not finding.subject_fits:
        code, but = "subject-differs", f"its subject {quoted(row.subject)} does not match"
        change = f"add a row like it with the subject {quoted(topic)}"
    elif not finding.target_fits:
        code, but = "target-differs", f"its target is {names.get(row.target, row.target)}"
        change = "add a row like it with this target"
    else:
        code, but = "source-differs", f"its source is {names.get(row.source, row.source)}"
        change = "add a row like it with this source"
    says = f"no row lets the message pass; nearest is {row.id}, but {but}"
    return Step(_STEP, passed=False, says=says, code=code, change=f"{change}, and deploy the group")


def row_facts(found: Explanation) -> list[dict[str, object]]:
    """Return the rows for programs."""
    return [
        {
            "id": finding.row.id,
            "source": finding.row.source,
            "subject": finding.row.subject,
            "target": finding.row.target,
            "passes": finding.passes,
            "sourceFits": finding.source_fits,
            "subjectFits": finding.subject_fits,
            "targetFits": finding.target_fits,
        }
        for finding in found.rows
    ]


def shown_rows(group: GroupDeployment, found: Explanation) -> Sequence[tuple[str, ...]]:
    """Return the rows as a table; what does not fit is marked."""
    names = names_of(group)
    return [
        (
            finding.row.id,
            _marked(names.get(finding.row.source, finding.row.source), finding.source_fits),
            _marked(finding.row.subject, finding.subject_fits),
            _marked(names.get(finding.row.target, finding.row.target), finding.target_fits),
        )
        for finding in found.rows
    ]


def names_of(group: GroupDeployment) -> dict[str, str]:
    """Return the names of the group's devices by their ARNs."""
    return {device.thing_arn: device.thing_name for device in group.devices}


def _marked(text: str, fits: bool) -> str:  # noqa: FBT001 - a mark is what it is about
    return text if fits else f"{text} (differs)"
