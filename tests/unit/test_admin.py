"""The status that a running daemon gives: its answers, its socket, and what a person sees of it."""

from __future__ import annotations

import base64
import inspect
import io
import os
import re
import resource
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from shipper.admin import about, client, metrics, view
from shipper.admin.app import FILES, App
from shipper.admin.guard import Guard
from shipper.admin.server import SOCKET, Admin
from shipper.config import AdminConfig, Config, load
from shipper.config import show as show_config
from shipper.errors import ConfigError, StatusError
from shipper.events import Events
from shipper.model import TopicState
from shipper.status import MOST_FILES, ConfigStatus, FileStatus, SourceStatus, Status
from shipper.tap import Taps
from tests.unit.rig import PumpRig
from tests.unit.rig import Status as Brokers

SOURCE = SourceStatus(
    name="nginx",
    state="reading",
    files=12,
    unread=0,
    in_flight=3,
    delivered=10_000,
    bytes_read=2_000_000,
    deadlettered=0,
    lost=0,
    problem="",
    remedy="",
    problem_since=0.0,
)
FILE = FileStatus("nginx", "/var/log/a.log", "/var/log/a.log", 0, "reading", 1000, 600, 500, 400, "")
FINE = Status(
    version="0",
    host="web-3",
    pid=1,
    at=100.0,
    started=0.0,
    state="running",
    brokers=3,
    trouble="",
    trouble_since=0.0,
    in_flight=1_200_000,
    in_flight_most=25_000_000,
    records_in_flight=3,
    open_files=1,
    open_files_most=100,
    deleted=0,
    sources=[SOURCE],
    files=[],
    files_left_out=0,
)


QUIET = Events(lambda *told: None)

COUNTERS = {
    ("records.acked", "nginx"): 7,
    ("records.dropped.exclude_lines", "nginx"): 3,
    ("records.parse_error", "nginx"): 2,
    ("scan", ""): 1,
}


def changed(status: Status, **fields: Any) -> Status:
    return msgspec.structs.replace(status, **fields)


def with_source(**fields: Any) -> Status:
    return changed(FINE, sources=[msgspec.structs.replace(SOURCE, **fields)])


# The answers.


class Pump:
    """Stands in for the pump."""

    def __init__(self, status: Status | None) -> None:
        self.answer = status
        self.files: list[int] = []  # that each question was about

    def status(self, timeout: float, files: int = MOST_FILES) -> Status | None:
        self.files.append(files)
        return self.answer


def get(status: Status | None, path: str, method: str = "GET", *, pump: Pump | None = None) -> tuple[str, bytes]:
    said: list[str] = []
    asked = pump or Pump(status)
    body = App(lambda: asked, lambda: status.config if status else ConfigStatus(), COUNTERS, list)(
        {"REQUEST_METHOD": method, "PATH_INFO": path}, lambda code, headers: said.append(code)
    )
    return said[0], b"".join(body)


@pytest.mark.parametrize(
    ("path", "files"), [("/status", MOST_FILES), ("/metrics", FILES), ("/readyz", 0), ("/history", 0)]
)
def test_the_pump_is_asked_for_no_more_files_than_are_told(path: str, files: int) -> None:
    pump = Pump(FINE)
    get(FINE, path, pump=pump)
    assert pump.files == [files]


def test_the_status_is_json() -> None:
    code, body = get(FINE, "/status")
    assert code == "200 OK"
    assert msgspec.json.decode(body, type=Status) == FINE


@pytest.mark.parametrize(
    ("status", "path", "code"),
    [
        (FINE, "/livez", "200 OK"),
        (changed(FINE, state="degraded"), "/livez", "200 OK"),
        (None, "/livez", "503 Service Unavailable"),
        (FINE, "/readyz", "200 OK"),
        (changed(FINE, state="degraded", trouble="nobody answers"), "/readyz", "503 Service Unavailable"),
        (changed(FINE, state="starting"), "/readyz", "503 Service Unavailable"),
        (None, "/status", "503 Service Unavailable"),
        (FINE, "/stat", "404 Not Found"),
    ],
)
def test_how_it_stands_is_in_the_code(status: Status | None, path: str, code: str) -> None:
    assert get(status, path)[0] == code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(method: str) -> None:
    assert get(FINE, "/status", method)[0].startswith("405")


