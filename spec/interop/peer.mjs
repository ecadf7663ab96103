// Node's `ws` as a peer of ours: a server, or a client.
//
//     peer.mjs server            prints "port N", then "closed CODE REASON" for
//                                each connection that ends
//     peer.mjs client URL CASE   prints what the case saw, on one line
//
// Both speak the protocol of spec/interop/README.md, as peer.py does.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { once } from 'node:events'
import { WebSocket, WebSocketServer } from 'ws'

const LIMIT = 64 * 1024 * 1024
const REFUSALS = { '/403': [403, 'not for you'], '/404': [404, 'nothing here'] }
const say = (...words) => console.log(...words)

// What the environment says of TLS, as options of node:tls.
const file = (name) => process.env[name] && readFileSync(process.env[name])
const tls = {
  cert: file('TLS_CERT'),
  key: file('TLS_KEY'),
  ca: file('TLS_CA'),
  requestCert: Boolean(process.env.TLS_CA),
  maxVersion: process.env.TLS_VERSION === '1.2' ? 'TLSv1.2' : 'TLSv1.3'
}

const sendFragments = (ws, pieces, binary) => pieces.forEach((piece, i) =>
  ws.send(piece, { fin: i === pieces.length - 1, binary }))

// ---------------------------------------------------------------- as a server

const commands = {
  '!fragment': (ws, rest) => sendFragments(ws, rest.split('|'), false),
  '!fragment-binary': (ws, rest) => sendFragments(ws, rest.split('|'), true),
  '!ping': async (ws, rest) => {
    const pong = once(ws, 'pong')
    ws.ping(rest || 'from the server')
    const [payload] = await pong
    ws.send(`${payload}` === (rest || 'from the server') ? 'pong received' : 'wrong pong')
  },
  '!pong': (ws, rest) => { ws.pong(rest); ws.send('pong sent') },
  '!close': (ws, rest) => {
    const [code, ...reason] = rest.split(' ')
    if (code) ws.close(Number(code), reason.join(' '))
    else ws.close()
  }
}

function answer (ws, data, binary) {
  const [name, ...rest] = binary ? [''] : `${data.subarray(0, 4096)}`.split(' ')
  const command = commands[name]
  if (command) command(ws, rest.join(' '))
  else ws.send(data, { binary })
}

function sayTls ({ socket }) {
  if (socket.getProtocol) {
    say('tls', socket.getProtocol(), socket.isSessionReused() ? 'resumed' : 'fresh')
  }
}

function serve () {
  const plain = (request, response) => response.writeHead(426).end()
  const http = tls.cert ? createSecureServer(tls, plain) : createServer(plain)
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: LIMIT,
    handleProtocols: (offered) => ['chat.v2', 'chat.v1'].find((p) => offered.has(p)) ?? false
  })
  wss.on('connection', (ws, request) => {
    sayTls(request)
    ws.on('message', (data, binary) => answer(ws, data, binary))
    ws.on('error', (error) => say('error', error.message))
    ws.on('close', (code, reason) => say('closed', code, `${reason}`))
  })
  http.on('upgrade', (request, socket, head) => {
    const refusal = REFUSALS[request.url]
    if (!refusal) return wss.handleUpgrade(request, socket, head, (ws) => wss.emit('connection', ws, request))
    const [status, body] = refusal
    socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
  })
  http.listen(0, '127.0.0.1', () => say('port', http.address().port))
}

// ---------------------------------------------------------------- as a client

async function receive (ws) {
  const [data, binary] = await once(ws, 'message')
  return { data, binary }
}

async function echo (ws, message) {
  const binary = Buffer.isBuffer(message)
  ws.send(message)
  const back = await receive(ws)
  const same = back.binary === binary && Buffer.compare(back.data, Buffer.from(message)) === 0
  return same ? 'same' : 'different'
}

async function end (ws) {
  const [code, reason] = await once(ws, 'close')
  return `${code} ${reason}`
}

const cases = {
  text: (ws, size) => echo(ws, 'a'.repeat(Number(size))),
  binary: (ws, size) => echo(ws, Buffer.alloc(Number(size), Buffer.from([...Array(256).keys()]))),
  fragments: async (ws) => {
    sendFragments(ws, ['Hel', 'lo ', 'wö', 'rld'], false)
    return `${(await receive(ws)).data}`
  },
  fragments_binary: async (ws) => {
    sendFragments(ws, ['Hel', '', 'lo'].map((piece) => Buffer.from(piece)), true)
    return `${(await receive(ws)).data}`
  },
  command: async (ws, ...words) => {
    ws.send(words.join(' '))
    const { data, binary } = await receive(ws)
    return (binary ? 'binary ' : '') + data
  },
  ping: async (ws, payload = '') => {
    const pong = once(ws, 'pong')
    ws.ping(payload)
    return `${(await pong)[0]}` === payload ? 'pong' : 'wrong pong'
  },
  pong: (ws) => { ws.pong('unasked'); return echo(ws, 'still here') },
  close: (ws, code, ...reason) => {
    if (code) ws.close(Number(code), reason.join(' '))
    else ws.close()
    return end(ws)
  },
  closed: (ws, ...words) => { ws.send(['!close', ...words].join(' ')); return end(ws) },
  protocol: (ws) => ws.protocol || 'none',
  vanish: async (ws) => { say('connected'); return end(ws) }
}

async function client (url, name, ...rest) {
  const ws = new WebSocket(url, name === 'protocol' ? ['chat.v1', 'chat.v2'] : [],
    { ...tls, maxPayload: LIMIT, perMessageDeflate: false })
  ws.on('error', () => {
    say('no connection')
    process.exit()
  })
  ws.on('unexpected-response', (request, response) => {
    say('refused', response.statusCode)
    process.exit()
  })
  await once(ws, 'open')
  say(await cases[name](ws, ...rest))
  if (ws.readyState !== WebSocket.CLOSED) {
    ws.close(1000)
    await once(ws, 'close')
  }
}

if (process.argv[2] === 'server') serve()
else await client(...process.argv.slice(3))
