// A CalDAV client's session: caldav.mjs BASE USER
//
// Finds the account's calendars, makes an event, reads it, changes it, deletes it. Prints what it found as JSON, without
// what differs between two runs. Certificates: NODE_EXTRA_CA_CERTS.
import assert from 'node:assert/strict'
import { DAVClient } from 'tsdav'

const [base, user] = process.argv.slice(2)
const path = (url) => new URL(url, base).pathname

const client = new DAVClient({
  serverUrl: base + '/dav/calendars/',
  credentials: { username: user, password: 'secret' },
  authMethod: 'Basic',
  defaultAccountType: 'caldav',
})
await client.login()
const calendars = await client.fetchCalendars()
assert.ok(calendars.length > 0, 'no calendar')
const calendar = calendars.find((c) => path(c.url).endsWith('/Default/')) ?? calendars[0]

const filename = `js-${process.pid}.ics`
const event = (summary) => ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//e2e//EN', 'BEGIN:VEVENT', `UID:${filename}@example.test`,
  'DTSTAMP:20300101T000000Z', 'DTSTART:20300102T100000Z', 'DTEND:20300102T110000Z', `SUMMARY:${summary}`, 'END:VEVENT', 'END:VCALENDAR', ''].join('\r\n')
const mine = async () => (await client.fetchCalendarObjects({ calendar })).find((o) => o.url.endsWith(filename))

const made = await client.createCalendarObject({ calendar, filename, iCalString: event('first') })
assert.equal(made.status, 201)
let object = await mine()
assert.match(object.data, /SUMMARY:first/)
const changed = await client.updateCalendarObject({ calendarObject: { ...object, data: event('second') } })
assert.equal(changed.status, 204)
object = await mine()
assert.match(object.data, /SUMMARY:second/)
const gone = await client.deleteCalendarObject({ calendarObject: object })
assert.equal(gone.status, 204)
assert.equal(await mine(), undefined)

console.log(JSON.stringify({ principal: path(client.account.principalUrl), calendars: calendars.map((c) => [path(c.url), c.displayName, c.components]) }))
process.exit(0) // not when its idle connections end
