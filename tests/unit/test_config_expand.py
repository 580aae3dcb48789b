from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.expand import MAX_SECRET, Expanded, ExpandError, expand, protect

ENVIRON = {"HOST": "web-3", "EMPTY": "", "DOLLAR": "${HOST}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${HOST}", "web-3"),
        ("a-${HOST}-${HOST}", "a-web-3-web-3"),
        ("${MISSING:-else}", "else"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-else}", "else"),
        ("${HOST:-else}", "web-3"),
        ("${EMPTY}", ""),
        ("$${HOST}", "${HOST}"),
        ("pa$word$", "pa$word$"),
        ("$$", "$"),
        ("${DOLLAR}", "${HOST}"),  # what was put in is not expanded again
        ("${MISSING:-a:b-c}", "a:b-c"),
    ],
)
def test_from_the_environment(text: str, expanded: str) -> None:
    assert expand(text, ENVIRON) == Expanded(expanded, secret=False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${MISSING}", "${MISSING} is not in the environment; set it, or write ${MISSING:-DEFAULT}"),
        ("${HOST", '"${" has no "}" after it; write "$${" for the characters themselves'),
        ("${A:-${HOST}}", '"${A:-" has another "${" in its default; write the default as plain text'),
        ("${env:HOST}", "${env:HOST} is not known; write ${HOST}"),
        ("${}", "${} is not known; write ${NAME}, ${NAME:-DEFAULT}, ${file:/PATH} or ${credential:NAME}"),
        ("${file:key}", "${file:key} does not name an absolute path; write ${file:/etc/shipper/NAME}"),
        (
            "${file:/nowhere/at/all}",
            "${file:/nowhere/at/all}: /nowhere/at/all cannot be read: No such file or directory",
        ),
        ("${credential:../x}", "${credential:../x} does not name a credential; write ${credential:NAME}"),
        (
            "${credential:kafka}",
            "${credential:kafka} needs $CREDENTIALS_DIRECTORY, which systemd sets; add LoadCredential=kafka:/PATH",
        ),
    ],
)
def test_what_cannot_be_expanded(text: str, problem: str) -> None:
    with pytest.raises(ExpandError) as error:
        expand(text, ENVIRON)
    assert error.value.problems == [problem]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ExpandError) as error:
        expand("${A} ${B}", {})
    assert [problem.split()[0] for problem in error.value.problems] == ["${A}", "${B}"]


def test_secrets(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" s3cret \r\n")
    assert expand(f"x${{file:{tmp_path}/key}}", {}) == Expanded("x s3cret ", secret=True)
    assert expand("${credential:key}", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == Expanded(" s3cret ", secret=True)


def test_a_secret_that_is_no_text_or_too_long(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_bytes(b"x" * (MAX_SECRET + 1))
    with pytest.raises(ExpandError, match="is not UTF-8 text"):
        expand(f"${{file:{tmp_path}/binary}}", {})
    with pytest.raises(ExpandError, match="holds more than 1 MiB"):
        expand(f"${{file:{tmp_path}/long}}", {})


@given(st.text(alphabet="${}a:-") | st.text())
def test_a_protected_text_comes_back(text: str) -> None:
    assert expand(protect(text), {}) == Expanded(text, secret=False)


@given(st.text(alphabet="${}a:-\0filecrdntv/") | st.text())
def test_any_text_expands_or_raises_expand_error(text: str) -> None:
    with suppress(ExpandError):
        expand(text, {"a": "b"})
