"""Operations on the credential report."""

from collections import defaultdict
from typing import Any

from hedgerow.aws import Answer, AwsError, Call, operation
from hedgerow.cloud.iam.access_keys import ACCESS_KEY, KEY_USE, AccessKey
from hedgerow.cloud.iam.account_settings import PASSWORD_POLICY
from hedgerow.cloud.iam.arns import root_arn, user_arn
from hedgerow.cloud.iam.credential_report import (
    CREDENTIAL_REPORT,
    LIFETIME,
    CredentialReport,
    Holdings,
    report_text,
)
from hedgerow.cloud.iam.login_profiles import LOGIN_PROFILE
from hedgerow.cloud.iam.mfa import MFA_ASSIGNMENT
from hedgerow.cloud.iam.owners import ROOT_NAME
from hedgerow.cloud.iam.service_base import IamOperations
from hedgerow.store import Record


class CredentialReportOperations(IamOperations):
    """GenerateCredentialReport and GetCredentialReport."""

    @operation("GenerateCredentialReport")
    async def generate_credential_report(self, _call: Call) -> Answer:
        """Make a report of this moment; it is complete at once."""
        account = self._home.account
        rules = await self._store.all(PASSWORD_POLICY, account)
        max_age = next((one.document.max_age_days for one in rules), None)
        report = CredentialReport(
            text=report_text(await self._everybody(), max_age), generated_at=self._clock.now()
        )
        async with self._store.transaction() as tx:
            before = await tx.get(CREDENTIAL_REPORT, account, account)
            if before is None:
                await tx.insert(CREDENTIAL_REPORT, account, account, report)
            else:
                await tx.update(before, report)
        return {"State": "COMPLETE"}

    @operation("GetCredentialReport")
    async def get_credential_report(self, _call: Call) -> Answer:
        """Return the newest report, if it is not too old."""
        account = self._home.account
        record = await self._store.get(CREDENTIAL_REPORT, account, account)
        if record is None:
            raise AwsError(
                "ReportNotPresent", "There is no report; make one with GenerateCredentialReport."
            )
        report = record.document
        if report.generated_at + LIFETIME <= self._clock.now():
            raise AwsError(
                "ReportExpired", "The report is too old; make one with GenerateCredentialReport."
            )
        return {
            "Content": report.text.encode(),
            "ReportFormat": "text/csv",
            "GeneratedTime": report.generated_at,
        }

    async def _everybody(self) -> list[Holdings]:
        """Return the root and then all users by name, with what they can sign in with."""
        account, store = self._home.account, self._store
        keys: dict[str | None, list[Record[AccessKey]]] = defaultdict(list)
        for key in await store.all(ACCESS_KEY, account):
            keys[key.parent].append(key)
        uses = {one.id: one.document for one in await store.all(KEY_USE, account)}
        passwords = {one.parent: one.document for one in await store.all(LOGIN_PROFILE, account)}
        with_mfa = {one.parent for one in await store.all(MFA_ASSIGNMENT, account)}

        def holdings(owner: str, **facts: Any) -> Holdings:
            return Holdings(
                password=passwords.get(owner),
                mfa=owner in with_mfa,
                keys=keys[owner],
                uses=uses,
                **facts,
            )

        root = holdings(
            account,
            name=ROOT_NAME,
            arn=root_arn(account),
            created_at=await self._founded(),
            root=True,
        )
        users = sorted(
            (await self._estate()).users.values(), key=lambda record: record.document.name
        )
        return [
            root,
            *(
                holdings(
                    user.id,
                    name=user.document.name,
                    arn=user_arn(account, user.document.path, user.document.name),
                    created_at=user.created_at,
                )
                for user in users
            ),
        ]
