"""A connection to the cloud, as the queue uses it."""

import asyncio

from hedgerow.core.link.answers import Answer
from hedgerow.core.link.carried import restored
from hedgerow.core.link.client import CloudClient
from hedgerow.core.spool import BusyError, Publication, Published


class LinkOutlet:
    """Keeps the promises of `spool.Outlet`."""

    def __init__(self, client: CloudClient) -> None:
        self._client = client

    @property
    def receive_maximum(self) -> int:
        """How many publications the cloud takes before it has answered the first of them."""
        return self._client.receive_maximum

    def publish(self, publication: Publication) -> asyncio.Future[Published]:
        """Begin to publish; the cloud's answer comes later."""
        published: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        answer = self._client.publish(
            publication.topic,
            publication.payload,
            restored(publication.properties, publication.expires_in_s),
            of_queue=True,
        )

        def pass_on(answer: asyncio.Future[Answer]) -> None:
            if published.done():
                return
            error = answer.exception()
            if error is not None:
                published.set_exception(error)
            elif answer.result().wants_less:
                published.set_exception(BusyError(f"the cloud wants less: {answer.result()}"))
            else:
                published.set_result(as_published(answer.result()))

        answer.add_done_callback(pass_on)
        return published


def as_published(answer: Answer) -> Published:
    """Return the answer as the queue knows it."""
    return Published(accepted=not answer.is_failure, reason=str(answer))
