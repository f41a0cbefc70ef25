"""`hedgerow why message`: the way of a message through a core, from its deployed group's files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.cli.output import as_json, print_json, print_table
from hedgerow.cli.why.core_policy import core_needs, core_policy_step
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.cli.why.rows import row_facts, row_step, shown_rows
from hedgerow.cli.why.shadows import shadow_request, shadow_steps
from hedgerow.contract import CLOUD, SHADOW_SERVICE, DeviceMember, GroupDeployment, Membership
from hedgerow.core.config import CoreFolders, load_config
from hedgerow.core.deployment import read_membership, read_running_group
from hedgerow.core.switchboard import Explanation, explain
from hedgerow.kernel import Clock, ConfigurationError, SystemClock, quoted
from hedgerow.pki import certificate_id, load_certificate

_OWN_NAMES = frozenset({CLOUD, SHADOW_SERVICE})
_THING = ":thing/"


@dataclass(frozen=True, slots=True)
class Question:
    """Which message: ends are names of devices, ARNs or `cloud`; no target stands for any."""

    source: str
    target: str | None
    topic: str
    certificate: Path | None
    client_id: str | None


@dataclass(slots=True)
class _Way:
    """What is found on the way, kept for showing: the group, and the rows that come near."""

    question: Question
    folders: CoreFolders
    clock: Clock
    group: GroupDeployment | None = None
    rows: Explanation | None = None
    but: str = ""
    """What is to be said to rows that let the message pass, if it does not pass everywhere."""

    def steps(self) -> Iterator[Step]:
        """Yield every step; what is found is there once its step was taken."""
        asked = self.question
        self.group = group = read_running_group(self.folders)
        yield _deployment(self.group)
        if group is None:
            return
        membership = read_membership(self.folders, group.group_id)
        yield from self._end("source", group, membership, asked.source)
        if asked.target is not None:
            yield from self._end("target", group, membership, asked.target)
        target = None if asked.target is None else _arn_of(group, asked.target)
        source = _arn_of(group, asked.source)
        self.rows = explain(group, source, asked.topic, target)
        request = shadow_request(asked.topic, asked.target)
        if request is None or self.rows.allowed:
            yield row_step(group, self.rows, asked.topic)
        if request is not None:
            yield from shadow_steps(group, source, request, passes=self.rows.allowed)
        yield from self._cloud_steps(group)

    def _end(
        self, which: str, group: GroupDeployment, membership: Membership | None, name: str
    ) -> Iterator[Step]:
        """Yield whether one end of the way is in the group and may connect to its core."""
        if name in _OWN_NAMES:
            yield Step(which, passed=True, says=f"{name} is in every group")
            return
        device = _device(group, name)
        if device is None and name.startswith("arn:") and _THING not in name:
            yield Step(which, passed=None, says=f"{name} runs on the core itself")
            return
        yield _member(which, group, device, name)
        if device is None:
            return
        listed = [] if membership is None else _listed(membership, device.thing_name)
        yield _connects(which, membership, device.thing_name, listed)
        if which == "source":
            yield from self._own(device.thing_name, membership, listed)

    def _own(self, name: str, membership: Membership | None, listed: list[str]) -> Iterator[Step]:
        """Yield whether this very certificate and this client id may come in as the source."""
        asked = self.question
        if asked.certificate is not None:
            pem = _read(asked.certificate)
            yield _validity(pem, asked.certificate, self.clock)
            yield _this_certificate(certificate_id(pem), name, membership, listed)
        if asked.client_id is not None:
            yield _client_id(asked.client_id, name)

    def _cloud_steps(self, group: GroupDeployment) -> Iterator[Step]:
        """Yield what the cloud lets the core itself say and hear on this topic."""
        if self.rows is None or not self.rows.allowed:
            return
        passing = [finding.row for finding in self.rows.rows]
        to_cloud = [row for row in passing if row.target == CLOUD]
        wanted = core_needs(self.question.topic, passing)
        if not wanted:
            return
        step = core_policy_step(group, wanted, self.clock)
        if step.passed is False and self.question.source != CLOUD and len(to_cloud) < len(passing):
            # It still gets to where the other rows lead, so that this is not the end of its way.
            self.but = ", but not to the cloud: the core's own policy does not let it go there"
            to_do = f"; to change it: {step.change}" if step.change else ""
            step = replace(step, passed=None, says=f"not to the cloud: {step.says}{to_do}")
        yield step


@click.command()
@root_option
@click.option("--from", "source", required=True, help="A device's name, an ARN, or 'cloud'.")
@click.option("--to", "target", help="Likewise; without it every target counts.")
@click.option("--topic", required=True, help="The topic of the message.")
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The source's certificate as a PEM file: may it connect.",
)
@click.option("--client-id", help="The client id that the source connects with.")
@as_json
def message(
    root: Path,
    source: str,
    target: str | None,
    topic: str,
    certificate: Path | None,
    client_id: str | None,
    *,
    as_json: bool,
) -> None:
    """Say whether a message passes the core, by which row, or what stops it.

    It reads what is deployed to the core's root folder. For messages from and to the cloud it
    also asks what the core's own policy allows, if the environment of 'hedgerow env' is there.
    """
    question = Question(source, target, topic, certificate, client_id)
    way = _Way(question, load_config(root).folders, SystemClock())
    answer = Answer.of(way.steps())
    reason = "" if way.rows is None else f"{way.rows.reason}{way.but}"
    if as_json:
        cause = answer.cause
        print_json(
            {
                **answer.facts(),
                "reason": reason if cause is None else cause.says,
                "rows": [] if way.rows is None else row_facts(way.rows),
            }
        )
        return
    show([answer], f"Passes: {reason}", "Does not pass")
    if way.rows is not None and way.group is not None and way.rows.rows:
        click.echo()
        print_table(("row", "source", "subject", "target"), shown_rows(way.group, way.rows))


def _deployment(group: GroupDeployment | None) -> Step:
    if group is not None:
        says = f"deployment {group.deployment_id} of group {group.group_id} is on this core"
        return Step("deployment", passed=True, says=says)
    return Step(
        "deployment",
        passed=False,
        says="no group is deployed to this core",
        code="not-deployed",
        change="deploy its group with: aws greengrass create-deployment --group-id GROUP "
        "--group-version-id VERSION --deployment-type NewDeployment; 'hedgerow core run' "
        "fetches it",
    )


def _member(which: str, group: GroupDeployment, device: DeviceMember | None, name: str) -> Step:
    if device is not None:
        return Step(which, passed=True, says=f"{quoted(device.thing_name)} is in the group")
    known = ", ".join(sorted(one.thing_name for one in group.devices)) or "none"
    return Step(
        which,
        passed=False,
        says=f"the deployed group has no device {quoted(name)}; it has: {known}",
        code="not-in-group",
        change="add it to the group's device definition and deploy the group",
    )


def _connects(which: str, membership: Membership | None, name: str, listed: list[str]) -> Step:
    step = f"{which}'s certificate"
    if listed:
        says = f"{len(listed)} of {quoted(name)} on the core's list"
        return Step(step, passed=True, says=says)
    says = (
        "the core has no list of certificates, so no device may connect"
        if membership is None
        else f"no certificate of {quoted(name)} is on the core's list, so it cannot connect"
    )
    return Step(
        step,
        passed=False,
        says=says,
        code="no-certificate-listed",
        change="in the cloud, attach an ACTIVE certificate with a policy to the thing; 'hedgerow "
        "why device --action greengrass:Discover' says what is missing",
    )


def _this_certificate(
    shown: str, name: str, membership: Membership | None, listed: list[str]
) -> Step:
    step = "this certificate"
    if shown in listed:
        return Step(step, passed=True, says=f"{shown[:10]}… is one of {quoted(name)} on the list")
    others = [
        entry.thing_name
        for entry in (membership.certificates if membership is not None else ())
        if entry.certificate_id == shown
    ]
    if others:
        return Step(
            step,
            passed=False,
            says=f"certificate {shown[:10]}… is the one of {', '.join(map(quoted, others))}",
            code="certificate-of-another",
            change=f"give {quoted(name)} its own certificate and key",
        )
    return Step(
        step,
        passed=False,
        says=f"certificate {shown[:10]}… is not on the core's list",
        code="certificate-not-listed",
        change="make sure it is ACTIVE in the cloud, attached to the thing, and has a policy; "
        "the core hears of that within a second while it is connected",
    )


def _validity(pem: str, file: Path, clock: Clock) -> Step:
    certificate = load_certificate(pem)
    ends = certificate.not_valid_after_utc
    if clock.now() <= ends:
        return Step("validity", passed=True, says=f"{file.name} is valid until {ends:%Y-%m-%d}")
    return Step(
        "validity",
        passed=False,
        says=f"{file.name} has ended on {ends:%Y-%m-%d}",
        code="certificate-expired",
        change="give the device a new certificate, and attach its thing and policies to it",
    )


def _client_id(client_id: str, name: str) -> Step:
    if client_id == name:
        return Step("client id", passed=True, says="it is the thing's name")
    return Step(
        "client id",
        passed=False,
        says=f"the client id is {quoted(client_id)}, and must be the thing's name {quoted(name)}",
        code="wrong-client-id",
        change=f"let the device connect with the client id {quoted(name)}",
    )


def _device(group: GroupDeployment, name: str) -> DeviceMember | None:
    return next(
        (device for device in group.devices if name in (device.thing_name, device.thing_arn)), None
    )


def _arn_of(group: GroupDeployment, name: str) -> str:
    device = _device(group, name)
    return name if device is None else device.thing_arn


def _listed(membership: Membership, name: str) -> list[str]:
    return [entry.certificate_id for entry in membership.certificates if entry.thing_name == name]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the certificate {path}: {error}") from error
