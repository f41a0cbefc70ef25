"""Detect the core's own addresses, and publish them when they change (`GGIPDetector`).

In comes the kernel's list of addresses; out goes the connectivity information of the core. It
imports `kernel` and `contract`; the call that publishes is passed in. What must never happen
here: publishing for a group that did not ask for it, or over and over without a change. Its
tests are in `tests/unit/core/addresses`.
"""

from hedgerow.core.addresses.detector import (
    DETECTOR_ARN,
    AddressDetector,
    connectivity_of,
    wants_detection,
)
from hedgerow.core.addresses.netlink import local_addresses, parse_address_dump

__all__ = [
    "DETECTOR_ARN",
    "AddressDetector",
    "connectivity_of",
    "local_addresses",
    "parse_address_dump",
    "wants_detection",
]
