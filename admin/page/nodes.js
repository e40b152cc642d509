import {byId, el, fill, number, state, tableHead} from './dom.js';
import {spark} from './spark.js';

// More rows than this are not for reading; the filter or the grid are.
const page = 100;

const trouble = {down: 0, recovering: 1, failing: 2, unknown: 3, draining: 4, off: 5, up: 6};

const orders = {
  trouble: (a, b) => trouble[a.state] - trouble[b.state],
  name: (a, b) => a.name.localeCompare(b.name, 'en', {numeric: true}),
  sessions: (a, b) => b.sessions - a.sessions,
  rate: (a, b, history) => (history.rate(b.name) ?? 0) - (history.rate(a.name) ?? 0),
  latency: (a, b) => (b.greeting_ms ?? 0) - (a.greeting_ms ?? 0),
  certificate: (a, b) => (a.certificate_days ?? Infinity) - (b.certificate_days ?? Infinity),
};

// Nodes is the list with its filter, as a table or as a grid.
export class Nodes {
  #limit = page;
  #overview;

  constructor(history, act, open) {
    Object.assign(this, {history, act, open});
    for (const id of ['find', 'state', 'region', 'sort', 'grid']) byId(id).addEventListener('input', () => this.draw());
    byId('filter').addEventListener('submit', (e) => e.preventDefault());
    byId('more').addEventListener('click', () => { this.#limit += page; this.draw(); });
    byId('cells').addEventListener('keydown', (e) => walk(e));
  }

  show(overview) {
    this.#overview = overview;
    options('state', Object.keys(trouble));
    options('region', overview.regions.map((r) => r.name));
    this.draw();
  }

  // chosen are the nodes that the filter lets through, in the order asked for.
  chosen() {
    const words = byId('find').value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = {state: byId('state').value, region: byId('region').value};
    const nodes = this.#overview.nodes.filter((n) => {
      const text = `${n.name} ${n.region} ${n.services} ${n.version ?? ''} ${n.bad ?? ''}`.toLowerCase();
      return words.every((w) => text.includes(w)) && (!wanted.state || n.state === wanted.state) && (!wanted.region || n.region === wanted.region);
    });
    const order = orders[byId('sort').value];
    return order ? nodes.sort((a, b) => order(a, b, this.history)) : nodes;
  }

  draw() {
    if (!this.#overview) return;
    const nodes = this.chosen();
    const grid = byId('grid').checked;
    byId('shown').textContent = nodes.length === this.#overview.nodes.length ? `(${nodes.length})` : `(${nodes.length} of ${this.#overview.nodes.length})`;
    byId('cells').hidden = !grid;
    byId('rows').parentElement.hidden = grid;
    byId('more').hidden = grid || nodes.length <= this.#limit;
    if (grid) fill(byId('cells'), ...this.#cells(nodes));
    else this.#rows(nodes.slice(0, this.#limit));
  }

  #rows(nodes) {
    tableHead(byId('rows'), ['Node', 'Region', 'State', '>Sessions', '>Per s', '>Greeting', 'Last minutes', '>Certificate', 'Version', 'Services', '']);
    fill(byId('rows').tBodies[0], ...nodes.map((n) => el('tr', {'data-node': n.name},
      el('th', {scope: 'row'}, el('button', {class: 'link', type: 'button', 'data-focus': `n:${n.name}`, click: () => this.open(n.name)}, n.name)),
      el('td', {}, n.region), el('td', {}, state(n.state)),
      el('td', {class: 'n'}, number(n.sessions)), el('td', {class: 'n'}, rate(this.history.rate(n.name))),
      el('td', {class: 'n'}, n.greeting_ms ? `${n.greeting_ms.toFixed(1)} ms` : ''), el('td', {}, spark(this.history.greeting(n.name))),
      days(n.certificate_days), el('td', {}, n.version), el('td', {class: 'wrap'}, n.services, n.bad ? el('span', {class: 'bad'}, ` ${n.bad}`) : ''), el('td', {}, this.act('node', n.name, n.marked)))));
  }

  // One cell a node, a line a region. One of them takes the tab key; arrows go on from there.
  #cells(nodes) {
    const by = new Map(this.#overview.regions.map((r) => [r.name, []]));
    for (const n of nodes) by.get(n.region)?.push(n);
    const cells = [];
    for (const [region, some] of by) {
      if (some.length) cells.push(el('span', {}, region), ...some.map((n) => this.#cell(n)));
    }
    cells.find((c) => c.tagName === 'BUTTON')?.setAttribute('tabindex', '0');
    return cells;
  }

  #cell(n) {
    const says = `${n.name}: ${n.state}, ${n.sessions} sessions${n.bad ? `, ${n.bad}` : ''}`;
    return el('button', {class: n.state, type: 'button', tabindex: '-1', role: 'option', title: says, 'aria-label': says, 'data-focus': `c:${n.name}`, click: () => this.open(n.name)});
  }
}

function walk(e) {
  const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10}[e.key];
  if (!step) return;
  const all = [...byId('cells').querySelectorAll('button')];
  const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(document.activeElement) + step))];
  next?.focus();
  e.preventDefault();
}

function options(id, names) {
  const select = byId(id);
  if (select.options.length === names.length + 1) return;
  const chosen = select.value;
  select.replaceChildren(el('option', {value: ''}, 'any'), ...names.map((n) => el('option', {value: n}, n)));
  select.value = chosen;
}

const rate = (r) => (r === undefined ? '' : r < 10 ? r.toFixed(1) : number(r));

function days(n) {
  if (n === undefined) return el('td', {});
  return el('td', {class: n < 14 ? 'n down' : 'n'}, `${n} d`);
}
