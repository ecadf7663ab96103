// bench/ideal_client.c on Node's ws:
//
//     node bench/client_node.mjs PORT CONNECTIONS SIZE DEPTH SECONDS

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(new URL('../spec/', import.meta.url));
const { WebSocket } = require('ws');

const [port, connections, size, depth, seconds] = process.argv.slice(2).map(Number);
const text = 'x'.repeat(size);
let counted = 0;

function opened() {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    ws.on('open', () => resolve(ws));
    ws.on('error', reject);
  });
}

function exchange(ws) {
  ws.on('message', (data) => {
    if (data.toString() !== text) throw new Error('another reply');
    counted++;
    ws.send(text);
  });
  for (let i = 0; i < depth; i++) ws.send(text);
}

const all = [];
for (let i = 0; i < connections; i++) all.push(await opened());
all.forEach(exchange);
await sleep(seconds * 200);
const begun = counted, cpu = process.cpuUsage(), began = performance.now();
await sleep(seconds * 1000);
const units = counted - begun, used = process.cpuUsage(cpu);
console.log(units, (performance.now() - began) / 1000,
  (used.user + used.system) / units);
process.exit(0);
