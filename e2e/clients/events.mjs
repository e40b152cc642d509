// An EventSource: events.mjs URL
//
// Prints a line for each event, and "error ..." when the stream breaks; it does not come back then. The event "end" ends it.
import { EventSource } from 'eventsource'

const source = new EventSource(process.argv[2])
source.onopen = () => console.log('open')
source.onmessage = (e) => console.log('event', e.data)
source.addEventListener('end', () => {
  console.log('end')
  source.close()
})
source.onerror = (e) => {
  console.log('error', e.code ?? '', e.message ?? '')
  source.close()
  process.exitCode = 1
}
