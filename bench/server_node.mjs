// bench/server.lua for Node's ws:
//
//     node --expose-gc bench/server_node.mjs SCENARIO [MODE CERTIFICATE KEY]
//
// The longest step, in the scenario storm, is what its own monitor of the event loop
// tells: wall time.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const require = createRequire(new URL('../spec/', import.meta.url));
const { WebSocketServer, WebSocket } = require('ws');

const [scenario, mode, certificate, key] = process.argv.slice(2);

// What bench/server.lua has by default.
const deflate = {
  serverNoContextTakeover: mode === 'deflate',
  clientNoContextTakeover: mode === 'deflate',
  serverMaxWindowBits: 12,
  clientMaxWindowBits: 12,
  zlibDeflateOptions: { level: 1, memLevel: 5 },
  threshold: 100,
};
const listener = mode === 'tls'
  ? createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  : createServer();
const server = new WebSocketServer({
  server: listener,
  perMessageDeflate: mode === 'deflate' || mode === 'takeover' ? deflate : false,
});

const handlers = {
  echo: (ws, data, isBinary) => ws.send(data, { binary: isBinary }),
  connect: () => {},
  storm: () => {},
  broadcast: (ws, data, isBinary) => {
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: isBinary });
      }
    }
  },
  idle: (ws, data) => {
    if (String(data) === 'collect') {
      gc();
      gc();
    }
    ws.send(data.toString());
  },
};
const handler = handlers[scenario];

server.on('connection', (ws) => {
  ws.on('message', (data, isBinary) => handler(ws, data, isBinary));
});

// The monitor is a timer of 1 ms: it tells how much later than the last it comes.
if (scenario === 'storm') {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let printed = false;
  delay.enable();
  server.on('connection', (ws) => ws.on('close', () => {
    if (!printed) console.log(Math.max(0, Math.round(delay.max / 1e3) - 1000));
    printed = true;
  }));
}

listener.listen(0, '127.0.0.1', 511, () => console.log(listener.address().port));
