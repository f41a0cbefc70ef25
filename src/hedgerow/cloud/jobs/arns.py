"""ARNs of jobs."""

from hedgerow.cloud.home import Home
from hedgerow.kernel import Arn


def job_arn(home: Home, job_id: str) -> str:
    """Return the ARN of a job."""
    resource = f"job/{job_id}"
    return str(Arn(service="iot", region=home.region, account=home.account, resource=resource))
