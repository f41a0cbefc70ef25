"""Where we and the oracle disagree, and the AWS page that proves us right.

Each entry rewrites a case so that it says the same by that page, but without what the oracle gets
wrong. It excuses a disagreement only if the oracle, asked about the rewritten case, says what we
said of the case as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, Final

from tests.support.policy_differential.cases import Case, Document, GivenContext

_GUIDE: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
_NEW: Final = "2012-10-17"
_UNMATCHED: Final = "no request has this value"
_UNMATCHED_ARN: Final = "arn:aws:iot:eu-west-1:000000000000:none/" + "0" * 32

Statement = Mapping[str, Any]
Rewriting = Callable[[Case], Case]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What the oracle does, what AWS says on which page, and how to say the same without it."""

    oracle: str
    aws: str
    page: str
    rewritten: Rewriting


def neutral(case: Case) -> tuple[Case, tuple[Disagreement, ...]]:
    """Return the case rewritten by every entry that has something to rewrite, and those entries."""
    used: list[Disagreement] = []
    for entry in DISAGREEMENTS:
        rewritten = entry.rewritten(case)
        if rewritten != case:
            used.append(entry)
            case = rewritten
    return case, tuple(used)


# --- rewriting documents


def _each_document(case: Case, change: Callable[[Document], Document]) -> Case:
    return replace(
        case,
        identity=tuple(map(change, case.identity)),
        boundary=None if case.boundary is None else change(case.boundary),
        session=None if case.session is None else change(case.session),
        endpoint=None if case.endpoint is None else change(case.endpoint),
    )


def _each_statement(case: Case, change: Callable[[Statement], Statement]) -> Case:
    return _each_document(
        case, lambda one: {**one, "Statement": [change(each) for each in one["Statement"]]}
    )


def _each_value(
    case: Case, change: Callable[[str, str, str], str | list[str]], *, context: GivenContext
) -> Case:
    """Change the values of conditions; `change` is given operator, key and value."""

    def in_statement(statement: Statement) -> Statement:
        if "Condition" not in statement:
            return statement
        return {**statement, "Condition": {
            operator: {
                key: _flat([change(operator, key, one) for one in _listed(values)])
                for key, values in keys.items()
            }
            for operator, keys in statement["Condition"].items()
        }}  # fmt: skip

    return replace(_each_statement(case, in_statement), context=context)


def _listed(given: str | list[str]) -> list[str]:
    return given if isinstance(given, list) else [given]


def _flat(given: list[str | list[str]]) -> str | list[str]:
    flat = [one for each in given for one in _listed(each)]
    return flat[0] if len(flat) == 1 else flat


# --- the entries


def _old_versions_have_no_variables(case: Case) -> Case:
    def escaped(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("${", "${$}{")
        if isinstance(value, list):
            return [escaped(one) for one in value]
        if isinstance(value, Mapping):
            return {name: escaped(one) for name, one in value.items()}
        return value

    def change(document: Document) -> Document:
        if document["Version"] == _NEW:
            return document
        return {"Version": _NEW, "Statement": escaped(document["Statement"])}

    return _each_document(case, change)


def _has_variable_without_value(text: str, context: GivenContext) -> bool:
    known = {key.lower(): value for key, value in context.items()}
    for written in text.split("${")[1:]:
        name, default, _ = written.split("}", 1)[0].partition(",")
        if name in ("*", "?", "$") or default:
            continue
        value = known.get(name.lower())
        if not value or isinstance(value, list):
            return True
    return False


def _no_value_equals_nothing(case: Case) -> Case:
    def change(operator: str, key: str, value: str) -> str:
        del key
        if not _has_variable_without_value(value, case.context):
            return value
        return _UNMATCHED_ARN if "Arn" in operator else _UNMATCHED

    return _each_value(case, change, context=case.context)


def _no_value_is_no_resource(case: Case) -> Case:
    def change(statement: Statement) -> Statement:
        if "NotResource" not in statement or statement["Effect"] == "Allow":
            return statement
        return {**statement, "NotResource": [
            _UNMATCHED_ARN if _has_variable_without_value(one, case.context) else one
            for one in _listed(statement["NotResource"])
        ]}  # fmt: skip

    return _each_statement(case, change)


def _unresolved_allow_is_void(case: Case) -> Case:
    def change(statement: Statement) -> Statement:
        given = _listed(statement.get("NotResource", []))
        unresolved = any(_has_variable_without_value(one, case.context) for one in given)
        if statement["Effect"] == "Deny" or not unresolved:
            return statement
        return {**statement, "NotResource": "*"}

    return _each_statement(case, change)


def _epoch_is_in_seconds(case: Case) -> Case:
    def date(text: str) -> str:
        if not text.isdigit():
            return text
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    now = case.context.get("aws:CurrentTime")
    context = {**case.context, "aws:CurrentTime": date(now)} if isinstance(now, str) else None
    return _each_value(
        case,
        lambda operator, _, value: date(value) if "Date" in operator else value,
        context=case.context if context is None else context,
    )


def _everywhere_is_a_network(case: Case) -> Case:
    halves = {"0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"], "::/0": ["::/1", "8000::/1"]}
    return _each_value(case, lambda _, __, value: halves.get(value, value), context=case.context)


