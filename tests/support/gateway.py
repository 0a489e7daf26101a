"""What stands before a tracking server in a company: TLS, certificates, logins."""

import datetime
import http.client
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """Signs certificates; its own is in `path`."""

    def __init__(self, directory, name):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self.sign(self.name, self.key.public_key(), ca=True)
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, subject, key, ca=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def identity(self, name):
        """A certificate and its key in one file, as MLflow wants them."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        path = self.directory / f"{name}-identity.pem"
        path.write_bytes(
            self.sign(subject, key.public_key()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path


class Gateway:
    """Passes on what has the headers it wants, and answers 401 to the rest."""

    def __init__(self, upstream, identity, *, wants=None, clients=None):
        gateway = self
        self.upstream, self.wants = upstream.removeprefix("http://"), wants or {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, data = gateway.passed_on(self, body)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.path)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, address):
                # In the connection's own thread: a bad handshake is its own affair.
                try:
                    with context.wrap_socket(request, server_side=True) as secure:
                        super().finish_request(secure, address)
                except OSError:
                    pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://localhost:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def passed_on(self, handler, body):
        for name, value in self.wants.items():
            if handler.headers.get(name) != value:
                return 401, [("Content-Type", "text/html")], b"<html>not you"
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        headers = dict(handler.headers)
        for name in ("Host", "Authorization"):
            headers.pop(name, None)
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
