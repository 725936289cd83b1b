"""A proxy that stands before an engine and breaks what passes, as it is told.

Faults: `none`; `latency` (each piece of an answer comes later); `late` (by ten seconds); `slice` (a few bytes at a time); `stall` (nothing passes,
connections stay); `half_open` (what is asked arrives, no answer comes); `cut` (a connection ends in the middle of an answer); `reset`
(connections are reset, new ones too); `refuse` (nobody listens)."""

import asyncio
import contextlib
import socket
import struct
import threading

FAULTS = "latency late slice stall half_open cut reset refuse".split()
LATE = 10.0


class Proxy:
    def __init__(self, port, listen=0):
        self.server_port = port
        self.fault, self.latency = "none", 0.05
        self.pairs, self.listener = set(), None
        self.loop = asyncio.new_event_loop()
        self.over = asyncio.Event()  # the fault of now
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.port = listen
        self._on_loop(self._listen())

    def set(self, fault):
        """From now on, for connections that are there too."""
        self._on_loop(self._set(fault))

    def close(self):
        self._on_loop(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _on_loop(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _listen(self):
        self.listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def _set(self, fault):
        assert fault in ("none", *FAULTS), fault
        was, self.fault = self.fault, fault
        if fault == "refuse":
            self.listener.close()
        elif was == "refuse":
            await self._listen()
        if fault in ("reset", "refuse"):
            self._reset()
        self.over.set()
        self.over = asyncio.Event()

    async def _end(self):
        self.listener.close()
        self._reset()

    def _reset(self):
        for writer in list(self.pairs):
            self._cut(writer)

    @staticmethod
    def _cut(writer):
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _serve(self, reader, writer):
        self.pairs.add(writer)
        there = None
        try:
            if self.fault == "reset":
                return
            from_server, there = await asyncio.open_connection("127.0.0.1", self.server_port)
            self.pairs.add(there)
            pumps = [asyncio.ensure_future(self._pump(reader, there, False)), asyncio.ensure_future(self._pump(from_server, writer, True))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        except OSError:
            pass  # nobody listens there
        finally:
            for one in filter(None, (writer, there)):
                self.pairs.discard(one)
                self._cut(one)

    async def _pump(self, reader, writer, answer):
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65536):
                if not await self._pass(data, writer, answer):
                    return

    async def _pass(self, data, writer, answer):
        fault = self.fault
        if fault == "stall" or (fault == "half_open" and answer):
            await self.over.wait()
        elif fault == "latency" and answer:
            await asyncio.sleep(self.latency)
        elif fault == "late" and answer:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.over.wait(), LATE)
        elif fault == "slice":
            for at in range(0, len(data), 97):
                writer.write(data[at:at + 97])
                await writer.drain()
                await asyncio.sleep(0)
            return True
        elif fault == "cut" and answer:
            writer.write(data[:max(1, len(data) // 2)])
            await writer.drain()
            return False
        writer.write(data)
        await writer.drain()
        return True
