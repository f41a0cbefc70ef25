"""The table: every operation of every model with the permissions that calling it needs.

The rows are data, one file a model, made by `tools/access_rows.py` from botocore's models and
AWS's published service authorization reference. They are compiled when a model is first asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Literal

from hedgerow.cloud.access.templates import Template
from hedgerow.kernel import ConfigurationError, quoted

Judged = Literal["by-policies", "by-operation", "never"]
"""`by-operation`: the operation judges itself (sts:AssumeRole, by the role's trust policy too).
`never`: no permission is needed or can be taken away (sts:GetCallerIdentity)."""

_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Target:
    """A resource that is judged. `tagged` is what carries its tags, None if nothing does.

    An optional one is left out if the input does not name it.
    """

    name: Template
    tagged: Template | None = None
    optional: bool = False

    @property
    def plain(self) -> bool:
        """Whether naming it takes only the input, region and account."""
        return self.name.plain and (self.tagged is None or self.tagged.plain)


@dataclass(frozen=True, slots=True)
class Need:
    """One permission: an action on each of some resources; without any, on `*`.

    It is needed only if one of the members `when` is there and not empty. `passed_to` is the
    service that gets a role by `iam:PassRole`.
    """

    action: str
    targets: tuple[Target, ...]
    when: tuple[tuple[str, ...], ...] = ()
    passed_to: str = ""
    plain: bool = field(init=False)
    """Whether naming the resources takes only the input, region and account."""

    @property
    def service(self) -> str:
        """The service whose action this is, as policies name it."""
        return self.action.partition(":")[0]

    def __post_init__(self) -> None:
        """Look once."""
        object.__setattr__(self, "plain", all(target.plain for target in self.targets))


@dataclass(frozen=True, slots=True)
class Row:
    """What calling one operation takes.

    `tags` is the member with tags to set, `tag_keys` the one with names of tags to take away.
    """

    operation: str
    access: str
    judged: Judged
    needs: tuple[Need, ...]
    tags: str | None = None
    tag_keys: str | None = None


@cache
def models() -> tuple[str, ...]:
    """Return the models that there is a table for."""
    names = (path.name for path in _folder().iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


@cache
def operations_of(action: str) -> tuple[tuple[str, Row], ...]:
    """Return the operations that need an action (in any case of letters), with their model."""
    wanted = action.lower()
    return tuple(
        (model, row)
        for model in models()
        for row in rows_of(model).values()
        if any(need.action.lower() == wanted for need in row.needs)
    )


@cache
def rows_of(model: str) -> Mapping[str, Row]:
    """Return the rows of a model by operation. Raises `ConfigurationError` if it has none."""
    file = _folder().joinpath(f"{model}{_SUFFIX}")
    if not file.is_file():
        raise ConfigurationError(
            f"There is no table of permissions for the service {quoted(model)}; "
            "make one with tools/access_rows.py."
        )
    document = json.loads(file.read_text(encoding="utf-8"))
    prefix = document["prefix"]
    return {name: _row(prefix, name, row) for name, row in document["operations"].items()}


def _folder() -> Traversable:
    return files("hedgerow.cloud.access").joinpath("table")


def _row(prefix: str, operation: str, given: Mapping[str, Any]) -> Row:
    targets = _targets(given.get("on", ()))
    first = Need(action=given.get("action", f"{prefix}:{operation}"), targets=targets)
    more = [
        Need(
            action=need["action"],
            targets=_targets(need["on"]) if "on" in need else targets,
            when=_paths(need["when"]) if "when" in need else (),
            passed_to=need.get("passed_to", ""),
        )
        for need in given.get("also", ())
    ]
    return Row(
        operation=operation,
        access=given["access"],
        judged=given.get("judged", "by-policies"),
        needs=(first, *more),
        tags=given.get("tags"),
        tag_keys=given.get("tag_keys"),
    )


def _paths(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in text.split("|"))


def _targets(given: Sequence[Mapping[str, Any]]) -> tuple[Target, ...]:
    return tuple(_target(target) for target in given)


def _target(given: Mapping[str, Any]) -> Target:
    name = Template(given["arn"])
    tagged = given.get("tagged")
    carries = name if tagged == "same" else None if tagged is None else Template(tagged)
    return Target(name=name, tagged=carries, optional=given.get("optional", False))
