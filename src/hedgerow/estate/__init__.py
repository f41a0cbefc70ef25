"""Estates: what a fleet is made of, read from what is left of it and planned into a cloud.

In come files by name (saved answers of the API, a core's folder, templates) and what a cloud holds
already; out go an `Estate`, findings with their places, and a plan that says of every part whether
it is made, kept or in the way. It imports `kernel`, `policy`, `pki` and `contract`, opens no file
and no socket, and asks no clock. What must never happen here: a private key in a value, a
certificate under another id than its own, a policy broader than the one that was read, or a part
that is left out without a finding that says so. Its tests are in `tests/unit/estate`.
"""

from hedgerow.estate.findings import WEIGHTS, Finding, Weight
from hedgerow.estate.formats import Reader, Reading, Source, Writer
from hedgerow.estate.values import (
    DEFAULT_CERTIFICATE_VALIDITY_MS,
    DEFINITION_NAMES,
    Address,
    Certificate,
    CertificateStatus,
    Definition,
    DefinitionName,
    Estate,
    Group,
    Origin,
    Policy,
    Thing,
    ThingGroup,
    ThingType,
)

__all__ = [
    "DEFAULT_CERTIFICATE_VALIDITY_MS",
    "DEFINITION_NAMES",
    "WEIGHTS",
    "Address",
    "Certificate",
    "CertificateStatus",
    "Definition",
    "DefinitionName",
    "Estate",
    "Finding",
    "Group",
    "Origin",
    "Policy",
    "Reader",
    "Reading",
    "Source",
    "Thing",
    "ThingGroup",
    "ThingType",
    "Weight",
    "Writer",
]
