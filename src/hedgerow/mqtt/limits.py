"""Every limit of a broker, named, with what happens beyond it."""

from dataclasses import dataclass
from typing import Final

_HEADER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one broker accepts. The defaults are AWS IoT's (General Reference, IoT Core quotas).

    A refusal is always counted under the name given here and told to the authority; `queue-full`
    is about the receiver, told once a read with its number, and with QoS 0 only counted.
    """

    payload_bytes: int = 128 * 1024
    """Larger: `packet-too-large`, the connection is closed."""
    properties_bytes: int = 8 * 1024
    """More properties (MQTT 5) in a publish or a will: as for `payload_bytes`."""
    topic_bytes: int = 256
    """Longer: `topic-name-invalid`, closed; in a SUBSCRIBE that filter is refused."""
    topic_slashes: int = 7
    """More: as for `topic_bytes`."""
    client_id_bytes: int = 128
    """Longer: `client-identifier-not-valid`, refused in the CONNACK."""
    assign_client_ids: bool = False
    """Whether an empty client id gets one from the broker; if not it is refused as invalid."""
    subscriptions: int = 50
    """More filters in one session: `quota-exceeded`, that filter is refused in the SUBACK."""
    filters_per_subscribe: int | None = None
    """More filters in one SUBSCRIBE: `quota-exceeded`, closed."""
    silent_connections: int = 1000
    """More connections that have not sent their CONNECT: `server-busy`, the one that
    has been silent for longest is closed."""
    sessions: int = 100_000
    """More clients at once: `server-busy`, refused in the CONNACK."""
    owner_sessions: int = 10_000
    """More sessions of one owner (`Authority.owner`), away ones too: as for `sessions`."""
    maximum_qos: int = 1
    """A publish above it: `qos-not-supported`, closed; a subscription is granted less."""
    granted_qos: int = 2
    """The best QoS that a subscription is granted; publications may be better."""
    retain_available: bool = False
    """Without it an MQTT 5 retain is `retain-not-supported`; 3.1.1's flag is delivered as 0."""
    topic_aliases: int = 8
    """A higher alias in an MQTT 5 publish: `topic-alias-invalid`, closed."""
    in_flight: int = 100
    """QoS 1 and 2 messages to one client without its acknowledgement; further ones wait."""
    waiting_messages: int = 1000
    """Messages that wait for the above, and for a client that is away; further ones are dropped as
    `queue-full`. While a client is connected its publishers are held up before that."""
    waiting_bytes: int = 1024 * 1024
    """What the messages under way to one client and waiting for it count for; further ones are
    dropped as `queue-full`."""
    all_waiting_bytes: int = 256 * 1024 * 1024
    """What all queues of all sessions hold together; beyond it messages are dropped as
    `queue-full`, as if the queue they were for were full."""
    owner_waiting_bytes: int = 32 * 1024 * 1024
    """What all queues of one owner's sessions hold together, so that nobody can use up what is for
    everybody; beyond it as for `all_waiting_bytes`."""
    outgoing_bytes: int = 1024 * 1024
    """Bytes waiting for one client that reads slowly; then messages are dropped as `queue-full`,
    and a client that does not read even its answers is closed as `outgoing-full`."""
    transport_bytes: int = 256 * 1024
    """Bytes handed to the transport before the client counts as reading slowly."""
    publisher_pause_s: float = 0.5
    """How long a slow subscriber may hold up its publishers, before its messages are dropped."""
    publisher_grace_s: float = 10.0
    """How long after that it may not hold them up again, nor anybody a publisher that waited."""
    acknowledgement_patience_s: float = 10.0
    """How long publishers of QoS 1 and 2 wait for a client whose queue is half full, while it
    acknowledges less than a message a second; then it is closed as `acknowledgements-overdue`."""
    publisher_wait_s: float = 10.0
    """How long a publisher of QoS 1 and 2 waits in all before a message is taken from it again, for
    whomever; then it is not made to wait for `publisher_free_s`, and queues that are full drop."""
    publisher_free_s: float = 30.0
    """See `publisher_wait_s`."""
    connect_timeout_s: float = 10.0
    """No whole CONNECT by then: `connect-timeout`, closed."""
    keep_alive_s: int = 1200
    """The longest keep-alive, also for clients that want none; after one and a half of it without
    a packet: `keep-alive-timeout`, closed."""
    minimum_keep_alive_s: int = 0
    """A shorter keep-alive that is not 0 counts as this one; MQTT 5 clients are told."""
    close_timeout_s: float = 1.0
    """A closed connection whose peer does not read the end is cut off after this."""
    session_expiry_s: int = 0
    """The longest a session outlives its connection; 0: sessions end with it. What an MQTT 5 client
    asks beyond is cut and told; an MQTT 3.1.1 client with clean session 0 gets all of it."""
    shared_subscriptions: bool = False
    """Without it `$share/...` is `shared-subscriptions-not-supported`, refused in the SUBACK."""
    retained_messages: int = 10_000
    """More topics with a retained message: `quota-exceeded`, it is passed on unretained."""
    retained_bytes: int = 256 * 1024 * 1024
    """What all retained messages hold together; more: as for `retained_messages`."""
    retained_for_wildcards: bool = True
    """Without it a filter with a wildcard brings no retained message."""
    receive_maximum: int = 100
    """QoS 2 messages of one client not released yet: `receive-maximum-exceeded`, closed."""
    will_delay_s: int = 86_400
    """The longest that a will waits for its client to come back."""
    replayed_per_second: int | None = None
    """How fast a session's waiting messages are sent when its client comes back; None: at once."""
    cached_topics: int = 1024
    """Topics per session whose targets are remembered; beyond it the memory starts anew."""

    @property
    def packet_bytes(self) -> int:
        """Return the largest packet: `packet-too-large`, closed before its content is read."""
        return self.payload_bytes + self.topic_bytes + self.properties_bytes + _HEADER_BYTES


DEFAULT_LIMITS: Final = Limits()
