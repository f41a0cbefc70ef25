"""The service `organizations`, as boto3 and the AWS CLI call it.

The management account makes, lists and closes accounts; a member can see what organization it is
in. Source: botocore's `organizations` model.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from hedgerow.aws import Answer, Call, Service, operation
from hedgerow.cloud.home import Home
from hedgerow.cloud.organizations import accounts
from hedgerow.cloud.organizations.documents import (
    CREATION_REQUEST,
    MEMBER_ACCOUNT,
    ORGANIZATION,
    ORGANIZATION_ID,
    CreationRequest,
    MemberAccount,
)
from hedgerow.cloud.organizations.faults import (
    access_denied,
    account_not_found,
    invalid_input,
    request_not_found,
)
from hedgerow.kernel import Clock
from hedgerow.store import InvalidPageTokenError, Kind, Page, Record, Store

T = TypeVar("T", bound=msgspec.Struct)
PAGE_SIZE = 20
"""The most that a page of this service has, and what it has unless fewer are asked for."""
AccountTask = Callable[[str], Awaitable[None]]


class OrganizationsService(Service):
    """The operations for one account; what only the management account may do checks that."""

    model_name: ClassVar[str] = "organizations"
    signing_regions: ClassVar[tuple[str, ...]] = ("us-east-1",)
    malformed_code: ClassVar[str] = "InvalidInputException"
    invalid_code: ClassVar[str] = "InvalidInputException"
    denied_code: ClassVar[str] = "AccessDeniedException"
    internal_code: ClassVar[str] = "ServiceException"

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        *,
        management: str,
        opened: AccountTask,
        closed: AccountTask,
    ) -> None:
        """Take the management account's number, and what acts on an account made or closed."""
        self._store = store
        self._home = home
        self._clock = clock
        self._management = management
        self._opened = opened
        self._closed = closed

    @operation("CreateAccount")
    async def create_account(self, call: Call) -> Answer:
        """Make an account with its administrator role; it is open when this is answered."""
        self._require_management()
        if call.input.get("Tags"):
            raise invalid_input("Accounts have no tags here; leave Tags out.")
        now = self._clock.now()
        async with self._store.transaction() as tx:
            request = await accounts.create_account(tx, self._management, call.input, now)
            account_id = request.document.account_id
            if account_id is not None:
                await accounts.let_in(tx, self._management, account_id, call.input.get("RoleName"))
        if account_id is not None:
            await self._opened(account_id)
        return {"CreateAccountStatus": _status(request)}

    @operation("DescribeCreateAccountStatus")
    async def describe_create_account_status(self, call: Call) -> Answer:
        """Return what became of a request."""
        self._require_management()
        request_id = call.input["CreateAccountRequestId"]
        request = await self._store.get(CREATION_REQUEST, self._management, request_id)
        if request is None:
            raise request_not_found(request_id)
        return {"CreateAccountStatus": _status(request)}

    @operation("ListCreateAccountStatus")
    async def list_create_account_status(self, call: Call) -> Answer:
        """Return the requests whose state is one of those wanted."""
        self._require_management()
        states = call.input.get("States") or ("IN_PROGRESS", "SUCCEEDED", "FAILED")
        page = await self._page(CREATION_REQUEST, call)
        shown = [_status(one) for one in page.records if one.document.state in states]
        return _paged({"CreateAccountStatuses": shown}, page)

    @operation("ListAccounts")
    async def list_accounts(self, call: Call) -> Answer:
        """Return the organization's accounts in the order in which they were made."""
        self._require_management()
        page = await self._page(MEMBER_ACCOUNT, call)
        organization = await self._organization_id()
        return _paged(
            {"Accounts": [self._account(organization, one) for one in page.records]}, page
        )

    @operation("DescribeAccount")
    async def describe_account(self, call: Call) -> Answer:
        """Return one account."""
        self._require_management()
        record = await self._store.get(MEMBER_ACCOUNT, self._management, call.input["AccountId"])
        if record is None:
            raise account_not_found(call.input["AccountId"])
        return {"Account": self._account(await self._organization_id(), record)}

    @operation("DescribeOrganization")
    async def describe_organization(self, _call: Call) -> Answer:
        """Return the organization; its members may ask as well."""
        organization = await self._organization_id()
        return {
            "Organization": {
                "Id": organization,
                "Arn": f"arn:aws:organizations::{self._management}:organization/{organization}",
                # The set that has no policies of the organization's own: there are none here.
                "FeatureSet": "CONSOLIDATED_BILLING",
                "MasterAccountArn": self._account_arn(organization, self._management),
                "MasterAccountId": self._management,
                "MasterAccountEmail": accounts.MANAGEMENT_EMAIL,
                "AvailablePolicyTypes": [],
            }
        }

    @operation("CloseAccount")
    async def close_account(self, call: Call) -> Answer:
        """Close an account for good: its credentials, devices and deployments end with it."""
        self._require_management()
        account_id = call.input["AccountId"]
        async with self._store.transaction() as tx:
            await accounts.close_account(tx, self._management, account_id)
        await self._closed(account_id)
        return {}

    def _require_management(self) -> None:
        if self._home.account != self._management:
            raise access_denied()

    async def _organization_id(self) -> str:
        record = await self._store.get(ORGANIZATION, self._management, ORGANIZATION_ID)
        if record is None:
            raise RuntimeError("a cloud is born with its organization")
        return record.document.id

    async def _page(self, kind: Kind[T], call: Call) -> Page[T]:
        try:
            return await self._store.list(
                kind,
                self._management,
                limit=call.input.get("MaxResults") or PAGE_SIZE,
                after=call.input.get("NextToken"),
            )
        except InvalidPageTokenError as error:
            raise invalid_input(error.message) from error

    def _account(self, organization: str, record: Record[MemberAccount]) -> Mapping[str, Any]:
        member = record.document
        return {
            "Id": record.id,
            "Arn": self._account_arn(organization, record.id),
            "Email": member.email,
            "Name": member.name,
            "Status": member.status,
            "State": "ACTIVE" if member.status == "ACTIVE" else "CLOSED",
            "JoinedMethod": member.joined_method,
            "JoinedTimestamp": record.created_at,
        }

    def _account_arn(self, organization: str, account_id: str) -> str:
        return f"arn:aws:organizations::{self._management}:account/{organization}/{account_id}"


def _status(record: Record[CreationRequest]) -> Mapping[str, Any]:
    request = record.document
    status: dict[str, Any] = {
        "Id": record.id,
        "AccountName": request.account_name,
        "State": request.state,
        "RequestedTimestamp": request.requested_at,
        "CompletedTimestamp": request.completed_at,
    }
    if request.account_id is not None:
        status["AccountId"] = request.account_id
    if request.failure_reason is not None:
        status["FailureReason"] = request.failure_reason
    return status


def _paged(answer: Mapping[str, Any], page: Page[Any]) -> Mapping[str, Any]:
    return answer if page.next_token is None else {**answer, "NextToken": page.next_token}
