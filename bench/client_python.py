"""bench/ideal_client.c on Python's websockets:

    python3 bench/client_python.py PORT CONNECTIONS SIZE DEPTH SECONDS
"""

import asyncio
import os
import sys
import time

import websockets

port, connections, size, depth = map(int, sys.argv[1:5])
seconds = float(sys.argv[5])
text = "x" * size
counted = 0


async def exchange(ws):
    global counted
    for _ in range(depth):
        await ws.send(text)
    async for message in ws:
        assert message == text, "another reply"
        counted += 1
        await ws.send(text)


async def main():
    url = f"ws://127.0.0.1:{port}"
    everyone = [await websockets.connect(url, compression=None) for _ in range(connections)]
    tasks = [asyncio.create_task(exchange(ws)) for ws in everyone]
    await asyncio.sleep(seconds / 5)
    begun, cpu, began = counted, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    units, cpu = counted - begun, time.process_time() - cpu
    print(units, time.monotonic() - began, cpu * 1e6 / units, flush=True)
    os._exit(0 if tasks else 1)


asyncio.run(main())
