"""What is sent while a transaction is being committed: kept in order, handed over or forgotten."""

from __future__ import annotations

from typing import Any, cast
from unittest import mock

import pytest

from shipper.ahead import Ahead
from shipper.model import Messages, Sink, TopicState

ONE, TWO, THREE = (Messages([value], b"k") for value in (b"1", b"2", b"3"))


@pytest.fixture
def client() -> Any:
    return mock.create_autospec(Sink, instance=True)


def sends(client: Any) -> list[Any]:
    return [call for call in client.method_calls if call[0].startswith("send")]


def test_what_is_sent_goes_to_the_client_as_it_was_given(client: Any) -> None:
    ahead, report, headers = Ahead(client), mock.Mock(), [(("a", b"b"),)]
    ahead.send("t", ONE, report, alone=True)
    ahead.send_few("t", TWO, [(report, 1)])
    ahead.send_each("t", THREE, cast(Any, headers), report, topics=["u"], timestamps=[5])
    assert sends(client) == [
        mock.call.send("t", ONE, report, alone=True),
        mock.call.send_few("t", TWO, [(report, 1)]),
        mock.call.send_each("t", THREE, headers, report, alone=False, topics=["u"], timestamps=[5]),
    ]


def test_what_was_kept_goes_in_order_and_once(client: Any) -> None:
    ahead, report = Ahead(client), mock.Mock()
    ahead.keep()
    ahead.send("t", ONE, report)
    ahead.send_few("t", TWO, [(report, 1)])
    assert not sends(client)
    ahead.release()
    ahead.send("t", THREE, report)
    ahead.release()
    assert [call[1][1] for call in sends(client)] == [ONE, TWO, THREE]


def test_what_is_dropped_never_goes(client: Any) -> None:
    ahead, report = Ahead(client), mock.Mock()
    ahead.keep()
    ahead.send("t", ONE, report)
    ahead.drop()
    ahead.send("t", TWO, report)
    assert [call[1][1] for call in sends(client)] == [TWO]


def test_whatever_else_is_asked_is_asked_of_the_client(client: Any) -> None:
    client.topic_state.return_value, client.fits.return_value = TopicState.READY, 7
    client.push.return_value, client.poll.return_value = 1.5, 3
    ahead = Ahead(client)
    ahead.keep()
    assert (ahead.topic_state("t"), ahead.fits("t")) == (TopicState.READY, 7)
    assert (ahead.push(0.1, 0.2), ahead.poll(0.3)) == (1.5, 3)
    ahead.hold("t")
    ahead.close(2.0)
    client.hold.assert_called_once_with("t")
    client.close.assert_called_once_with(2.0)
    client.push.assert_called_once_with(0.1, 0.2)
