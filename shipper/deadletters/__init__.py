"""Dead letters: records that nobody takes, kept on this machine until somebody decides what to do with them.

:class:`Letters` is the file (``letters``), :class:`DeadLetters` the thread of the daemon that writes it (``keeper``),
:func:`only_sender` sees to it that one program at a time sends them again (``sender``). Knows nothing of Kafka.
"""

from shipper.deadletters.keeper import DeadLetters, Result
from shipper.deadletters.letters import NAME, Letter, Letters, open_letters
from shipper.deadletters.sender import only_sender

__all__ = ["NAME", "DeadLetters", "Letter", "Letters", "Result", "only_sender", "open_letters"]
