"""bench/server.lua for Python's websockets:

    python3 bench/server_python.py SCENARIO [MODE CERTIFICATE KEY]
"""

import asyncio
import contextlib
import gc
import ssl
import sys

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

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
        if message == "collect":
            gc.collect()
        await ws.send(message)


def patient(handler):
    """The load leaves without a word; that is no error here."""
    async def handle(ws, *_):
        with contextlib.suppress(websockets.ConnectionClosed):
            await handler(ws)
        clients.discard(ws)
    return handle


def options(mode, *files):
    if mode == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        return {"ssl": context}
    if mode is None:
        return {}
    return {"extensions": [ServerPerMessageDeflateFactory(
        server_no_context_takeover=mode == "deflate",
        client_no_context_takeover=mode == "deflate",
        server_max_window_bits=12, client_max_window_bits=12,
        compress_settings={"level": 1, "memLevel": 5})]}


async def main():
    handler = {"broadcast": broadcast, "idle": idle}.get(sys.argv[1], echo)
    server = await websockets.serve(
        patient(handler), "127.0.0.1", 0, compression=None, max_size=2 << 20, backlog=511,
        **options(*(sys.argv[2:] or [None])))
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(main())
