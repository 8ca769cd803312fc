"""Mail servers for tests: one that fails on purpose, certificates, and what a mail holds."""

import base64
import datetime as dt
import getpass
import ipaddress
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from pathlib import Path
from typing import ClassVar

from enrollment_assets.publishing.reports.texts import DaySummary, TermRow, Tile
from enrollment_assets_tests.conftest import day

# Where a server can fail: it hangs up, or says that it cannot now.
POINTS = ("connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body", "lost", "taken", "QUIT")

SUMMARY = DaySummary(
    institution="Test University",
    day=day("2024-09-10"),
    status="OK",
    status_text="every open term has a snapshot of the day",
    headline="Fall 2024: 1,204 students, +12 since 2024-09-09",
    sentences=(
        "Fall 2024 has 1,204 students.",
        "That is 2.1% ahead of Fall 2023 \N{EN DASH} more or less.",
    ),
    tiles=(Tile("Headcount", "1,204", "+25 vs. Fall 2023"), Tile("Net change", "+12", "")),
    anomalies=("Drops of Fall 2024: 60, expected 5 (0 to 12): payment due",),
    quality=("3 rows had no id.",),
    terms=(TermRow("Fall 2024", "1,204", "+12", "1,179", "+25"),),
)


class FlakyServer(socketserver.ThreadingTCPServer):
    """A mail server on loopback; `fails_at()` says for each session where it fails, if at all.

    `taken` holds (recipient, message) of every mail it took, answered or not.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Session)
        self.taken = []
        self.sessions = 0
        self.fails_at = lambda: (None, 0)
        self.refuses = {}

    @property
    def url(self):
        return f"smtp://user:password@127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.sessions += 1
        self.point, self.code = self.server.fails_at()
        with suppress(ConnectionError, _HangUpError):
            self.converse()

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def reached(self, point):
        """Fail here if this is where; True where the command was refused."""
        if point != self.point:
            return False
        if self.code == 0:
            raise _HangUpError
        self.say(f"{self.code} 4.3.0 not now")
        return True

    def converse(self):
        if self.reached("connect"):
            return
        self.say("220 test")
        recipients = []
        while line := self.rfile.readline().decode().strip():
            verb = line.split(":")[0].split()[0].upper()
            if self.reached(verb):
                continue
            if verb == "EHLO":
                self.say("250-test")
                self.say("250 AUTH PLAIN")
            elif verb == "AUTH":
                right = base64.b64encode(b"\0user\0password").decode()
                self.say("235 ok" if line.split()[-1] == right else "535 5.7.8 no")
            elif verb == "RCPT":
                who = line.partition("<")[2].partition(">")[0]
                code = self.server.refuses.get(who)
                if code:
                    self.say(f"{code} {str(code)[0]}.1.1 <{who}> is not here")
                else:
                    recipients.append(who)
                    self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                self.take(recipients)
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def take(self, recipients):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return
            lines.append(line[1:] if line.startswith(b".") else line)
            if len(lines) == 3 and self.point == "body":
                raise _HangUpError
        if self.reached("lost"):
            return
        content = b"".join(lines)
        self.server.taken += [(who, content) for who in recipients]
        if self.point == "taken":
            raise _HangUpError
        self.say("250 2.0.0 queued")


class _HangUpError(Exception):
    pass


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def tls_server(kind, folder, *, login=("user", "päss:w@rd%")):
    """aiosmtpd with TLS (`smtps` or `smtp+starttls`) and a login; gives its address and what it took."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Message
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

    class Keep(Message):
        taken: ClassVar[list] = []

        def prepare_message(self, session, envelope):
            return list(envelope.rcpt_tos), envelope.content

        def handle_message(self, message):
            self.taken.append(message)

    def authenticate(server, session, envelope, mechanism, data):
        expected = LoginPassword(login[0].encode(), login[1].encode())
        return AuthResult(success=data == expected, handled=False)

    key, certificate = make_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    class Served(Controller):
        def factory(self):
            return SMTP(
                self.handler,
                authenticator=authenticate,
                auth_required=True,
                auth_require_tls=kind == "smtp+starttls",
                require_starttls=kind == "smtp+starttls",
                tls_context=context if kind == "smtp+starttls" else None,
                enable_SMTPUTF8=False,
            )

    handler = Keep()
    controller = Served(
        handler,
        hostname="127.0.0.1",
        port=free_port(),
        ssl_context=context if kind == "smtps" else None,
    )
    controller.start()
    try:
        yield f"{kind}://user:${{SMTP_PASSWORD}}@localhost:{controller.port}", handler.taken
    finally:
        controller.stop()


EXIM = shutil.which("exim4", path=f"{os.environ['PATH']}:/usr/sbin")
_EXIM_CONFIGURATION = """
primary_hostname = mail.example.edu
exim_user = {user}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
deliver_drop_privilege = true
keep_environment =
tls_advertise_hosts = *
tls_certificate = {folder}/certificate.pem
tls_privatekey = {folder}/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny !authenticated = *
  accept domains = example.edu
         local_parts = lsearch;{folder}/people
  deny message = there is nobody of that name
begin routers
people:
  driver = accept
  domains = example.edu
  local_parts = lsearch;{folder}/people
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  maildir_format
  directory = {folder}/mail/$local_part_data
  create_directory
  user = {user}
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{user}}}}{{eq{{$auth3}}{{password}}}}}}}}
  server_set_id = $auth2
"""


@contextmanager
def exim(people):
    """Debian's Exim with files of its own: gives its port, and the folder of mailboxes.

    Its user cannot look into the folders of pytest, so that it has one beside them.
    """
    with tempfile.TemporaryDirectory(prefix="exim-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        make_certificate(folder)
        for part in ("spool", "log", "mail"):
            (folder / part).mkdir()
        (folder / "people").write_text("".join(f"{one}: {one}\n" for one in people))
        is_root = os.getuid() == 0
        user = "Debian-exim" if is_root else getpass.getuser()
        if is_root:
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, user)
        configuration = folder / "exim.conf"
        configuration.write_text(_EXIM_CONFIGURATION.format(folder=folder, user=user))
        port = free_port()
        process = subprocess.Popen(
            [EXIM, "-C", configuration, "-bdf", "-oX", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: is_open(port))
            yield port, folder
        finally:
            process.terminate()
            process.wait(10)


def is_open(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def read_mail(content):
    return message_from_bytes(content, policy=policy.default)


def make_certificate(folder: Path, host="localhost"):
    """A key and a certificate of its own for a host, as two files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "key.pem", folder / "certificate.pem"
    paths[0].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return paths
