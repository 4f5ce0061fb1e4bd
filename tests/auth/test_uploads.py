"""Forms with files: read within bounds, and a file's name cannot be more than a name."""

from collections.abc import Sequence

import pytest
from starlette.requests import Request

from smart_auth.errors import OAuthError
from smart_auth.uploads import Upload, read_multipart

Read = tuple[tuple[tuple[str, str], ...], tuple[Upload, ...]]

BOUNDARY = "boundary-0123456789"


def part(disposition: str, body: bytes, *headers: str) -> bytes:
    lines = [f"--{BOUNDARY}", f"Content-Disposition: {disposition}", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8") + body + b"\r\n"


def text(name: str, value: str) -> bytes:
    return part(f'form-data; name="{name}"', value.encode())


def file(file_name: str, body: bytes = b"%PDF-1.7", media_type: str = "application/pdf") -> bytes:
    return part(f'form-data; name="proof"; filename="{file_name}"', body, f"Content-Type: {media_type}")


END = f"--{BOUNDARY}--\r\n".encode()


async def sent(
    *parts: bytes, end: bytes = END, max_bytes: int = 1000, max_fields: int = 10, boundary: str = BOUNDARY
) -> tuple[Read, int]:
    """What was read, and how many bytes were taken from the connection."""
    whole, taken = b"".join(parts) + end, 0
    chunks = [whole[start : start + 997] for start in range(0, len(whole), 997)] or [b""]

    async def receive() -> dict[str, object]:
        nonlocal taken
        if not chunks:
            return {"type": "http.disconnect"}
        chunk = chunks.pop(0)
        taken += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    header = f"multipart/form-data; boundary={boundary}" if boundary else "multipart/form-data"
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", header.encode())]}
    try:
        return await read_multipart(Request(scope, receive), max_bytes, max_fields), taken
    except OAuthError as error:
        error.taken = taken  # type: ignore[attr-defined]
        raise


async def refused(*parts: bytes, **options: object) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await sent(*parts, **options)  # type: ignore[arg-type]
    return caught.value


async def test_fields_and_files_come_apart_in_order() -> None:
    (fields, files), _ = await sent(text("csrf", "x"), file("dd-214.pdf"), text("name", "Zoë\nO’Neil"))
    assert fields == (("csrf", "x"), ("name", "Zoë\nO’Neil"))
    assert files == (Upload("proof", "dd-214.pdf", "application/pdf", b"%PDF-1.7"),)


async def test_a_file_that_was_not_chosen_is_none() -> None:
    (_, files), _ = await sent(file("", b"", "application/octet-stream"))
    assert files == ()


@pytest.mark.parametrize(
    ("sent_as", "kept_as"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\folder\\\\card.png", "card.png"),
        ("/", "file"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("a\tb\x7fc\u202egnp.exe", "abcgnp.exe"),
        ("Führerschein é.jpg", "Führerschein é.jpg"),
        ("x" * 1000 + ".pdf", "x" * 150),
    ],
)
async def test_the_name_of_a_file_has_neither_folders_nor_control_characters(sent_as: str, kept_as: str) -> None:
    (_, files), _ = await sent(file(sent_as))
    assert [each.name for each in files] == [kept_as]


@pytest.mark.parametrize("said", ["", "nonsense", "text/html; x=<script>", "a/b/c", "text/ht\x01ml"])
async def test_a_media_type_that_is_none_is_not_repeated(said: str) -> None:
    (_, files), _ = await sent(file("a.bin", b"x", said))
    assert files[0].media_type in ("application/octet-stream", "text/html")


async def test_a_file_may_be_as_long_as_it_may_be_and_no_longer() -> None:
    (_, files), _ = await sent(file("a", b"x" * 1000))
    assert len(files[0].content) == 1000
    assert (await refused(file("a", b"x" * 1001))).status == 413
    assert (await refused(file("a", b"x" * 600), file("b", b"x" * 600))).status == 413


async def test_nothing_more_is_read_of_what_is_too_long() -> None:
    error = await refused(file("a", b"x" * 1_000_000))
    assert error.status == 413
    assert error.taken < 80_000  # type: ignore[attr-defined]


async def test_a_field_that_is_no_file_has_a_bound_of_its_own() -> None:
    assert (await refused(text("a", "x" * 70_000), max_bytes=1_000_000)).status == 413


async def test_there_may_not_be_too_many_fields() -> None:
    assert (await refused(*(text("a", "x") for _ in range(11)))).status == 400


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((text("a", "x\x00y"),), id="control character"),
        pytest.param((part('form-data; name="a"', b"\xff\xfe"),), id="not UTF-8"),
        pytest.param((part("form-data", b"x"),), id="without a name"),
        pytest.param((part('attachment; name="a"', b"x"),), id="no form-data"),
        pytest.param((part('form-data; name="a"', b"x", 'Content-Disposition: form-data; name="b"'),), id="twice"),
        pytest.param((part(f'form-data; name="{"a" * 201}"', b"x"),), id="long name"),
        pytest.param((part('form-data; name="a"', b"x", f"X: {'y' * 100_000}"),), id="endless header"),
    ],
)
async def test_what_is_no_such_form_is_refused(parts: Sequence[bytes]) -> None:
    assert (await refused(*parts)).status in (400, 413)


async def test_what_was_cut_off_is_refused() -> None:
    assert (await refused(text("a", "x"), end=b"")).status == 400
    assert (await refused(end=b"")).status == 400
    assert (await refused(text("a", "x"), boundary="")).status == 400
    assert (await refused(text("a", "x"), boundary="b" * 300)).status == 400
