import {ago, byId, el, fill, number, tableHead} from './dom.js';
import {query, send} from './api.js';

// drained says whether an operator drains a row of the API.
export const drained = (row) => row.marks.some((m) => m.kind === 'drain');

// actor makes the buttons that drain and resume. done is called after the server has agreed.
export function actor(done) {
  return (kind, name, marked) => el('button', {
    type: 'button', class: 'link', 'data-focus': `a:${kind}:${name}`, 'aria-label': `${marked ? 'Resume' : 'Drain'} ${kind} ${name}`,
    click: () => (marked ? resume(kind, name) : drain(kind, name)).then(done, report),
  }, marked ? 'resume' : 'drain …');
}

const path = (kind, name, verb) => `api/v1/${kind}s/${encodeURIComponent(name)}/${verb}`;

async function drain(kind, name) {
  const answer = await ask(`Drain ${kind} ${name}?`);
  if (answer) await send('POST', `${path(kind, name, 'drain')}?${query(answer)}`);
}

const resume = (kind, name) => send('POST', path(kind, name, 'resume'));

function ask(title) {
  const dialog = byId('ask');
  byId('askTitle').textContent = title;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((answered) => dialog.addEventListener('close', () => {
    answered(dialog.returnValue === 'yes' ? {within: byId('within').value, reason: byId('reason').value} : undefined);
  }, {once: true}));
}

export function report(error) {
  const facts = byId('facts');
  facts.textContent = error.message;
  facts.className = 'bad';
}

// drawDrains shows how far each drain has come, the running ones first, and what marks are set.
export function drawDrains(drains, marks, done) {
  byId('drainsSection').hidden = drains.length + marks.length === 0;
  fill(byId('drains'), ...drains.filter((d) => d.state === 'running' || Date.now() - new Date(d.ended) < 600000).map(progress));
  tableHead(byId('marks'), marks.length ? ['Mark', 'On', 'Since', 'By', 'Reason', ''] : []);
  fill(byId('marks').tBodies[0], ...marks.map((m) => row(m, done)));
}

function progress(d) {
  const gone = d.sessions - d.open;
  const says = d.state === 'running'
    ? `${number(gone)} of ${number(d.sessions)} sessions gone, within ${d.within}`
    : `${d.state}: ${number(d.left_by_themselves)} left by themselves, ${number(d.closed_quiet)} closed quiet, ${number(d.cut)} cut`;
  return el('p', {'data-drain': d.what}, `${d.what} `, el('progress', {max: Math.max(1, d.sessions), value: d.state === 'running' ? gone : Math.max(1, d.sessions), 'aria-label': d.what}), ` ${says}`);
}

function row(m, done) {
  return el('tr', {}, el('td', {}, m.kind === 'weight' ? `weight ${m.weight}` : 'drain'), el('td', {}, m.what), el('td', {}, `${ago(m.since)} ago`),
    el('td', {}, m.by), el('td', {class: 'wrap'}, m.reason), el('td', {}, el('button', {
      type: 'button', class: 'link', 'data-focus': `m:${m.kind}:${m.what}`, 'aria-label': `Undo ${m.kind} of ${m.what}`, click: () => undo(m).then(done, report),
    }, 'undo')));
}

function undo(m) {
  const [kind, name] = m.node ? ['node', m.node] : m.region ? ['region', m.region] : ['service', m.service];
  const rest = `?${query({service: m.node ? m.service : ''})}`;
  return m.kind === 'weight' ? send('DELETE', path(kind, name, 'weight') + rest) : send('POST', path(kind, name, 'resume') + rest);
}
