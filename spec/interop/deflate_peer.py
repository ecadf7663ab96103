"""Python's `websockets` with permessage-deflate, for deflate_spec.lua.

    deflate_peer.py server TERMS ...             prints "port TERMS N" for each
    deflate_peer.py client COUNT TERMS URL ...   prints "TERMS EXTENSIONS: same N"

What README.md says of it holds for deflate_peer.mjs too.
"""
import asyncio
import json
import random
import re
import sys

import websockets
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory)

FLIGHT = 50    # messages sent before the first answer is read


def say(*words):
    print(*words, flush=True)


def read_terms(terms, factory):
    """What serve and connect are told; "default": what they do by themselves."""
    if terms == "default":
        return {}
    server, s, client, c = re.fullmatch(r"(\d+)([tn]):(\d+)([tn])", terms).groups()
    extension = factory(
        server_no_context_takeover=s == "n", client_no_context_takeover=c == "n",
        server_max_window_bits=int(server), client_max_window_bits=int(client))
    return dict(compression=None, extensions=[extension])


# ---------------------------------------------------------------- as a server


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def server(*all_terms):
    for terms in all_terms:
        listening = await websockets.serve(
            echo, "127.0.0.1", 0, ping_interval=None,
            **read_terms(terms, ServerPerMessageDeflateFactory))
        say("port", terms, listening.sockets[0].getsockname()[1])
    await asyncio.Future()


# ---------------------------------------------------------------- as a client


def messages(kind, count):
    draw = random.Random(count)
    for i in range(count):
        size = i * i * 7 % 1500
        if kind == "json":
            yield json.dumps([{"id": draw.randrange(1000), "name": "s\u00f6 %d" % (i % 9)}] * (size // 30))
        else:
            yield draw.randbytes(size) if kind == "random" else bytes(size)


async def exchange(ws, batch):
    for message in batch:
        await ws.send(message)
    same = 0
    for message in batch:
        same += await ws.recv() == message
    return same


async def talk(ws, count):
    same = 0
    for kind in "json", "random", "zeros":
        all_of_it = list(messages(kind, count))
        for at in range(0, count, FLIGHT):
            same += await exchange(ws, all_of_it[at:at + FLIGHT])
    return same


async def client(count, *pairs):
    for terms, url in zip(pairs[::2], pairs[1::2]):
        how = read_terms(terms, ClientPerMessageDeflateFactory)
        async with websockets.connect(url, ping_interval=None, **how) as ws:
            agreed = ws.response_headers.get("Sec-WebSocket-Extensions", "none")
            say(terms, agreed + ":", "same", await talk(ws, int(count)))


asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
