"""The enrolment server: HTTPS, two requests, one certificate each.

It holds the key of the authority and is a process of its own, so that nothing that serves pages can sign.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
import uvicorn
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from plekvrij.enrol.authority import GATEWAY_LIFE, Authority, RequestRefused, write_as_folder
from plekvrij.enrol.book import EnrolBook
from plekvrij.enrol.code import digest_of
from plekvrij.enrol.messages import MOST_BYTES, Join, Renew, Welcome
from workplace.errors import SettingInvalid

log = structlog.get_logger(__name__)

#: At once; a gateway needs one. More callers than this wait outside, so that nobody makes us sign without end.
_MOST_AT_ONCE = 16
_GRACE_S = 2
#: How often the server looks at its own certificate, s.
_LOOK_S = 60.0
#: The key of the server beside the authority: its fingerprint is part of every code.
SERVER_FILE = "server.pem"


class Enroller:
    """Answers requests; every call looks at the files, so that what a command changed holds at once."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Take the folder of `plekvrij broker-files`."""
        self._folder = folder
        self._authority = Authority(folder / "authority")
        self._address = self._authority.address()
        self._book = EnrolBook(folder / "authority" / "enrol.db")
        self._now = now

    def join(self, asked: Join) -> Welcome:
        """Return a certificate for the gateway of a code, and use the code up.

        Raises:
            RequestRefused: the code or the request is not good.
        """
        now = self._now()
        try:
            digest = digest_of(bytes.fromhex(asked.secret))
        except ValueError:
            raise RequestRefused("this code is not known here") from None
        gateway, floor = self._book.look_up(digest, now)
        issued = self._authority.sign_gateway(_request(asked.request), gateway, now, GATEWAY_LIFE)
        self._book.use(digest, issued, now)
        log.info("gateway_enrolled", gateway=gateway, serial=f"{issued.serial:x}")
        return self._welcome(gateway, floor, issued.pem)

    def renew(self, asked: Renew) -> Welcome:
        """Return the next certificate to whoever holds the key of one that is in force.

        Raises:
            RequestRefused: the certificate is not ours, has run out or was revoked, or the proof is wrong.
        """
        now = self._now()
        try:
            old = x509.load_pem_x509_certificate(asked.certificate.encode())
            proof = bytes.fromhex(asked.proof)
        except ValueError:
            raise RequestRefused("this is no certificate") from None
        key = old.public_key()
        if not self._authority.signed(old) or not isinstance(key, ec.EllipticCurvePublicKey):
            raise RequestRefused("this certificate is not of this site")
        if not self._book.is_in_force(old.serial_number):
            raise RequestRefused("this certificate was revoked")
        if old.not_valid_after_utc <= now:
            raise RequestRefused("this certificate has run out; join again with a new code")
        try:
            key.verify(proof, asked.request.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise RequestRefused("the proof is not of the key of this certificate") from None
        gateway = str(old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        issued = self._authority.sign_gateway(_request(asked.request), gateway, now, GATEWAY_LIFE)
        self._book.note(gateway, issued, now)
        log.info("certificate_renewed", gateway=gateway, serial=f"{issued.serial:x}")
        return self._welcome(gateway, "", issued.pem)

    def _welcome(self, gateway: str, floor: str, certificate: bytes) -> Welcome:
        address, authority = self._address, self._authority.pem.decode()
        return Welcome(
            site=address.site,
            gateway=gateway,
            floor=floor,
            certificate=certificate.decode(),
            authority=authority,
            broker=f"mqtts://{address.names[0]}:{address.gateway_port}",
            broker_authority=authority if self._signed_broker() else None,
        )

    def _signed_broker(self) -> bool:
        """Return whether the broker's certificate is ours; it is not read by this user where it is not."""
        try:
            return self._authority.signed_pem((self._folder / "server.crt").read_bytes())
        except OSError:
            return False


def _request(pem: str) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(pem.encode())
    except ValueError:
        raise RequestRefused("this is no request for a certificate") from None


def make_app(enroller: Enroller) -> Starlette:
    """Return the application: `POST /enrol/join`, `POST /enrol/renew`."""

    async def join(request: Request) -> Response:
        return await _answer(request, lambda body: enroller.join(msgspec.json.decode(body, type=Join)))

    async def renew(request: Request) -> Response:
        return await _answer(request, lambda body: enroller.renew(msgspec.json.decode(body, type=Renew)))

    return Starlette(
        routes=[Route("/enrol/join", join, methods=["POST"]), Route("/enrol/renew", renew, methods=["POST"])]
    )


async def _answer(request: Request, handle: Callable[[bytes], Welcome]) -> Response:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return PlainTextResponse("too much\n", status_code=413)
    try:
        welcome = await asyncio.to_thread(handle, body)
    except msgspec.MsgspecError as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    except RequestRefused as error:
        caller = request.client.host if request.client else ""
        log.warning("enrolment_refused", caller=caller, why=str(error))
        return PlainTextResponse(f"{error}\n", status_code=403)
    return Response(msgspec.json.encode(welcome), media_type="application/json")


def server_certificate(folder: Path, now: datetime, *, keep: bool) -> Path:
    """Return the file with certificate and key of the server, new when there is none that is good for long enough.

    The fingerprint of the one in use stands in codes, so only the server itself replaces it (`keep=False`).

    Raises:
        SettingInvalid: the site has no authority, or no name by which gateways reach it.
    """
    authority = Authority(folder / "authority")
    names, file = authority.address().names, folder / "authority" / SERVER_FILE
    if not names:
        raise SettingInvalid(
            "say by which name gateways reach this machine: plekvrij broker-files FOLDER --names broker.example"
        )
    if not file.exists() or not (keep or authority.is_fresh(file.read_bytes(), names, now)):
        certificate, key = authority.server_files(names, now)
        write_as_folder(file, certificate + key)
    return file


class _Server(uvicorn.Server):
    """uvicorn whose signals are handled by `plekvrij.lifecycle`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(folder: Path, host: str, ready: Callable[[], None], look_s: float = _LOOK_S) -> None:
    """Serve until cancelled; a certificate that is a year old, or for names of before, is replaced meanwhile.

    Raises:
        SettingInvalid: the port is taken, or the files are not there.
    """
    file = server_certificate(folder, datetime.now(UTC), keep=False)
    port = Authority(folder / "authority").address().enrol_port
    config = uvicorn.Config(
        make_app(Enroller(folder)),
        host=host,
        port=port,
        ssl_certfile=str(file),
        ssl_keyfile=str(file),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_GRACE_S,
    )
    config.load()
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(_port_or_error(server, host, port), name="enrol-https")
        try:
            while not server.started:
                await asyncio.sleep(0.02)
            ready()
            while True:
                await asyncio.sleep(look_s)
                file = server_certificate(folder, datetime.now(UTC), keep=False)
                if config.ssl is not None:  # the next handshake uses it
                    config.ssl.load_cert_chain(file, file)
        finally:
            server.should_exit = True
            await asyncio.shield(serving)


async def _port_or_error(server: _Server, host: str, port: int) -> None:
    try:
        await server.serve()
    except SystemExit:
        raise SettingInvalid(
            f"cannot listen on {host}:{port}; is the port taken? Give another to broker-files with --enrol-port"
        ) from None
