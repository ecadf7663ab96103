// bench/server.lua for Node's ws:
//
//     node --expose-gc bench/server_node.mjs SCENARIO

import { createRequire } from 'node:module';

const require = createRequire(new URL('../spec/', import.meta.url));
const { WebSocketServer, WebSocket } = require('ws');

const server = new WebSocketServer({
  host: '127.0.0.1', port: 0, perMessageDeflate: false,
});

const handlers = {
  echo: (ws, data, isBinary) => ws.send(data, { binary: isBinary }),
  connect: () => {},
  broadcast: (ws, data, isBinary) => {
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: isBinary });
      }
    }
  },
  idle: (ws, data) => {
    gc();
    gc();
    ws.send(data.toString());
  },
};
const handler = handlers[process.argv[2]];

server.on('connection', (ws) => {
  ws.on('message', (data, isBinary) => handler(ws, data, isBinary));
});
server.on('listening', () => console.log(server.address().port));
