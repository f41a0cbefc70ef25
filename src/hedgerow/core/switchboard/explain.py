"""Why a message passes or not, row by row, for people."""

from dataclasses import dataclass

from hedgerow.contract import GroupDeployment, SubscriptionRow
from hedgerow.mqtt import matches, valid_topic


@dataclass(frozen=True, slots=True)
class RowFinding:
    """A row that comes near, and what of it fits."""

    row: SubscriptionRow
    source_fits: bool
    subject_fits: bool
    target_fits: bool

    @property
    def passes(self) -> bool:
        """Tell whether the row lets the message pass."""
        return self.source_fits and self.subject_fits and self.target_fits


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to 'why does this message (not) arrive?'; `rows` are those that come near."""

    allowed: bool
    reason: str
    rows: tuple[RowFinding, ...]


def explain(
    group: GroupDeployment, source_arn: str, topic: str, target_arn: str | None = None
) -> Explanation:
    """Return which rows let a message pass, or which fail it by a single part.

    Without a target, every target counts.
    """
    if not valid_topic(topic):
        return Explanation(
            allowed=False,
            reason="the topic of a message holds no wildcard and is not empty",
            rows=(),
        )
    findings = [
        RowFinding(
            row=row,
            source_fits=row.source == source_arn,
            subject_fits=matches(row.subject, topic),
            target_fits=target_arn is None or row.target == target_arn,
        )
        for row in group.subscriptions
    ]
    passing = tuple(finding for finding in findings if finding.passes)
    if passing:
        count = "one row lets" if len(passing) == 1 else f"{len(passing)} rows let"
        return Explanation(allowed=True, reason=f"{count} the message pass", rows=passing)
    near = tuple(finding for finding in findings if _parts(finding) == _ALL_BUT_ONE)
    return Explanation(
        allowed=False,
        reason="no row has this source, a subject that matches, and this target"
        + ("; these fail by one part" if near else ""),
        rows=near,
    )


_ALL_BUT_ONE = 2


def _parts(finding: RowFinding) -> int:
    return finding.source_fits + finding.subject_fits + finding.target_fits
