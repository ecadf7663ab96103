"""bench/server.lua for Python's websockets:

    python3 bench/server_python.py SCENARIO
"""

import asyncio
import contextlib
import gc
import sys

import websockets

clients = set()


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def broadcast(ws):
    clients.add(ws)
    async for message in ws:
        websockets.broadcast(clients, message)


async def idle(ws):
    async for message in ws:
        gc.collect()
        await ws.send(message)


def patient(handler):
    """The load leaves without a word; that is no error here."""
    async def handle(ws, *_):
        with contextlib.suppress(websockets.ConnectionClosed):
            await handler(ws)
        clients.discard(ws)
    return handle


async def main():
    handler = {"broadcast": broadcast, "idle": idle}.get(sys.argv[1], echo)
    server = await websockets.serve(
        patient(handler), "127.0.0.1", 0, compression=None, max_size=2 << 20, backlog=511)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(main())
