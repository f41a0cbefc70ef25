"""Proves delivered files unchanged, or names what was changed: offline, with a public key alone.

In come a folder, a public key, and what the caller knows of the record's end; out comes a `Report`
with a finding for everything that is not as it was delivered. It reads files and writes none, asks
no cloud, and trusts nothing in the folder that the key has not signed. What must never happen
here: a finding left out because a file cannot be read.

Tests: `tests/unit/cloud/cloudtrail/test_trail_verification.py`, `tests/security/test_trail_*`.
"""

from hedgerow.cloud.cloudtrail.verification.findings import ChainEnd, Finding, Report
from hedgerow.cloud.cloudtrail.verification.verify import Question, verify_folder

__all__ = ["ChainEnd", "Finding", "Question", "Report", "verify_folder"]