def _other_version_is_another_network(case: Case) -> Case:
    address = case.context.get("aws:SourceIp")
    if not isinstance(address, str):
        return case
    version = ip_address(address).version
    elsewhere = {4: "255.255.255.255/32", 6: "ffff::/128"}[version]

    def change(operator: str, key: str, value: str) -> str:
        del key
        if "IpAddress" not in operator or ip_network(value).version == version:
            return value
        return elsewhere

    return _each_value(case, change, context=case.context)


def _if_exists_is_met_without_the_key(case: Case) -> Case:
    def change(statement: Statement) -> Statement:
        block = {
            operator: {
                key: value
                for key, value in keys.items()
                if not operator.endswith("IfExists") or key in case.context
            }
            for operator, keys in statement.get("Condition", {}).items()
        }
        block = {operator: keys for operator, keys in block.items() if keys}
        plain = {name: value for name, value in statement.items() if name != "Condition"}
        return {**plain, "Condition": block} if block else plain

    return _each_statement(case, change)


def _empty_text_is_no_value_to_for_all(case: Case) -> Case:
    def has_empty_text(key: str) -> bool:
        return "" in _listed(case.context.get(key, []))

    def values(operator: str, given: str | list[str]) -> list[str]:
        if "Not" in operator:
            return [one for one in _listed(given) if one] or [_UNMATCHED]
        return [*_listed(given), ""]

    def change(statement: Statement) -> Statement:
        if statement["Effect"] == "Allow" or "Condition" not in statement:
            return statement
        block = {
            operator: {
                key: values(operator, given)
                if operator.startswith("ForAllValues:String") and has_empty_text(key)
                else given
                for key, given in keys.items()
            }
            for operator, keys in statement["Condition"].items()
        }
        return {**statement, "Condition": block}

    return _each_statement(case, change)


DISAGREEMENTS: Final = (
    Disagreement(
        oracle="It puts values in place of ${…} in documents of Version 2008-10-17.",
        aws="Variables came with Version 2012-10-17; before it ${…} is text.",
        page=_GUIDE + "reference_policies_elements_version.html",
        rewritten=_old_versions_have_no_variables,
    ),
    Disagreement(
        oracle="A negated operator fails if a variable in its value has none, and a deny is lost.",
        aws="A variable without a value is null: nothing equals it, so a negated operator is met.",
        page=_GUIDE + "reference_policies_variables.html#policy-vars-no-value",
        rewritten=_no_value_equals_nothing,
    ),
    Disagreement(
        oracle="A deny is lost if a variable in its NotResource has no value.",
        aws="A variable without a value is null: no resource equals it, so none is exempt.",
        page=_GUIDE + "reference_policies_variables.html#policy-vars-no-value",
        rewritten=_no_value_is_no_resource,
    ),
    Disagreement(
        oracle="An allow may hold though a variable in its NotResource has no value.",
        aws="A variable that cannot be resolved may make the whole statement void.",
        page=_GUIDE + "reference_policies_variables.html",
        rewritten=_unresolved_allow_is_void,
    ),
    Disagreement(
        oracle="It reads dates that are numbers in another unit than seconds.",
        aws="Date operators take epoch (Unix) time, which is in seconds, on both sides.",
        page=_GUIDE + "reference_policies_elements_condition_operators.html#Conditions_Date",
        rewritten=_epoch_is_in_seconds,
    ),
    Disagreement(
        oracle="No address lies in a network with the prefix /0.",
        aws="Networks are in CIDR notation (RFC 4632), where /0 is every address.",
        page=_GUIDE + "reference_policies_elements_condition_operators.html#Conditions_IPAddress",
        rewritten=_everywhere_is_a_network,
    ),
    Disagreement(
        oracle="NotIpAddress fails if address and network are of different versions of IP.",
        aws="NotIpAddress is met by all addresses but those in the network.",
        page=_GUIDE + "reference_policies_elements_condition_operators.html#Conditions_IPAddress",
        rewritten=_other_version_is_another_network,
    ),
    Disagreement(
        oracle="ForAnyValue with IfExists is not met by a request without the key.",
        aws="With IfExists a condition is met if the key is not in the request.",
        page=_GUIDE + "reference_policies_elements_condition_operators.html#Conditions_IfExists",
        rewritten=_if_exists_is_met_without_the_key,
    ),
    Disagreement(
        oracle="A deny with ForAllValues is lost if one of the request's values is an empty text.",
        aws="ForAllValues is met by a key that resolves to nothing, such as an empty text.",
        page=_GUIDE + "reference_policies_condition-single-vs-multi-valued-context-keys.html",
        rewritten=_empty_text_is_no_value_to_for_all,
    ),
)
