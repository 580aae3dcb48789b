"""What the brokers and the client do, and what becomes of transactions. Any thread."""

from __future__ import annotations

from shipper.events.telling import Teller


class Kafka(Teller):
    """Of brokers, topics, the client and transactions."""

    def brokers_reached(self, brokers: int) -> None:
        """Say that the brokers have answered for the first time."""
        self.emit("info", "brokers.reached", every=60, brokers=brokers)

    def brokers_away(self, reason: str) -> None:
        """Say that no broker answers: records wait in their files."""
        self.count("brokers.away")
        self.emit("warning", "brokers.away", reason=reason)

    def brokers_back(self, brokers: int, away: float) -> None:
        """Say that the brokers answer again, after ``away`` seconds."""
        self.count("brokers.back")
        self.emit("info", "brokers.back", brokers=brokers, away=round(away, 3))

    def broker_failed(self, broker: str, reason: str) -> None:
        """Say that one broker cannot be talked to; others may."""
        self.count("broker.failed")
        self.emit("warning", "broker.failed", every=60, key=(broker, reason), broker=broker, reason=reason)

    def topic_ready(self, topic: str, partitions: int) -> None:
        """Say that records may be sent to a topic."""
        self.emit("info", "topic.ready", every=60, key=(topic,), topic=topic, partitions=partitions)

    def topic_limit(self, topic: str, limit: int, then: str) -> None:
        """Say that a topic takes less than the client would send to it."""
        self.emit("info", "topic.limit", every=60, key=(topic,), topic=topic, max_message_bytes=limit, then=then)

    def topic_limit_unknown(self, topic: str, reason: str) -> None:
        """Say that it is not known how large a batch a topic takes: a refusal will tell."""
        advice = "allow DescribeConfigs on the topic, so that no batch need be refused to find out"
        self.emit("info", "topic.limit_unknown", every=3600, key=(topic,), topic=topic, reason=reason, advice=advice)

    def topic_held(self, topic: str) -> None:
        """Say that, after an error, nothing is sent to a topic until it has been seen again."""
        self.count("topic.held")
        self.emit("info", "topic.held", every=60, key=(topic,), topic=topic)

    def topic_missing(self, topic: str, reason: str) -> None:
        """Say that a topic is not there: its records wait in their files."""
        self.count("topic.missing")
        self.emit("warning", "topic.missing", every=60, key=(topic,), topic=topic, reason=reason)

    def topic_denied(self, topic: str, reason: str) -> None:
        """Say that this user may not use a topic: its records wait in their files."""
        self.count("topic.denied")
        self.emit("warning", "topic.denied", every=60, key=(topic,), topic=topic, reason=reason)

    def client_gave_up(self, reason: str) -> None:
        """Say that the Kafka client is finished; a new one is built."""
        self.count("client.gave_up")
        self.emit("error", "client.gave_up", every=60, key=(reason,), reason=reason)

    def client_said(self, level: str, facility: str, text: str) -> None:
        """Pass on a line of the Kafka client's own log."""
        self.emit(level, "client.said", every=60, key=(facility,), facility=facility, text=text)

    def client_lingers(self) -> None:
        """Say that a closed client could not be let go of in time: it ends in the background, or with the process."""
        self.emit("warning", "client.lingers")

    def client_replaced(self, reason: str) -> None:
        """Tell that the Kafka client is given up for a new one."""
        self.count("client.replaced")
        then = "a new client sends again from the acknowledged offsets"
        self.emit("warning", "client.replaced", every=10, reason=reason, then=then)

    def checkpoint_topic_created(self, topic: str, partitions: int) -> None:
        """Say that the topic of the checkpoints was not there and has been created."""
        self.emit("info", "checkpoint_topic.created", topic=topic, partitions=partitions)

    def checkpoint_topic_missing(self, topic: str, reason: str) -> None:
        """Say that the topic of the checkpoints is not there and could not be created."""
        self.count("checkpoint_topic.missing")
        then = "create it with cleanup.policy=compact; nothing is sent before"
        self.emit("error", "checkpoint_topic.missing", every=60, topic=topic, reason=reason, then=then)

    def checkpoint_topic_unfit(self, topic: str, policy: str) -> None:
        """Say that the topic of the checkpoints forgets them."""
        then = "set cleanup.policy=compact on it; otherwise old checkpoints go, and their lines could be sent twice"
        self.emit("warning", "checkpoint_topic.unfit", every=3600, topic=topic, cleanup_policy=policy, then=then)

    def offsets_waiting(self, topic: str, partition: int) -> None:
        """Say that the checkpoints cannot be read yet: another daemon's transaction is open in their partition."""
        self.count("offsets.waiting")
        then = "what was committed is known when it ends, at the latest after its transaction.timeout.ms"
        why = "a transaction of another daemon is open"
        self.emit("info", "offsets.waiting", every=10, topic=topic, partition=partition, why=why, then=then)

    def offsets_unread(self, topic: str, reason: str) -> None:
        """Say that the checkpoints could not be read from their topic; it is tried again."""
        self.count("offsets.unread")
        self.emit("warning", "offsets.unread", every=60, topic=topic, reason=reason, then="it is tried again")

    def offsets_read(self, instance: str, files: int, seconds: float) -> None:
        """Say that it is known from the topic what was committed."""
        self.emit("info", "offsets.read", instance=instance, files=files, after=round(seconds, 3))

    def topic_unclear(self, topic: str, reason: str) -> None:
        """Say that it cannot be found out whether a transaction was left open in a topic; it is tried again."""
        self.count("topic.unclear")
        then = "whether a transaction was left open in it is asked again; nothing is sent to it before"
        self.emit("warning", "topic.unclear", every=60, key=(topic,), topic=topic, reason=reason, then=then)

    def transaction_hanging(self, partitions: list[tuple[str, int]]) -> None:
        """Say in which partitions a transaction is open that nobody ends."""
        self.count("transaction.hanging")
        where = ", ".join(f"{topic} [{number}]" for topic, number in sorted(partitions))
        then = "what is this instance's is aborted; nobody who reads committed records sees it"
        self.emit("warning", "transaction.hanging", partitions=where, then=then)

    def transaction_committed(self, records: int, files: int) -> None:
        """Count a commit."""
        self.count("transaction.committed")
        self.emit("debug", "transaction.committed", records=records, files=files)

    def transaction_aborted(self, reason: str) -> None:
        """Say that a transaction is given up: its lines are sent again, and nobody who reads committed sees them."""
        self.count("transaction.aborted")
        then = "all sources send again from what was committed"
        self.emit("warning", "transaction.aborted", every=10, reason=reason, then=then)

    def transaction_outcome(self, *, committed: bool) -> None:
        """Say how a commit ended of which that was not known."""
        self.emit("info", "transaction.outcome", committed=committed)
