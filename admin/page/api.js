// What the page asks of the admin API. The token, where one is needed, stays in this tab.
const key = 'posthouse-token';

export class Denied extends Error {}

export function remember(token) { sessionStorage.setItem(key, token); }

async function ask(path, options = {}) {
  const headers = {Accept: 'application/json', ...options.headers};
  const token = sessionStorage.getItem(key);
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, {...options, headers, cache: 'no-store'});
  if (response.status === 401) throw new Denied('the token is not the right one');
  if (!response.ok) throw new Error(await detail(response));
  return response;
}

async function detail(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `HTTP ${response.status}`;
  }
}

export async function get(path) { return (await ask(path)).json(); }

export async function send(method, path) {
  const response = await ask(path, {method});
  return response.status === 204 ? {} : response.json();
}

export const query = (pairs) => new URLSearchParams(Object.entries(pairs).filter(([, v]) => v)).toString();

// follow reads server-sent events until the signal ends it; EventSource cannot carry a token. It returns when the connection ends.
export async function follow(path, last, onEvent, signal) {
  const headers = {Accept: 'text/event-stream'};
  if (last) headers['Last-Event-ID'] = last;
  const response = await ask(path, {headers, signal});
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) deliver(block, onEvent);
  }
}

function deliver(block, onEvent) {
  const fields = {};
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trimStart();
  }
  if (fields.data) onEvent(JSON.parse(fields.data), fields.id);
}
