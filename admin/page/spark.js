import {el} from './dom.js';

// History keeps what each node's figures were, for lines and rates: the server keeps none for us.
const kept = 60;

export class History {
  #nodes = new Map();

  // note takes one look at all nodes. The time is the browser's, in milliseconds.
  note(nodes, now) {
    const next = new Map();
    for (const node of nodes) next.set(node.name, this.#noted(this.#nodes.get(node.name), node, now));
    this.#nodes = next;
  }

  #noted(past, node, now) {
    const h = past ?? {begun: node.begun, at: now, rate: undefined, greeting: []};
    if (now > h.at && node.begun >= h.begun) {
      const rate = ((node.begun - h.begun) * 1000) / (now - h.at);
      h.rate = h.rate === undefined ? rate : 0.6 * h.rate + 0.4 * rate;
    }
    h.begun = node.begun;
    h.at = now;
    if (node.greeting_ms) h.greeting.push(node.greeting_ms);
    if (h.greeting.length > kept) h.greeting.shift();
    return h;
  }

  rate(name) { return this.#nodes.get(name)?.rate; }

  greeting(name) { return this.#nodes.get(name)?.greeting ?? []; }
}

// spark is a line of the last values, lowest 0.
export function spark(values) {
  if (values.length < 2) return '';
  const most = Math.max(...values) || 1;
  const points = values.map((v, i) => `${((i / (kept - 1)) * 84).toFixed(1)} ${(17 - (v / most) * 16).toFixed(1)}`);
  return el('svg', {class: 'spark', viewBox: '0 0 84 18', 'aria-hidden': 'true'}, el('path', {d: `M${points.join('L')}`}));
}
