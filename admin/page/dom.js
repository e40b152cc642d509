// Everything that is shown goes through el: text is text, whatever a node or a file calls itself.
const svgNames = new Set(['svg', 'path', 'circle', 'text', 'g', 'title']);

// el makes an element: el('td', {class: 'n'}, 'text', otherElement). A function as a value listens to the event of that name.
export function el(name, attributes = {}, ...children) {
  const node = svgNames.has(name) ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(key, value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((c) => c !== undefined && c !== null && c !== ''));
  return node;
}

export const byId = (id) => document.getElementById(id);

// fill replaces what is in a place. Nothing is touched where nothing has changed, so that focus and selection stay.
export function fill(place, ...children) {
  const next = el('div', {}, ...children);
  if (place.childNodes.length === next.childNodes.length && place.innerHTML === next.innerHTML) return;
  const focus = focusIn(place);
  place.replaceChildren(...next.childNodes);
  if (focus) place.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({preventScroll: true});
}

function focusIn(place) {
  return place.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
}

// tableHead writes the head of a table once. A name that begins with ">" is of numbers.
export function tableHead(table, names) {
  fill(table.tHead, el('tr', {}, ...names.map((name) => el('th', {scope: 'col', class: name.startsWith('>') ? 'n' : undefined}, name.replace('>', '')))));
}

export const number = (n) => (n === undefined ? '' : Math.round(n).toLocaleString('en').replaceAll(',', ' '));
export const state = (name, text = name) => el('span', {class: `state ${name}`}, text);

export function ago(when) {
  const s = Math.max(0, (Date.now() - new Date(when)) / 1000);
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}
