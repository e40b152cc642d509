// The status page: looks at the balancer every two seconds while it is seen, and draws what has changed.
import {Denied, get, remember} from './api.js';
import {openNode} from './detail.js';
import {ago, byId, number} from './dom.js';
import {actor, drawDrains, report} from './drains.js';
import {watchEvents} from './events.js';
import {offerServices, prepareExplain} from './explain.js';
import {drawRegions} from './map.js';
import {Nodes} from './nodes.js';
import {drawServices} from './services.js';
import {History} from './spark.js';

const every = 2000;

const history = new History();
const act = actor(() => look());
const nodes = new Nodes(history, act, openNode);
let timer;
let looking;
let following;

// look asks once and draws. One look at a time: a slow answer is not asked for twice.
function look() {
  clearTimeout(timer);
  looking ??= show().catch(failed).finally(() => {
    looking = undefined;
    if (!document.hidden) timer = setTimeout(look, every);
  });
  return looking;
}

async function show() {
  const [overview, {drains}, {marks}] = await Promise.all([get('api/v1/overview'), get('api/v1/drains'), get('api/v1/marks')]);
  byId('login').hidden = true;
  document.querySelector('main').hidden = false;
  history.note(overview.nodes, performance.now());
  head(overview);
  drawRegions(overview, act);
  drawServices(overview, act);
  nodes.show(overview);
  offerServices(overview);
  drawDrains(drains, marks, () => look());
  follow();
}

function head(o) {
  document.title = `Posthouse ${o.region}: ${o.cluster}`;
  byId('cluster').textContent = `${o.cluster}, ${o.region}`;
  const down = o.nodes.filter((n) => n.state === 'down').length;
  const facts = byId('facts');
  facts.textContent = [o.draining ? 'DRAINING' : 'serving', `${number(o.sessions)} sessions`, `${o.nodes.length} nodes`,
    down ? `${down} down` : 'none down', `up ${ago(o.since)}`, o.version].join(' · ');
  facts.className = o.draining || down ? 'bad' : '';
}

// follow begins the stream of events, once.
function follow() {
  if (following) return;
  following = new AbortController();
  watchEvents(() => look(), following.signal);
}

function failed(error) {
  if (!(error instanceof Denied)) return report(error);
  following?.abort();
  following = undefined;
  byId('login').hidden = false;
  document.querySelector('main').hidden = true;
  byId('facts').textContent = 'locked';
  byId('loginSays').textContent = sessionStorage.length ? error.message : '';
}

byId('login').addEventListener('submit', (e) => {
  e.preventDefault();
  remember(byId('token').value);
  byId('token').value = '';
  look();
});
document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : look()));
prepareExplain();
look();
