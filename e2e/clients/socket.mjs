// A WebSocket: socket.mjs URL
//
// Sends a text and 200 KB of bytes in turn, one every 50 ms, and waits for their echo; prints the number of each. A line on standard input
// ends it politely. Any other end is an error.
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'

const socket = new WebSocket(process.argv[2], 'echo.e2e', { perMessageDeflate: false })
let n = 0, sent, ending = false
const next = () => {
  if (ending) return socket.close(1000, 'done')
  sent = n % 2 ? randomBytes(200_000) : Buffer.from('text ' + n)
  socket.send(sent, { binary: n % 2 === 1 })
}
socket.on('open', () => { console.log('open', socket.protocol); next() })
socket.on('message', (data) => {
  if (!data.equals(sent)) throw new Error('the echo of ' + n + ' differs')
  console.log('echo', n++)
  setTimeout(next, 50)
})
socket.on('close', (code, why) => {
  console.log('close', code, String(why))
  process.exit(code === 1000 && ending ? 0 : 1)
})
socket.on('error', (e) => console.log('error', e.message))
process.stdin.once('data', () => { ending = true })
