import {byId, el} from './dom.js';
import {Denied, follow} from './api.js';

// As many as one reads; the log has them all.
const kept = 200;

// watchEvents shows events as they happen, and goes on where it was after the connection was lost. It ends with the signal.
export async function watchEvents(onEvent, signal) {
  let last;
  for (let wait = 1; !signal.aborted; wait = Math.min(30, wait * 2)) {
    try {
      await follow('api/v1/events', last, (event, id) => {
        last = id;
        wait = 1;
        show(event);
        onEvent(event);
      }, signal);
    } catch (error) {
      if (error instanceof Denied) return;
    }
    await new Promise((after) => setTimeout(after, wait * 1000));
  }
}

const colours = {WARN: 'failing', ERROR: 'down'};

function show(event) {
  const list = byId('events');
  const when = new Date(event.time);
  list.prepend(el('li', {class: colours[event.level], 'data-kind': event.kind},
    el('time', {datetime: event.time, title: when.toLocaleString()}, when.toLocaleTimeString('en-GB')), words(event)));
  while (list.children.length > kept) list.lastChild.remove();
}

function words(event) {
  const fields = Object.entries(event.fields ?? {}).filter(([key, value]) => key !== 'transcript' && value !== '');
  return `${event.message} ${fields.map(([key, value]) => `${key}=${typeof value === 'string' && value.includes(' ') ? JSON.stringify(value) : value}`).join(' ')}`;
}
