// A node that pushes: push-node.mjs ADDRESS CERTIFICATE KEY
//
// At port 8080 without TLS, at 8443 with it: GET /jmap/eventsource is events, one every 100 ms, each in two writes;
// /jmap/ws is a WebSocket that sends back what it gets; anything else is 200. A line on standard input sends "end" to all
// event streams. Prints "ready" when it listens.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { WebSocketServer } from 'ws'

const [address, cert, key] = process.argv.slice(2)
const streams = new Set()
const answer = (request, response) => {
  if (!request.url.startsWith('/jmap/eventsource')) return response.end('hello\n')
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.flushHeaders()
  streams.add(response)
  response.on('close', () => streams.delete(response))
}
let n = 0
setInterval(() => {
  for (const s of streams) s.write(`id: ${n}\ndata: `), s.write(`${n}\n\n`)
  n++
}, 100)
process.stdin.on('data', () => {
  for (const s of streams) s.end('event: end\ndata: now\n\n')
})
const plain = http.createServer(answer)
const secure = https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer)
for (const server of [plain, secure]) {
  const sockets = new WebSocketServer({ server, path: '/jmap/ws', handleProtocols: () => 'echo.e2e' })
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })))
}
plain.listen(8080, address, () => secure.listen(8443, address, () => console.log('ready')))
