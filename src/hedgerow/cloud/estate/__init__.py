"""The service `hedgerow`, which AWS does not have: whole estates into an account and out of it.

In come estates (`hedgerow.estate`) and group ids; out go plans, estates, and changes that are made
in one transaction of the store or not at all. It imports every room below `cloud`, and of `cloud`
the registry (`iot`), `greengrass` and shadows (`iot_data`). What must never happen here: half an
estate, a private key in an answer, a certificate under another id than its own, a dry run that
writes or that promises what the import does not do. Its tests are in `tests/unit/cloud/estate`,
`tests/interop/test_import_*.py` and `tests/security/test_estate_*.py`.
"""

from hedgerow.cloud.estate.service import EstateService

__all__ = ["EstateService"]
