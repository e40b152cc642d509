import {byId, el, fill, number, state, tableHead} from './dom.js';
import {drained} from './drains.js';

// Rough outlines of the continents, in degrees: longitude, latitude. A backdrop, not a chart.
const land = [
  [-165, 66, -156, 71, -128, 70, -95, 68, -82, 73, -62, 66, -78, 62, -93, 59, -80, 52, -66, 60, -56, 52, -66, 45, -75, 38, -81, 30, -81, 25, -90, 30, -97, 26, -97, 19, -88, 21, -84, 10, -78, 8, -86, 12, -96, 16, -106, 22, -115, 31, -124, 40, -124, 48, -138, 59, -152, 59, -164, 56],
  [-78, 8, -62, 11, -50, 0, -35, -6, -40, -22, -48, -28, -57, -37, -65, -43, -69, -54, -74, -50, -72, -30, -71, -18, -81, -5],
  [-50, 60, -42, 60, -22, 70, -20, 81, -55, 82, -70, 77, -54, 68],
  [-9, 43, -9, 37, 0, 38, 8, 44, 16, 38, 20, 41, 23, 37, 27, 41, 40, 41, 48, 45, 60, 50, 68, 55, 68, 69, 44, 67, 30, 70, 20, 70, 5, 60, 12, 56, 8, 54, -4, 48],
  [-5, 50, 1, 51, -2, 57, -6, 58],
  [-16, 15, -9, 31, 10, 37, 32, 31, 43, 12, 51, 11, 40, -4, 40, -16, 32, -28, 19, -34, 12, -17, 9, 1, 8, 5, -8, 5],
  [27, 37, 36, 36, 35, 29, 43, 13, 56, 18, 58, 24, 50, 30, 66, 25, 73, 20, 77, 8, 80, 15, 90, 22, 98, 9, 104, 1, 105, 10, 108, 20, 121, 28, 122, 38, 128, 35, 130, 43, 142, 50, 156, 52, 163, 60, 178, 65, 178, 69, 140, 72, 105, 77, 75, 72, 68, 69, 68, 55, 60, 50, 48, 45, 40, 41],
  [131, 32, 140, 35, 145, 43, 141, 45, 137, 37],
  [96, 5, 106, -6, 114, -8, 120, -9, 118, 0, 117, 7, 109, 1],
  [132, -2, 150, -9, 141, -9],
  [114, -22, 122, -17, 131, -12, 136, -15, 142, -11, 146, -19, 153, -27, 150, -37, 140, -38, 131, -31, 116, -35],
  [167, -46, 174, -41, 178, -37, 173, -35],
];

// The map shows latitudes from 78 to -57: nobody stands a mail server outside.
const x = (longitude) => 2 * (longitude + 180);
const y = (latitude) => (78 - latitude) * (330 / 135);

function outline(points) {
  let path = '';
  for (let i = 0; i < points.length; i += 2) path += `${i ? 'L' : 'M'}${x(points[i])} ${y(points[i + 1])}`;
  return `${path}Z`;
}

// tally counts the nodes of each region by state.
function tally(overview) {
  const counts = new Map(overview.regions.map((r) => [r.name, {}]));
  for (const n of overview.nodes) {
    const count = counts.get(n.region);
    count[n.state] = (count[n.state] ?? 0) + 1;
  }
  return counts;
}

// worst is how a region is drawn; its counts are of nodes by state.
function worst(region, n) {
  if (region.state !== 'active') return region.state === 'drain' ? 'draining' : 'off';
  const all = sum(n);
  if (!all) return 'off';
  if ((n.down ?? 0) + (n.recovering ?? 0) === all) return 'down';
  return n.down || n.failing || n.recovering ? 'failing' : n.up ? 'up' : 'unknown';
}

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

export function drawRegions(overview, act) {
  const counts = tally(overview);
  const placed = overview.regions.filter((r) => r.location);
  const map = byId('map');
  map.toggleAttribute('hidden', placed.length === 0);
  fill(map, el('path', {class: 'land', d: land.map(outline).join('')}), ...flows(placed), ...placed.map((r) => mark(r, counts.get(r.name))));
  tableHead(byId('regions'), ['Region', 'State', '>Up', '>Down', '>Sessions', 'DNS sends its clients to', '']);
  fill(byId('regions').tBodies[0], ...overview.regions.map((r) => row(r, counts.get(r.name), act)));
}

function mark(region, nodes) {
  const {Latitude: latitude, Longitude: longitude} = region.location;
  const left = longitude > 120;
  const all = sum(nodes);
  return el('g', {class: worst(region, nodes)},
    el('circle', {cx: x(longitude), cy: y(latitude), r: 6 + Math.min(10, Math.sqrt(all) / 2)}, el('title', {}, region.name)),
    el('text', {x: x(longitude) + (left ? -18 : 18), y: y(latitude) + 4, 'text-anchor': left ? 'end' : 'start'},
      `${region.name}${region.own ? ' (here)' : ''}: ${nodes.up ?? 0}/${all} up`));
}

// flows are the regions whose clients DNS sends elsewhere.
function flows(placed) {
  const at = new Map(placed.map((r) => [r.name, r.location]));
  const lines = [];
  for (const r of placed) {
    for (const to of new Set((r.dns ?? []).map((d) => d.to))) {
      if (to !== r.name && at.has(to)) lines.push(flow(r.location, at.get(to)));
    }
  }
  return lines;
}

function flow(from, to) {
  const [ax, ay, bx, by] = [x(from.Longitude), y(from.Latitude), x(to.Longitude), y(to.Latitude)];
  return el('path', {class: 'goes', d: `M${ax} ${ay}Q${(ax + bx) / 2} ${Math.min(ay, by) - 40} ${bx} ${by}`});
}

function row(r, nodes, act) {
  const down = (nodes.down ?? 0) + (nodes.recovering ?? 0);
  return el('tr', {'data-region': r.name},
    el('th', {scope: 'row'}, r.name, r.own ? ' (here)' : ''), el('td', {}, state(worst(r, nodes))),
    el('td', {class: 'n'}, number((nodes.up ?? 0) + (nodes.failing ?? 0))), el('td', {class: down ? 'n down' : 'n'}, number(down)),
    el('td', {class: 'n'}, number(r.sessions)), el('td', {class: 'wrap'}, sends(r)), el('td', {}, act('region', r.name, drained(r))));
}

function sends(r) {
  const by = new Map();
  for (const d of r.dns ?? []) by.set(d.to, [...(by.get(d.to) ?? []), d.name]);
  if (by.size === 0) return '–';
  return [...by].map(([to, names]) => (by.size === 1 && to === r.name ? to : `${to}: ${names.join(', ')}`)).join('; ');
}