def test_why_it_is_not_ready_is_said() -> None:
    assert get(changed(FINE, state="degraded", trouble="nobody answers"), "/readyz")[1] == b"degraded: nobody answers\n"


def test_the_metrics_have_sources_units_and_rules() -> None:
    hostile = msgspec.structs.replace(FILE, seen_as='/var/log/"\n.log')
    code, body = get(changed(FINE, files=[hostile]), "/metrics")
    lines = body.decode().splitlines()
    assert code == "200 OK"
    for line in (
        'shipper_records_acked_total{source="nginx"} 7.0',
        'shipper_records_dropped_total{rule="exclude_lines",source="nginx"} 3.0',
        'shipper_records_noted_total{source="nginx",what="parse_error"} 2.0',
        "shipper_brokers_up 1.0",
        'shipper_source_unread_bytes{source="nginx"} 0.0',
        'shipper_file_unread_bytes{path="/var/log/\\"\\n.log",source="nginx"} 400.0',
        'shipper_state{state="running"} 1.0',
    ):
        assert line in lines


def test_the_series_of_files_are_bounded() -> None:
    many = [msgspec.structs.replace(FILE, seen_as=f"/{i}") for i in range(1000)]
    body = get(changed(FINE, files=many), "/metrics")[1]
    assert body.count(b"shipper_file_unread_bytes{") == FILES


def test_every_counter_has_a_sentence() -> None:
    source = "".join(map(inspect.getsource, Events.__mro__[:-1]))
    counted = set(re.findall(r'(?:self\.count\(\s*|\bcounters\[)"([^"]+)"', source)) - {"records.dropped"}
    assert counted == set(metrics.COUNTERS)


def test_the_page_is_text_without_javascript_and_nothing_of_it_is_markup() -> None:
    code, body = get(with_source(problem="topic <b>x</b> is missing"), "/")
    page = body.decode()
    assert code == "200 OK"
    assert "topic &lt;b&gt;x&lt;/b&gt; is missing" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_there_is_no_page_without_a_port() -> None:
    said: list[str] = []
    App(lambda: Pump(FINE), ConfigStatus, COUNTERS)(
        {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda code, headers: said.append(code)
    )
    assert said == ["404 Not Found"]


# Who may ask over a port.


def guarded(token: str = "", **environ: str) -> str:
    said: list[str] = []

    def inner(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    list(Guard(inner, "127.0.0.1", token)(dict(environ), lambda code, headers: said.append(code)))
    return said[0].split()[0]


@pytest.mark.parametrize("host", ["127.0.0.1:9600", "localhost:9600", "[::1]:9600", "LOCALHOST", "10.1.2.3"])
def test_a_host_of_its_own_is_answered(host: str) -> None:
    assert guarded(HTTP_HOST=host) == "200"


@pytest.mark.parametrize("host", ["evil.example:9600", "", "127.0.0.1.evil.example", "[evil]"])
def test_a_name_that_is_not_its_own_is_refused(host: str) -> None:
    assert guarded(HTTP_HOST=host) == "421"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer s3cret", "200"),
        ("Basic " + base64.b64encode(b"anyone:s3cret").decode(), "200"),
        ("", "401"),
        ("Bearer ", "401"),
        ("Bearer s3cre", "401"),
        ("Basic !!", "401"),
        ("Basic " + base64.b64encode(b"s3cret").decode(), "401"),
        ("Digest s3cret", "401"),
    ],
)
def test_the_token_is_asked_for(header: str, code: str) -> None:
    assert guarded("s3cret", HTTP_HOST="localhost", HTTP_AUTHORIZATION=header) == code


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_port_follows_the_configuration(tmp_path: Path) -> None:
    told: list[str] = []
    admin = Admin(
        tmp_path, lambda: Pump(FINE), ConfigStatus, Taps(QUIET), Events(lambda level, name, fields: told.append(name))
    )
    first, second = free_port(), free_port()
    admin.configure(AdminConfig(f"127.0.0.1:{first}"))
    with urllib.request.urlopen(f"http://127.0.0.1:{first}/history", timeout=60) as answered:
        assert msgspec.json.decode(answered.read())[0]["delivered"] == SOURCE.delivered
    admin.configure(AdminConfig(f"127.0.0.1:{second}", "s3cret"))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{first}/", timeout=60)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{second}/", timeout=60)
    admin.configure(AdminConfig())
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{second}/", timeout=60)
    admin.close()
    assert told == ["admin.listening"] * 2


