// A JMAP client's session: jmap.mjs BASE USER
//
// Reads the session object, the mailboxes and the identities, uploads and downloads a blob, makes a mailbox and destroys it.
// Prints what it found as JSON, without what differs between two runs. Certificates: NODE_EXTRA_CA_CERTS.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import JamClient from 'jmap-jam'

const [base, user] = process.argv.slice(2)
const basic = 'Basic ' + Buffer.from(user + ':secret').toString('base64')

// It knows only bearer tokens; Cyrus has passwords.
const plain = globalThis.fetch
globalThis.fetch = (to, init = {}) => plain(to, { ...init, headers: { ...init.headers, Authorization: basic } })

const jam = new JamClient({ sessionUrl: base + '/jmap/', bearerToken: 'none' })
const session = await jam.session
// Cyrus's addresses are relative, which RFC 3986 allows; this client wants them whole.
for (const key of ['apiUrl', 'uploadUrl', 'downloadUrl']) session[key] = base + session[key]

const accountId = await jam.getPrimaryAccount()
const [mailboxes] = await jam.api.Mailbox.get({ accountId, ids: null })
const names = mailboxes.list.map((m) => m.name).sort()

const blob = randomBytes(512 << 10) // Cyrus compresses on the way back, slowly
const up = await jam.uploadBlob(accountId, blob)
assert.equal(up.size, blob.length)
const down = await jam.downloadBlob({ accountId, blobId: up.blobId, mimeType: 'application/octet-stream', fileName: 'a b.bin' })
assert.ok(blob.equals(Buffer.from(await down.arrayBuffer())), 'the blob came back changed')

const name = 'made' + process.pid
const [made] = await jam.api.Mailbox.set({ accountId, create: { k: { name, parentId: null } } })
assert.ok(made.created?.k?.id, JSON.stringify(made))
const [gone] = await jam.api.Mailbox.set({ accountId, destroy: [made.created.k.id] })
assert.deepEqual(gone.destroyed, [made.created.k.id])

console.log(JSON.stringify({ username: session.username, capabilities: Object.keys(session.capabilities).sort(), accountId, names, type: down.headers.get('content-type') }))
process.exit(0) // not when its idle connections end
