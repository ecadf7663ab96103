"""Python's `websockets` as a peer of ours: a server, or a client.

    peer.py server            prints "port N", then "closed CODE REASON" for each
                              connection that ends
    peer.py client URL CASE   prints what the case saw, on one line

Both speak the protocol of spec/interop/README.md, as peer.mjs does.
"""
import asyncio
import http
import os
import ssl
import sys

import websockets
from websockets.frames import Close

LIMIT = 64 * 1024 * 1024
REFUSALS = {"/403": (403, b"not for you"), "/404": (404, b"nothing here")}


def say(*words):
    print(*words, flush=True)


def tls(side):
    """What the environment says of TLS: nothing, or a context."""
    cert, key, authority = (os.environ.get("TLS_" + name) for name in ("CERT", "KEY", "CA"))
    if not cert and not authority:
        return None
    context = ssl.SSLContext(side)
    if cert:
        context.load_cert_chain(cert, key)
    if authority:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
    if os.environ.get("TLS_VERSION") == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def say_tls(ws):
    session = ws.transport.get_extra_info("ssl_object")
    if session:
        say("tls", session.version(), "resumed" if session.session_reused else "fresh")


async def close_empty(ws):
    """A Close frame without a code, which close() cannot send."""
    await ws.write_close_frame(Close(1005, ""), b"")
    await ws.wait_closed()


# ---------------------------------------------------------------- as a server


async def do_fragment(ws, rest):
    await ws.send(rest.split("|"))


async def do_fragment_binary(ws, rest):
    await ws.send([piece.encode() for piece in rest.split("|")])


async def do_ping(ws, rest):
    await (await ws.ping(rest or "from the server"))
    await ws.send("pong received")


async def do_pong(ws, rest):
    await ws.pong(rest)
    await ws.send("pong sent")


async def do_close(ws, rest):
    code, _, reason = rest.partition(" ")
    if code:
        await ws.close(int(code), reason)
    else:
        await close_empty(ws)


COMMANDS = {
    "!fragment": do_fragment,
    "!fragment-binary": do_fragment_binary,
    "!ping": do_ping,
    "!pong": do_pong,
    "!close": do_close,
}


async def answer(ws, message):
    name, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
    command = COMMANDS.get(name)
    if command:
        await command(ws, rest)
    else:
        await ws.send(message)


async def handler(ws):
    say_tls(ws)
    try:
        async for message in ws:
            await answer(ws, message)
    except websockets.ConnectionClosed:
        pass
    await ws.wait_closed()
    say("closed", ws.close_code, ws.close_reason)


async def refuse(path, headers):
    if path in REFUSALS:
        status, body = REFUSALS[path]
        return http.HTTPStatus(status), [], body


async def server():
    listening = await websockets.serve(
        handler, "127.0.0.1", 0, max_size=LIMIT, process_request=refuse,
        subprotocols=["chat.v2", "chat.v1"], ping_interval=None,
        ssl=tls(ssl.PROTOCOL_TLS_SERVER))
    say("port", listening.sockets[0].getsockname()[1])
    await asyncio.Future()


# ---------------------------------------------------------------- as a client


async def echo(ws, message):
    await ws.send(message)
    back = await ws.recv()
    return "same" if back == message and type(back) is type(message) else "different"


async def case_text(ws, size):
    return await echo(ws, "a" * int(size))


async def case_binary(ws, size):
    every_byte = bytes(range(256))
    return await echo(ws, (every_byte * (int(size) // 256 + 1))[:int(size)])


async def case_fragments(ws):
    await ws.send(["Hel", "lo ", "w\u00f6", "rld"])
    return await ws.recv()


async def case_fragments_binary(ws):
    await ws.send([b"Hel", b"", b"lo"])
    return (await ws.recv()).decode()


async def case_command(ws, *words):
    await ws.send(" ".join(words))
    back = await ws.recv()
    return back if isinstance(back, str) else "binary " + back.decode()


async def case_ping(ws, payload=""):
    await (await ws.ping(payload))
    return "pong"


async def case_pong(ws):
    await ws.pong("unasked")
    return await echo(ws, "still here")


async def case_close(ws, code="", *reason):
    if code:
        await ws.close(int(code), " ".join(reason))
    else:
        await close_empty(ws)
    return f"{ws.close_code} {ws.close_reason}"


async def case_closed(ws, *words):
    await ws.send(" ".join(("!close",) + words))
    await ws.wait_closed()
    return f"{ws.close_code} {ws.close_reason}"


async def case_protocol(ws):
    return ws.subprotocol or "none"


async def case_vanish(ws):
    say("connected")
    await asyncio.Future()


async def client(url, case, *arguments):
    protocols = ["chat.v1", "chat.v2"] if case == "protocol" else None
    try:
        async with websockets.connect(
                url, max_size=LIMIT, subprotocols=protocols, ping_interval=None,
                ssl=tls(ssl.PROTOCOL_TLS_CLIENT)) as ws:
            say(await globals()["case_" + case](ws, *arguments))
    except websockets.InvalidStatusCode as refusal:
        say("refused", refusal.status_code)
    except (ssl.SSLError, ConnectionError, websockets.InvalidMessage):
        say("no connection")


if sys.argv[1] == "server":
    asyncio.run(server())
else:
    asyncio.run(client(*sys.argv[2:]))
