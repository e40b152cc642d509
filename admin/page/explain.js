import {byId, el, fill} from './dom.js';
import {get, query} from './api.js';

// prepareExplain makes the form ask why a client goes where it goes.
export function prepareExplain() {
  byId('explain').addEventListener('submit', async (e) => {
    e.preventDefault();
    const place = byId('explained');
    try {
      const {explanations} = await get(`api/v1/explain?${query({client: byId('client').value.trim(), service: byId('service').value})}`);
      fill(place, ...explanations.flatMap(tell));
    } catch (error) {
      fill(place, el('p', {class: 'bad'}, error.message));
    }
  });
}

export function offerServices(overview) {
  const select = byId('service');
  const names = overview.services.map((s) => s.name);
  if (select.options.length !== names.length) select.replaceChildren(...names.map((n) => el('option', {}, n)));
}

function tell(e) {
  return [
    el('ol', {}, ...(e.steps ?? []).map((s) => el('li', {}, el('b', {}, s.about), `: ${s.says}`))),
    e.candidates.length === 0
      ? el('p', {class: 'bad'}, 'No node takes it: the client gets our words.')
      : el('ol', {}, ...e.candidates.map((c) => el('li', {}, el('b', {}, c.node), `, ${c.why}`))),
  ];
}
