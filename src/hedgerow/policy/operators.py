"""The condition operators: the one table.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from hedgerow.policy.comparisons import Relation

Kind = Literal["text", "number", "moment", "truth", "bytes", "network", "arn", "presence"]


class Operator(msgspec.Struct, frozen=True, gc=False):
    """What an operator compares and how; `negated` means that no value may match."""

    kind: Kind
    negated: bool = False
    wildcards: bool = False
    folded: bool = False
    relation: Relation = "="


OPERATORS: Final[Mapping[str, Operator]] = {
    "StringEquals": Operator("text"),
    "StringNotEquals": Operator("text", negated=True),
    "StringEqualsIgnoreCase": Operator("text", folded=True),
    "StringNotEqualsIgnoreCase": Operator("text", negated=True, folded=True),
    "StringLike": Operator("text", wildcards=True),
    "StringNotLike": Operator("text", negated=True, wildcards=True),
    "NumericEquals": Operator("number"),
    "NumericNotEquals": Operator("number", negated=True),
    "NumericLessThan": Operator("number", relation="<"),
    "NumericLessThanEquals": Operator("number", relation="<="),
    "NumericGreaterThan": Operator("number", relation=">"),
    "NumericGreaterThanEquals": Operator("number", relation=">="),
    "DateEquals": Operator("moment"),
    "DateNotEquals": Operator("moment", negated=True),
    "DateLessThan": Operator("moment", relation="<"),
    "DateLessThanEquals": Operator("moment", relation="<="),
    "DateGreaterThan": Operator("moment", relation=">"),
    "DateGreaterThanEquals": Operator("moment", relation=">="),
    "Bool": Operator("truth", folded=True),
    "BinaryEquals": Operator("bytes"),
    "IpAddress": Operator("network"),
    "NotIpAddress": Operator("network", negated=True),
    "ArnEquals": Operator("arn", wildcards=True),
    "ArnLike": Operator("arn", wildcards=True),
    "ArnNotEquals": Operator("arn", negated=True, wildcards=True),
    "ArnNotLike": Operator("arn", negated=True, wildcards=True),
    "Null": Operator("presence", folded=True),
}

IF_EXISTS: Final = "IfExists"
SETS: Final[Mapping[str, Literal["all", "any"]]] = {"ForAllValues": "all", "ForAnyValue": "any"}
