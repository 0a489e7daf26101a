"""A link to a service that is slow, and breaks where chance will have it.

It works on the bytes of connections, so that what breaks is what breaks in a
network: in the middle of a request's body, of an answer, of a header.
"""

import asyncio
import contextlib
import random
import struct
import threading
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET

PIECE = 64 << 10
# A flipped bit is to hit content, which has checksums; with TLS, headers have too.
CONTENT = 4096


@dataclass
class Fault:
    """What happens to one direction of one connection once so many bytes went by."""

    kind: str  # cut (reset), close (end of stream), stall, flip (one bit)
    to_service: bool
    after: int


def chance(seed, kinds, often=0.5, span=4 << 20):
    """For each connection a fault or none. Small places are as likely as large
    ones: most of what goes over a connection is short."""
    generator = random.Random(seed)

    def draw():
        if generator.random() > often:
            return None
        after = int(2 ** generator.uniform(0, span.bit_length()))
        return Fault(generator.choice(kinds), generator.random() < 0.5, after)

    return draw


class Link:
    def __init__(self, url, *, delay=0.0, rate=None, draw=lambda: None, stall=0.3):
        host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
        self.host, self.port, self.draw = host, int(port), draw
        self.delay, self.stall = delay, stall
        self.rate = rate  # bytes a second to each client
        self.carried = [0, 0]  # bytes to the client, to the service
        self.faults = []  # those that happened
        self.loop, self.started = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.over.set_result, None)
        self.thread.join()

    def run(self):
        self.loop.run_until_complete(self.serve())
        self.loop.close()

    async def serve(self):
        self.over = self.loop.create_future()
        server = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.started.set()
        await self.over
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def connection(self, reader, writer):
        fault = self.draw()
        try:
            service = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        ends = [writer, service[1]]
        try:
            await asyncio.gather(
                self.pump(reader, service[1], True, fault, ends),
                self.pump(service[0], writer, False, fault, ends),
            )
        except (OSError, asyncio.CancelledError):
            for end in ends:
                end.transport.abort()
        finally:
            # What was on its way arrives.
            for end in ends:
                end.close()

    async def pump(self, reader, writer, to_service, fault, ends):
        """Passes on; the delay is that of the link, not of its width."""
        fault = fault if fault and fault.to_service == to_service else None
        queue = asyncio.Queue(maxsize=64)

        async def release():
            while True:
                due, piece = await queue.get()
                await asyncio.sleep(due - self.loop.time())
                if not piece:
                    break
                self.carried[to_service] += len(piece)
                writer.write(piece)
                await writer.drain()
                if self.rate and not to_service:
                    await asyncio.sleep(len(piece) / self.rate)
            with contextlib.suppress(OSError):
                writer.write_eof()

        releasing = asyncio.create_task(release())
        delay, seen = (0.0 if to_service else self.delay), 0
        try:
            while piece := await self.read(reader):
                if fault and seen + len(piece) > fault.after:
                    piece = await self.happen(fault, piece, fault.after - seen, ends)
                    fault = fault if fault.kind == "flip" and fault not in self.faults else None
                seen += len(piece)
                await queue.put((self.loop.time() + delay, piece))
            await queue.put((self.loop.time() + delay, b""))
            await releasing
        finally:
            releasing.cancel()

    @staticmethod
    async def read(reader):
        """A process that is killed ends what it sent; nobody takes it back."""
        try:
            return await reader.read(PIECE)
        except ConnectionResetError:
            return b""

    async def happen(self, fault, piece, at, ends):
        """What is left of the piece."""
        at = max(0, at)
        if fault.kind == "flip":
            if len(piece) < CONTENT:
                return piece
            at = max(CONTENT // 2, min(at, len(piece) - 1))
            piece = piece[:at] + bytes([piece[at] ^ 0x10]) + piece[at + 1 :]
        self.faults.append(fault)
        if fault.kind == "stall":
            await asyncio.sleep(self.stall)
        if fault.kind in ("cut", "close"):
            await asyncio.sleep(self.delay)
            for end in ends:
                if fault.kind == "cut":
                    # Without this, who has read all that came ends the stream in order.
                    socket = end.get_extra_info("socket")
                    socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                    end.transport.abort()
                else:
                    end.close()
            raise ConnectionResetError
        return piece