def test_a_port_that_is_taken_is_told_and_stops_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        admin = Admin(
            tmp_path,
            lambda: Pump(FINE),
            ConfigStatus,
            Taps(QUIET),
            Events(lambda level, name, fields: told.append(name)),
        )
        admin.configure(AdminConfig(f"127.0.0.1:{taken.getsockname()[1]}"))
        assert told == ["status.unavailable"]
        assert client.ask(tmp_path) == FINE
        admin.close()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('listen = "9600"', 'admin.listen: "9600" is no address to listen on'),
        ('listen = "127.0.0.1:0"', "is no address to listen on"),
        ('listen = "0.0.0.0:9600"', 'admin.listen: "0.0.0.0:9600" can be reached from elsewhere; write token ='),
        ('listen = "web-3:9600"', "can be reached from elsewhere"),
        ('listn = ""', 'did you mean "listen"?'),
        ("token = 5", "admin.token: the value is not a string"),
    ],
)
def test_a_bad_address_is_told(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_admin(tmp_path, lines)
    assert says in raised.value.problems[0]


@pytest.mark.parametrize("listen", ["127.0.0.1:9600", "localhost:9600", "[::1]:9600", ""])
def test_this_machine_alone_needs_no_token(tmp_path: Path, listen: str) -> None:
    assert load_admin(tmp_path, f'listen = "{listen}"').admin.listen == listen


def test_the_token_is_never_shown(tmp_path: Path) -> None:
    config = load_admin(tmp_path, 'listen = "0.0.0.0:9600"\ntoken = "s3cret"')
    assert config.admin.token == "s3cret"
    assert "s3cret" not in show_config(config) + repr(config)


def load_admin(root: Path, lines: str) -> Config:
    """Load a configuration with these lines in ``[admin]``."""
    (root / "shipper.toml").write_text(
        f"""
[shipper]
state_dir = "{root}"
[kafka]
bootstrap_servers = "localhost:1"
[admin]
{lines}
[sources.s]
paths = ["/x/*.log"]
topic = "t"
"""
    )
    return load(root / "shipper.toml")


# The socket.


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    deep = tmp_path / ("d" * 100) / ("e" * 100)  # longer than a socket's address can be
    deep.mkdir(parents=True)
    server = Admin(deep, lambda: Pump(FINE), ConfigStatus, Taps(QUIET), Events(lambda *told: None))
    yield deep
    server.close()
    assert not (deep / SOCKET).exists()


def test_it_is_asked_over_a_socket_of_its_user_alone(served: Path) -> None:
    assert client.ask(served) == FINE
    assert client.ask(served) == FINE
    assert stat.S_IMODE((served / SOCKET).stat().st_mode) == 0o600


def test_the_socket_of_another_daemon_that_has_taken_over_stays(tmp_path: Path) -> None:
    first, second = (
        Admin(tmp_path, lambda: Pump(FINE), ConfigStatus, Taps(QUIET), Events(lambda *told: None)) for _ in range(2)
    )
    first.close()
    assert client.ask(tmp_path) == FINE
    second.close()
    assert not (tmp_path / SOCKET).exists()


def test_the_socket_of_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    (tmp_path / SOCKET).write_text("")
    server = Admin(tmp_path, lambda: Pump(FINE), ConfigStatus, Taps(QUIET), Events(lambda *told: None))
    assert client.ask(tmp_path) == FINE
    server.close()


def test_that_it_cannot_listen_is_told_and_stops_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / SOCKET).mkdir()  # nothing that could be removed
    Admin(
        tmp_path, lambda: Pump(FINE), ConfigStatus, Taps(QUIET), Events(lambda level, name, fields: told.append(name))
    ).close()
    assert told == ["status.unavailable"]


def test_no_daemon_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="no daemon runs with state_dir"):
        client.ask(tmp_path)
    with pytest.raises(StatusError, match="no daemon runs with state_dir"):
        client.ask(tmp_path / "none")


def test_a_daemon_that_hangs_is_told_of(tmp_path: Path) -> None:
    server = Admin(tmp_path, lambda: Pump(None), ConfigStatus, Taps(QUIET), Events(lambda *told: None))
    with pytest.raises(StatusError, match="has not answered"):
        client.ask(tmp_path)
    server.close()


