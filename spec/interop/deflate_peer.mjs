// Node's `ws` with permessage-deflate, for deflate_spec.lua.
//
//   deflate_peer.mjs server TERMS ...             prints "port TERMS N" for each
//   deflate_peer.mjs client COUNT TERMS URL ...   prints "TERMS EXTENSIONS: same N"
//
// What README.md says of it holds for deflate_peer.py too.
import { once } from 'node:events'
import WebSocket, { WebSocketServer } from 'ws'

const FLIGHT = 50    // messages sent before the first answer is read
const say = (...words) => console.log(...words)

// "default": what it does by itself.
function readTerms (terms) {
  if (terms === 'default') return true
  const [, server, s, client, c] = /^(\d+)([tn]):(\d+)([tn])$/.exec(terms)
  return {
    serverNoContextTakeover: s === 'n',
    clientNoContextTakeover: c === 'n',
    serverMaxWindowBits: Number(server),
    clientMaxWindowBits: Number(client),
    threshold: 0
  }
}

// ---------------------------------------------------------------- as a server

async function server (...allTerms) {
  for (const terms of allTerms) {
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: readTerms(terms) })
    wss.on('connection', (ws) => {
      ws.on('message', (data, binary) => ws.send(data, { binary }))
      ws.on('error', (error) => say('error', error.message))
    })
    await once(wss, 'listening')
    say('port', terms, wss.address().port)
  }
}

// ---------------------------------------------------------------- as a client

// Park and Miller's: the same every time.
function generator (seed) {
  let state = seed
  return (n) => { state = state * 48271 % 2147483647; return state % n }
}

function message (kind, i, draw) {
  const size = i * i * 7 % 1500
  if (kind === 'zeros') return Buffer.alloc(size)
  if (kind === 'random') return Buffer.from({ length: size }, () => draw(256))
  const item = { id: draw(1000), name: `sö ${i % 9}` }
  return Buffer.from(JSON.stringify(Array(Math.floor(size / 30)).fill(item)))
}

// Resolves when as many messages as in the batch have come back.
function exchange (ws, batch, binary) {
  return new Promise((resolve, reject) => {
    let at = 0
    let same = 0
    const hear = (data, isBinary) => {
      if (isBinary === binary && Buffer.compare(data, batch[at]) === 0) same++
      if (++at === batch.length) { ws.off('message', hear); resolve(same) }
    }
    ws.on('message', hear)
    ws.once('close', (code) => reject(new Error(`closed: ${code}`)))
    for (const data of batch) ws.send(data, { binary })
  })
}

async function talk (ws, count) {
  const draw = generator(count)
  let same = 0
  for (const kind of ['json', 'random', 'zeros']) {
    for (let i = 0; i < count; i += FLIGHT) {
      const n = Math.min(FLIGHT, count - i)
      const batch = Array.from({ length: n }, (_, k) => message(kind, i + k, draw))
      same += await exchange(ws, batch, kind !== 'json')
    }
  }
  return same
}

async function client (count, ...pairs) {
  for (let i = 0; i < pairs.length; i += 2) {
    const ws = new WebSocket(pairs[i + 1], { perMessageDeflate: readTerms(pairs[i]) })
    ws.setMaxListeners(0)
    let agreed = 'none'
    ws.on('upgrade', (response) => { agreed = response.headers['sec-websocket-extensions'] ?? agreed })
    await once(ws, 'open')
    say(pairs[i], `${agreed}:`, 'same', await talk(ws, Number(count)))
    ws.close()
    await once(ws, 'close')
  }
}

const [role, ...rest] = process.argv.slice(2)
await (role === 'server' ? server : client)(...rest)
