"""From a request to a job: what it may ask for, with every fault named. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hedgerow.cloud.jobs.documents import (
    AbortCriterion,
    FailureType,
    Job,
    RetryCriterion,
    RolloutRate,
)
from hedgerow.cloud.jobs.executions import MAX_TIMEOUT_MINUTES
from hedgerow.cloud.jobs.faults import invalid

Members = Mapping[str, Any]

MAX_TARGETS: Final = 100
MAX_RETRIES: Final = 10
"""Of one execution, for all types of failure together."""

_DEFAULT_EXPIRY_S: Final = 3600
_PLACEHOLDER: Final = "${aws:iot:s3-presigned-url:"
_UNSUPPORTED: Final[Mapping[str, str]] = {
    "documentSource": "there is no S3 here to read it from; give the document itself",
    "jobTemplateArn": "there are no job templates here",
    "documentParameters": "there are no job templates here",
    "schedulingConfig": "jobs begin when they are made",
    "destinationPackageVersions": "there is no package catalog here",
    "namespaceId": "namespaces are of another generation of Greengrass",
    "tags": "tags are kept for Greengrass and IAM only",
}


def new_job(request: Members) -> tuple[Job, str]:
    """Return the job and the document that `CreateJob` asks for, or raise `JobError`."""
    for member, reason in _UNSUPPORTED.items():
        if request.get(member):
            raise invalid(f"{member} cannot be used: {reason}.")
    targets = require_few(tuple(dict.fromkeys(request["targets"])))
    text = _checked_text(request.get("document"))
    job = Job(
        targets=targets,
        selection=request.get("targetSelection") or "SNAPSHOT",
        description=request.get("description") or "",
    )
    return with_settings(job, request), text


def with_settings(job: Job, request: Members) -> Job:
    """Return the job with the settings that `CreateJob` and `UpdateJob` have in common."""
    changes: dict[str, Any] = {}
    if request.get("description") is not None:
        changes["description"] = request["description"]
    urls = request.get("presignedUrlConfig")
    if urls:
        changes["role_arn"] = urls.get("roleArn") or job.role_arn
        changes["url_expires_s"] = urls.get("expiresInSec") or _DEFAULT_EXPIRY_S
    if request.get("jobExecutionsRolloutConfig") is not None:
        changes["rate"] = _rate(request["jobExecutionsRolloutConfig"])
    if request.get("abortConfig") is not None:
        changes["abort"] = _abort(request["abortConfig"]["criteriaList"])
    if request.get("timeoutConfig") is not None:
        changes["timeout_minutes"] = _timeout(request["timeoutConfig"])
    if request.get("jobExecutionsRetryConfig") is not None:
        changes["retries"] = _retries(request["jobExecutionsRetryConfig"]["criteriaList"])
    changed = msgspec.structs.replace(job, **changes)
    retried = {each.failure for each in changed.retries if each.retries}
    if "TIMED_OUT" in retried and changed.timeout_minutes is None:
        raise invalid("To try again what has timed out, give timeoutConfig too.")
    return changed


def require_few(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the targets if a job can have so many, else raise `JobError`."""
    if len(targets) > MAX_TARGETS:
        raise invalid(f"A job has at most {MAX_TARGETS} targets; put things into a thing group.")
    return targets


def settings_shown(job: Job) -> dict[str, Any]:
    """Return the settings as `DescribeJob` has them."""
    shown: dict[str, Any] = {"jobExecutionsRolloutConfig": _rate_shown(job.rate)}
    if job.role_arn:
        shown["presignedUrlConfig"] = {"roleArn": job.role_arn, "expiresInSec": job.url_expires_s}
    if job.abort:
        criteria = [
            {
                "failureType": each.failure,
                "action": "CANCEL",
                "thresholdPercentage": each.percentage,
                "minNumberOfExecutedThings": each.minimum,
            }
            for each in job.abort
        ]
        shown["abortConfig"] = {"criteriaList": criteria}
    minutes = job.timeout_minutes
    shown["timeoutConfig"] = {} if minutes is None else {"inProgressTimeoutInMinutes": minutes}
    if job.retries:
        retries = [
            {"failureType": each.failure, "numberOfRetries": each.retries} for each in job.retries
        ]
        shown["jobExecutionsRetryConfig"] = {"criteriaList": retries}
    return shown


def _checked_text(text: str | None) -> str:
    if not text:
        raise invalid("A job needs a document: give it as JSON in `document`.")
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise invalid("The document is not JSON.") from None
    if _PLACEHOLDER in text:
        raise invalid(
            "The document asks for presigned S3 URLs, and there is no S3 here; name files another "
            "way."
        )
    return text


def _rate(given: Members) -> RolloutRate:
    exponential = given.get("exponentialRate")
    if not exponential:
        return RolloutRate(maximum=given.get("maximumPerMinute"))
    criteria = exponential["rateIncreaseCriteria"]
    notified = criteria.get("numberOfNotifiedThings")
    succeeded = criteria.get("numberOfSucceededThings")
    if (notified is None) == (succeeded is None):
        raise invalid(
            "rateIncreaseCriteria takes one of numberOfNotifiedThings, numberOfSucceededThings."
        )
    return RolloutRate(
        maximum=given.get("maximumPerMinute"),
        base=exponential["baseRatePerMinute"],
        factor=exponential["incrementFactor"],
        per_notified=notified,
        per_succeeded=succeeded,
    )


def _rate_shown(rate: RolloutRate) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if rate.maximum is not None:
        shown["maximumPerMinute"] = rate.maximum
    if rate.base is not None:
        criterion = (
            {"numberOfNotifiedThings": rate.per_notified}
            if rate.per_notified is not None
            else {"numberOfSucceededThings": rate.per_succeeded}
        )
        shown["exponentialRate"] = {
            "baseRatePerMinute": rate.base,
            "incrementFactor": rate.factor,
            "rateIncreaseCriteria": criterion,
        }
    return shown


def _abort(criteria: Sequence[Members]) -> tuple[AbortCriterion, ...]:
    for each in criteria:
        if not each["thresholdPercentage"] > 0:
            raise invalid("thresholdPercentage is above 0 and at most 100.")
    return tuple(
        AbortCriterion(
            failure=each["failureType"],
            percentage=each["thresholdPercentage"],
            minimum=each["minNumberOfExecutedThings"],
        )
        for each in criteria
    )


def _timeout(given: Members) -> int | None:
    minutes: int | None = given.get("inProgressTimeoutInMinutes")
    if minutes is not None and not 1 <= minutes <= MAX_TIMEOUT_MINUTES:
        raise invalid(f"inProgressTimeoutInMinutes is from 1 to {MAX_TIMEOUT_MINUTES}.")
    return minutes


def _retries(criteria: Sequence[Members]) -> tuple[RetryCriterion, ...]:
    kinds: list[FailureType] = [each["failureType"] for each in criteria]
    if len(set(kinds)) != len(kinds) or ("ALL" in kinds and len(kinds) > 1):
        raise invalid("Each type of failure has one retry criterion, and ALL stands alone.")
    if sum(each["numberOfRetries"] for each in criteria) > MAX_RETRIES:
        raise invalid(f"An execution is tried again {MAX_RETRIES} times at most.")
    return tuple(
        RetryCriterion(failure=each["failureType"], retries=each["numberOfRetries"])
        for each in criteria
    )
