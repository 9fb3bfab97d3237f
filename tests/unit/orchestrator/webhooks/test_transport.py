"""A name is resolved once, and what was checked is what is asked."""

import datetime
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lumen.errors import InvalidInputException
from orchestrator.webhooks.addresses import AddressPolicy
from orchestrator.webhooks.transport import PinnedTransport, resolve
from tests.support.http_server import Handler

PUBLIC, OTHER = "93.184.216.34", "2606:4700::1111"
HOST = "hooks.example"


class Resolver:
    """Gives the next of its answers each time, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


class Recorder(httpx.AsyncBaseTransport):
    """Connects to nothing: it keeps what it is asked for, and refuses connections to ``down``."""

    def __init__(self, *down: str) -> None:
        self.requests: list[httpx.Request] = []
        self._down = down

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self._down:
            raise httpx.ConnectError("refused")
        return httpx.Response(204)


async def ask(resolver: Resolver, recorder: Recorder, policy: AddressPolicy | None = None) -> httpx.Response:
    transport = PinnedTransport(policy or AddressPolicy(), resolver, recorder)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        return await client.post(f"https://{HOST}/x")


async def test_rebinding() -> None:
    """A name that turns private after the check is still asked where it was when it was checked."""
    resolver, recorder = Resolver([PUBLIC], ["127.0.0.1"]), Recorder()
    await ask(resolver, recorder)
    assert resolver.asked == [(HOST, 443)]
    (request,) = recorder.requests
    assert request.url == f"https://{PUBLIC}/x"
    assert request.headers["host"] == HOST
    assert request.extensions["sni_hostname"] == HOST
    with pytest.raises(InvalidInputException, match=r"127\.0\.0\.1, which is not public"):
        await ask(resolver, recorder)
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    "private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%2", "::ffff:7f00:1"]
)
async def test_one_private_address_is_enough(private: str) -> None:
    """A name with a public and a private address is refused, and neither is asked."""
    recorder = Recorder()
    with pytest.raises(InvalidInputException, match="not public"):
        await ask(Resolver([PUBLIC, private]), recorder)
    assert recorder.requests == []


async def test_the_next_address() -> None:
    """An address that refuses the connection gives way to the next one of the same answer."""
    recorder = Recorder(OTHER)
    await ask(Resolver([OTHER, PUBLIC]), recorder)
    assert [request.url.host for request in recorder.requests] == [OTHER, PUBLIC]
    with pytest.raises(httpx.ConnectError):
        await ask(Resolver([OTHER]), recorder)


async def test_no_address() -> None:
    """A host without addresses, or unknown to the system's resolver, is an error of the network."""
    with pytest.raises(httpx.ConnectError, match="no address"):
        await ask(Resolver([]), Recorder())
    long = "a" * 64  # no resolver takes it
    async with httpx.AsyncClient(transport=PinnedTransport(AddressPolicy([long])), trust_env=False) as client:
        with pytest.raises(httpx.ConnectError, match="cannot be resolved"):
            await client.post(f"https://{long}/")


@pytest.mark.parametrize("number", ["2130706433", "0x7f.1", "127.1", "localhost"])
async def test_what_the_system_reads_as_loopback(number: str) -> None:
    """The system's resolver takes numbers of any notation; what it finds is checked too."""
    recorder = Recorder()
    transport = PinnedTransport(AddressPolicy(), resolve, recorder)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        with pytest.raises(InvalidInputException):
            await client.post(f"https://{number}/")
    assert [address for address in await resolve(number, 443) if address in ("127.0.0.1", "::1")]
    assert recorder.requests == []


async def test_the_certificate_is_the_names(tmp_path: Path) -> None:
    """TLS to the address is checked for the name; a certificate of another name is refused."""
    certificate = write_certificate(tmp_path, HOST)
    with serving_tls(certificate) as port:
        async with trusting(certificate, HOST) as client:
            assert (await client.get(f"https://{HOST}:{port}/")).text == f"{HOST}:{port}"
        async with trusting(certificate, "other.example") as client:
            with pytest.raises(httpx.ConnectError, match="mismatch"):
                await client.get(f"https://other.example:{port}/")


def trusting(certificate: Path, host: str) -> httpx.AsyncClient:
    """A client that trusts this certificate alone, and finds ``host``, which is allowed, on the loopback."""
    inner = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(certificate)))
    transport = PinnedTransport(AddressPolicy([host]), Resolver(["127.0.0.1"]), inner)
    return httpx.AsyncClient(transport=transport, trust_env=False)


class Echo(Handler):
    def answer(self) -> None:
        body = self.headers["host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that refuses the certificate is no failure of the server."""


@contextmanager
def serving_tls(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with QuietServer(("127.0.0.1", 0), Echo) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def write_certificate(folder: Path, host: str) -> Path:
    """A key and its own certificate for ``host``, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{host}.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
