import {byId, el, fill, number, tableHead} from './dom.js';
import {drained} from './drains.js';

// drawServices shows services by regions: the part of the weight that is healthy, and sessions.
export function drawServices(overview, act) {
  const regions = overview.regions.map((r) => r.name);
  tableHead(byId('services'), ['Service', '>Sessions', ...regions.map((r) => `>${r}`), '']);
  fill(byId('services').tBodies[0], ...overview.services.map((s) => el('tr', {'data-service': s.name},
    el('th', {scope: 'row', title: `${s.protocol}, ${s.listen.join(' ') || 'not fronted here'}`}, s.name),
    el('td', {class: 'n'}, number(s.sessions)),
    ...regions.map((name) => cell(s.regions.find((r) => r.region === name))),
    el('td', {}, act('service', s.name, drained(s))))));
}

function cell(share) {
  if (!share?.nodes) return el('td', {class: 'n'}, '–');
  const percent = share.weight ? Math.floor((share.healthy / share.weight) * 100) : 0;
  return el('td', {class: percent === 100 ? 'n' : percent === 0 ? 'n down' : 'n failing',
    title: `${share.up} of ${share.nodes} nodes can be used; ${Math.round(share.gets * 100)} % of new sessions begin here`},
  `${percent} % · ${number(share.sessions)}`);
}
