"""Forms that end before their closing boundary, and those whose end looks unusual and is whole."""

from collections.abc import Iterator

import pytest

from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import image_bytes

HEADERS = {"content-type": "multipart/form-data; boundary=BB"}
PATHS = ("/api/generate/full", "/api/avatars", "/v1/videos")

TEXT = b'--BB\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
FILE = (
    b'--BB\r\nContent-Disposition: form-data; name="portrait_file"; filename="p.png"\r\n'
    b"Content-Type: image/png\r\n\r\n%b\r\n"
)
END = b"--BB--\r\n"


@pytest.fixture(scope="module")
def api(serve_with: Serve) -> Api:
    """No Triton is behind it: a form that is taken is 503, or 202 where its job is only noted."""
    return serve_with()


def form(path: str, *, file_last: bool) -> bytes:
    text = TEXT % ((b"name", b"Ada Lovelace") if path == PATHS[1] else (b"prompt", b"Hello, how are you?"))
    file = FILE % image_bytes(side=64)
    return (text + file if file_last else file + text) + END


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("file_last", [True, False], ids=["file last", "text last"])
@pytest.mark.parametrize("missing", [3, 4, 8, 10, 20, 0.5])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_form_that_is_cut_off(api: Api, path: str, file_last: bool, missing: float, chunked: bool) -> None:
    """Its last part was dropped, and the rest answered as if it were all."""
    whole = form(path, file_last=file_last)
    cut = whole[: -missing if isinstance(missing, int) else len(whole) // 2]

    def pieces() -> Iterator[bytes]:
        yield cut

    response = api.client.post(path, content=pieces() if chunked else cut, headers=HEADERS)
    assert response.status_code == 400
    assert "The form is cut off" in response.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("end", [b"--BB--", END, END + b"epilogue\r\n--BB", b"--BB--  \r\n"])
def test_a_form_that_is_whole(api: Api, path: str, end: bytes) -> None:
    """A form is whole whatever comes behind its closing boundary, or nothing (RFC 2046, 5.1.1)."""
    content = b"\r\n" + form(path, file_last=True).removesuffix(END) + end
    assert api.client.post(path, content=content, headers=HEADERS).status_code in (202, 503)


def test_a_form_that_is_only_begun(api: Api) -> None:
    """An empty body is no form without fields."""
    response = api.client.post(PATHS[0], content=b"", headers=HEADERS)
    assert_error(response, 400, "InvalidInputException", "closing boundary")
