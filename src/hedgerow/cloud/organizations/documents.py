"""What is kept of an organization: its member accounts, and the requests to make them.

All of it is partitioned under the management account, which is the one the cloud was born with.
"""

from datetime import datetime
from typing import Literal

import msgspec

from hedgerow.store import Kind

AccountStatus = Literal["ACTIVE", "SUSPENDED"]
RequestState = Literal["SUCCEEDED", "FAILED"]


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """The organization, under its only id in the management account: `ORGANIZATION_ID`."""

    id: str


class MemberAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account, under its number; its record's name is its e-mail address in lower case."""

    name: str
    email: str
    status: AccountStatus = "ACTIVE"
    joined_method: Literal["INVITED", "CREATED"] = "CREATED"


class CreationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a CreateAccount, under the request's id."""

    account_name: str
    state: RequestState
    requested_at: datetime
    completed_at: datetime
    account_id: str | None = None
    failure_reason: str | None = None


ORGANIZATION_ID = "organization"
ORGANIZATION = Kind("organizations-organization", Organization)
MEMBER_ACCOUNT = Kind("organizations-account", MemberAccount)
CREATION_REQUEST = Kind("organizations-creation-request", CreationRequest)
