import {byId, el, fill, number, state} from './dom.js';
import {get, query} from './api.js';
import {report} from './drains.js';

// openNode shows all that is known of one node.
export async function openNode(name) {
  try {
    const {nodes} = await get(`api/v1/nodes?${query({name})}`);
    const node = nodes.find((n) => n.name === name);
    if (!node) return;
    byId('detailTitle').textContent = node.name;
    fill(byId('detailBody'), el('p', {}, `${node.region}, ${(node.addresses ?? [node.host]).join(', ')}, ${node.state}, ${number(node.sessions)} sessions from here`),
      ...node.services.map(service));
    byId('detail').showModal();
  } catch (error) {
    report(error);
  }
}

function service(s) {
  return el('section', {},
    el('h2', {}, `${s.name} `, state(s.state.split(' ')[0], s.state)),
    el('p', {}, [`port ${s.port}`, `weight ${s.weight}`, `${number(s.sessions)} sessions`, s.greeting_ms && `greeting ${s.greeting_ms.toFixed(1)} ms`,
      s.version, s.certificate_expiry && `certificate until ${s.certificate_expiry.slice(0, 10)}`, s.barred && `gets no sessions: ${s.barred}`].filter(Boolean).join(', ')),
    s.reason ? el('p', {class: 'bad'}, s.reason) : '',
    s.transcript ? el('pre', {tabindex: '0'}, s.transcript) : '',
    s.capabilities ? el('p', {class: 'note'}, s.capabilities.join(' ')) : '');
}
