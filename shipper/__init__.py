"""Ships log files to Kafka: loses nothing, keeps the order, and can prove it.

The invariants, which tests cite by number:

I1  acked offset <= end of the resolved prefix <= read offset.
I2  A chunk resolves only by acknowledgement, dead letter, or a rule the config names.
I3  Records of one key leave in file order; nothing newer of that source is sent before a rewound chunk.
I4  A position is a line end, or the end of a last line that was sent; never inside a line.
I5  In flight (key + value + 256 bytes a record) <= ``max_in_flight`` + one chunk.
I6  What is saved is never ahead of I1; what is loaded is never behind what was saved.
I7  A file known by two names is read once.
I8  An unreadable store never becomes an empty one: when it is set aside, nothing starts at the end.
I9  Everything read is delivered, dead-lettered, or counted as dropped by a rule.
"""

__version__ = "0.1.0"