def test_it_answers_a_daemon_with_very_many_open_files(tmp_path: Path) -> None:
    """A descriptor beyond 1023 is beyond what select() can wait for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    server = Admin(tmp_path, lambda: Pump(FINE), ConfigStatus, Taps(QUIET), Events(lambda *told: None))
    try:
        with ExitStack() as stack:
            while (held := os.dup(0)) <= 1100:
                stack.callback(os.close, held)
            stack.callback(os.close, held)
            for _ in range(2):
                assert client.ask(tmp_path) == FINE
    finally:
        server.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# What the pump says.


def ask(rig: PumpRig, files: int = MOST_FILES) -> Status:
    """Ask the pump, which is on this thread."""
    pump = rig.pump
    assert pump is not None
    assert pump.status(0, files) is None  # nobody goes round
    question, _ = pump._questions[0]
    rig.beat()
    return question.result(0)


def test_the_pump_tells_where_each_file_stands(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "a.log"
        log.write_text("one\ntwo\nthr")
        rig.start().pass_time(2)
        status = ask(rig)
        assert status.pid == os.getpid()
        (source,) = status.sources
        assert (source.name, source.files, source.delivered, source.problem) == ("s", 1, 2, "")
        (file,) = status.files
        assert (file.path, file.read, file.acked, file.size, file.unread) == (str(log), 8, 8, 11, 3)
        assert file.why == "its last line has no end yet"


def test_few_files_are_told_of_many_and_those_with_most_to_read_come_first(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        for number in range(30):
            (rig.logs / f"{number:02d}.log").write_text(f"the first line of {number}\n")
        rig.start().pass_time(2)
        for number, lines in ((7, 1), (3, 3), (21, 2)):
            with (rig.logs / f"{number:02d}.log").open("a") as log:
                log.write("another line\n" * lines)
        rig.sink.topics["t"] = TopicState.MISSING
        rig.pass_time(2)
        status = ask(rig, 2)
        assert [os.path.basename(file.path) for file in status.files] == ["03.log", "21.log"]
        assert (status.files_left_out, status.files_behind) == (28, 3)
        (source,) = status.sources
        assert (source.files, source.unread) == (30, 6 * len("another line\n"))
        assert source.lag == ask(rig, 30).sources[0].lag == ask(rig, 0).sources[0].lag == pytest.approx(2, abs=0.5)
        assert ask(rig, 0).files == []
        told = [os.path.basename(file.path) for file in ask(rig, 30).files]
        assert told[:3] == ["03.log", "21.log", "07.log"]
        assert sorted(told) == [f"{number:02d}.log" for number in range(30)]


def test_what_deleted_files_hold_is_looked_up_for_each_answer(tmp_path: Path) -> None:
    """Their writer may not know that they are deleted."""
    with PumpRig(tmp_path) as rig, (rig.logs / "a.log").open("ab", buffering=0) as log:
        log.write(b"one\n")
        rig.start()
        rig.sink.topics["t"] = TopicState.MISSING
        log.write(b"two\n")
        rig.beat()
        (rig.logs / "a.log").unlink()
        rig.pass_time(1)
        assert ask(rig).deleted == 8
        log.write(b"three\n")
        status = ask(rig)
        assert (status.deleted, status.sources[0].unread) == (14, 10)


def test_a_question_is_answered_before_the_turn_is_over(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        (rig.logs / "a.log").write_text("a line of a log\n" * 200_000)
        pump = rig.start(up=False).pump
        assert pump is not None
        pump._ledger.high, pump._ledger.paused = 1 << 30, False  # as if brokers had answered
        pump._turns.take()
        whole = len(rig.sink.queue)
        pump.status(0)
        pump._turns.take()
        assert 0 < len(rig.sink.queue) - whole < whole / 2
        question, _ = pump._questions[0]
        pump._beat()
        assert question.done()
        assert not pump.asked()


def test_it_answers_while_it_drains(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        pump = rig.start().pump
        assert pump is not None
        rig.sink.up = False
        (rig.logs / "a.log").write_text("one\n")
        rig.beat()
        rig.beat()
        assert pump.status(0) is None
        question, _ = pump._questions[0]

        def pass_a_second() -> None:
            rig.now += 1  # so that the drain ends, answered or not

        rig.sink.on_poll = pass_a_second
        rig.stop()
        assert question.result(0).state == "draining"


def test_a_missing_topic_is_a_problem(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.start()
        rig.sink.topic_state = lambda topic: TopicState.MISSING  # type: ignore[method-assign]
        (rig.logs / "a.log").write_text("one\n")
        rig.beat()
        rig.beat()
        status = ask(rig)
        assert status.sources[0].problem == "topic t is missing"
        assert status.files[0].why == "topic t is missing"


def test_brokers_that_are_away_are_told_with_the_reason(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.start().pass_time(1)
        rig.sink.state = Brokers(up=False, reason="nobody answers")
        rig.beat()
        status = ask(rig)
        assert (status.state, status.trouble) == ("degraded", "nobody answers")


def test_a_successor_says_what_it_waits_for(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        log = rig.logs / "a.log"
        log.write_text("one\nhalf")
        rig.start().pass_time(1)
        log.rename(rig.logs / "a.log.1")
        log.write_text("two\n")
        rig.beat()
        rig.beat()
        why = {file.seen_as: file.why for file in ask(rig).files}
        assert why[str(log)] == f"waits for its predecessor, {log}.1"


# What a person sees.


def seen(now: Status, before: Status | None = None, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    view.show(console, now, before)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in text.splitlines())
    return str(text).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("width", [80, 200])
def test_all_is_well(width: int) -> None:
    before = changed(FINE, at=98.0, sources=[msgspec.structs.replace(SOURCE, delivered=8000, bytes_read=1_000_000)])
    text = seen(FINE, before, width)
    assert "web-3 · up 1 min 40 s · 3 brokers · 1,000 lines/s · 500 kB/s" in text
    assert "✓ all is well" in text
    assert "nginx" in text


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (changed(FINE, state="degraded"), "brokers away; 0 B wait on disk"),
        (
            changed(FINE, trouble="nobody answers", trouble_since=59.0),
            "brokers away for 41 s: nobody answers; 0 B wait on disk, nothing is lost → shipper check --connect",
        ),
        (
            with_source(problem="topic x is missing", remedy="shipper check --connect", problem_since=40.0),
            "nginx, for 1 min: topic x is missing → shipper check --connect",
        ),
        (with_source(lost=5000), "5.0 kB were gone before"),
        (with_source(deadlettered=1204), "1,204 records refused"),
        (changed(FINE, state="draining"), "stopping"),
        (changed(FINE, state="starting"), "starting"),
    ],
)
def test_what_is_wrong_is_the_first_line(status: Status, says: str, width: int) -> None:
    lines = seen(status, None, width).splitlines()
    assert says[:20] in lines[0]
    assert says in " ".join(" ".join(lines).split())
    assert "all is well" not in "".join(lines)


def test_a_file_that_is_behind_is_shown_with_the_reason_and_what_is_left_out_is_counted() -> None:
    behind = [msgspec.structs.replace(FILE, seen_as=f"/var/log/{i}.log", path=f"/var/log/{i}.log") for i in range(12)]
    text = seen(changed(FINE, files=behind, files_behind=17, files_left_out=500), None, 200)
    assert "/var/log/9.log" in text
    assert "/var/log/10.log" not in text
    assert "and 7 more" in text
    assert "50%" in text


@pytest.mark.parametrize("width", [50, 80, 200])
def test_of_a_long_name_the_end_is_shown_and_no_number_is_cut(width: int) -> None:
    path = "/var/log/" + "漢字/" * 40 + "app.log"
    long = msgspec.structs.replace(FILE, path=path, seen_as=f"{path}.1", unread=21_600_000, why="waits for " + "x" * 99)
    text = seen(changed(FINE, files=[FILE, long], files_behind=2, sources=[]), None, width)
    (shown,) = [line for line in text.splitlines() if "app.log.1" in line]
    assert shown.startswith("…")
    assert "21.6 MB" in shown
    assert "waits for x" in shown or width < 80
    assert shown.rstrip().endswith("…")


def test_a_command_is_not_broken_nor_is_a_number_parted_from_its_unit() -> None:
    said = "topic logs.a-long-name-of-a-topic.billing is missing"
    wrong = with_source(problem=said, remedy="shipper check --connect", problem_since=1.0)
    now = changed(wrong, host="a-host-with-a-long-name.example.org")
    lines = [line.rstrip() for line in seen(now, changed(now, at=now.at - 1), 80).splitlines()]
    assert lines[:2] == [f" ✗ nginx, for 1 min 39 s: {said}", "   → shipper check --connect"]
    assert lines[2].endswith(" · up 1 min 40 s · 3 brokers")
    assert lines[3] == "0 lines/s · 0 B/s · in flight 1.2 MB"


@pytest.mark.parametrize("width", [80, 200])
def test_a_file_may_have_the_name_of_a_colour(width: int) -> None:
    odd = msgspec.structs.replace(FILE, seen_as="/[/]/[red]a.log", path="/[/]/[red]a.log", why="waits for [bold]")
    told = seen(changed(FINE, files=[odd]), width=width)
    assert "/[/]/[red]a.log" in told
    assert "[bold]" in told or width < 110


def test_how_long_a_backlog_takes_at_this_rate() -> None:
    before = changed(FINE, at=90.0, sources=[msgspec.structs.replace(SOURCE, bytes_read=1_000_000)])
    assert "1.0 GB (2 h 46 min)" in seen(with_source(unread=1_000_000_000), before, 200)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (3_100_000, "3.1 MB")]
)
def test_sizes(count: int, text: str) -> None:
    assert view.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (61, "1 min 1 s"), (3 * 86400 + 4 * 3600 + 5, "3 d 4 h"), (3600, "1 h")]
)
def test_spans(seconds: float, text: str) -> None:
    assert view.span(seconds) == text


def test_a_configuration_that_is_not_in_force_is_seen_at_a_glance() -> None:
    on_disk = ConfigStatus(now=1000.0, since=10.0, differs=True)
    text = seen(changed(FINE, config=on_disk))
    assert "▲ the configuration on disk is not the one in force" in text
    assert "all is well" not in text
    refused = msgspec.structs.replace(on_disk, refused_at=820.0, problems=["shipper.toml: kafka.linger: bad", "x"])
    text = " ".join(seen(changed(FINE, config=refused)).split())
    assert (
        "the new configuration was refused 3 min ago, the old one is in force: shipper.toml: kafka.linger: bad" in text
    )
    assert "and 1 more" in text
    assert "shipper_config_last_reload_successful 0.0" in get(changed(FINE, config=refused), "/metrics")[1].decode()


def test_what_was_dropped_and_how_late_it_is_stand_beside_each_source() -> None:
    status = with_source(lag=125.0, dropped={"exclude_lines": 1204})
    wide = seen(status, width=200)
    assert "2 min 5 s" in wide
    assert "1,204 (exclude_lines)" in wide
    assert "2 min 5 s" in seen(status)
    text = get(status, "/metrics")[1].decode()
    assert 'shipper_source_lag_seconds{source="nginx"} 125.0' in text


def test_explain_asks_the_daemon_what_it_waits_for() -> None:
    why = "waits for its predecessor, /var/log/a.log.1"
    file = msgspec.structs.replace(FILE, why=why, lag=70.0)
    stuck = msgspec.structs.replace(SOURCE, problem="blocked: a record at 7", remedy="make room")
    told = list(about.notes(changed(FINE, files=[file], sources=[stuck]), b"/var/log/a.log"))
    assert told == [
        f"the daemon says: {why}",
        "what waits of it has waited for 1 min 10 s at most",
        "source nginx: blocked: a record at 7 → make room",
    ]
    away = changed(FINE, trouble="connection refused", trouble_since=59.0, config=ConfigStatus(differs=True))
    assert list(about.notes(away, b"/var/log/a.log")) == [
        "the daemon pauses, as brokers are away for 41 s: connection refused",
        "the configuration on disk, of which this is said, is not the one in force: shipper status",
    ]
    assert list(about.notes(FINE, b"/var/log/a.log")) == []


def test_a_source_that_is_behind_is_told_with_its_worst_file() -> None:
    status = changed(with_source(lag=750.0, unread=2_100_000_000), files=[FILE])
    assert "▲ nginx: /var/log/a.log 2.1 GB to read, lines have waited for 12 min 30 s" in seen(status, width=120)
    assert "▲" not in seen(with_source(lag=59.0))
    assert "waited" not in seen(changed(status, trouble="nobody answers"))  # that says it all
