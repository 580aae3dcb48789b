"""The only code that knows Kafka's client.

- ``settings``: the configuration as the client's properties, and the properties that nobody may set
- ``errors``: what each error of the client asks of the daemon, and how a person is told
- ``librdkafka``: its functions; ``arrays``: what they are given; ``client``: a producer of it
- ``producer``: where records go (``model.Sink``)
- ``transactions``: the same with ``exactly_once``; ``calls``: what ends them; ``hanging``: what is open of others
- ``checkpoint_topic``, ``offsets``: the topic that keeps the checkpoints then, and what it holds
- ``probe``: a thread that asks whether the topics are there and the brokers answer
- ``stats``: why records wait although brokers answer
- ``check``: the same questions asked once, for ``shipper check --connect``
- ``consumer``: reads topics from their beginning
- ``mock``: the client's own mock cluster as an embedded broker
"""
