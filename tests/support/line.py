"""A line that cuts, delays and corrupts at random places, by a seed."""

import random
import socket
import threading
import time

BLOCK = 64 << 10
# A block this long is content: what comes before content is shorter.
CONTENT = 16 << 10


class Line:
    """Leads to `url`. Of every connection, one in three is cut, delayed or has a
    byte of its content changed."""

    def __init__(self, url, seed):
        host, port = url.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.chance = random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.done = []
        self.ended = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            what = self.chance.choice(["cut", "delay", "corrupt"] + [None] * 6)
            forth = self.chance.random() < 0.7
            at = int(2 ** self.chance.uniform(8, 24)) if forth else self.chance.randrange(400)
            for source, sink, fault in (
                (client, server, what if forth else None),
                (server, client, what if not forth and what != "corrupt" else None),
            ):
                threading.Thread(target=self.pump, args=[source, sink, fault, at], daemon=True).start()

    def pump(self, source, sink, fault, at):
        passed = 0
        try:
            while data := source.recv(BLOCK):
                if fault and not self.ended and passed + len(data) > at:
                    if fault == "corrupt" and len(data) >= CONTENT:
                        middle = len(data) // 2
                        data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
                        self.done.append(fault)
                        fault = None
                    elif fault == "delay":
                        time.sleep(0.05)
                        self.done.append(fault)
                        fault = None
                    elif fault == "cut":
                        sink.sendall(data[: at - passed])
                        self.done.append(fault)
                        break
                sink.sendall(data)
                passed += len(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def end(self):
        self.listener.close()
