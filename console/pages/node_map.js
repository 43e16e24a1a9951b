// @ts-check
import { html, useEffect, useRef, useState } from '../html.js';
import { faceOf, racksOf, spoken } from '../core/nodes.js';
import { useRoving } from '../parts/roving.js';

/** @typedef {import('../core/types.js').Node} Node */
/** @typedef {import('../core/nodes.js').View} View */

/** @type {Record<View, [string, string][]>} tone and what it stands for */
const LEGENDS = {
  use: [['use-0', 'free'], ['use-1', 'to 20%'], ['use-2', '40%'], ['use-3', '60%'], ['use-4', '80%'], ['use-5', '100%'], ['down', '✕ down']],
  health: [['ready', '✓ ready'], ['cordoned', '⊘ cordoned'], ['draining', '↧ draining'], ['down', '✕ down']],
  power: [['power-1', 'to 20% of what it may draw'], ['power-2', '40%'], ['power-3', '60%'], ['power-4', '80%'], ['power-5', '100%'], ['down', '✕ down']],
};

/** The name without what all nodes of the map begin with. @param {string[]} names */
function prefixOf(names) {
  let length = names.length > 1 ? Math.min(...names.map((name) => name.length)) - 1 : 0;
  while (length > 0 && !(names.every((name) => name.startsWith(names[0].slice(0, length))) && /[^0-9]$/.test(names[0].slice(0, length)))) --length;
  return names.length > 1 ? names[0].slice(0, length) : '';
}

/** All figures of the tile that is pointed at or has the focus; Escape takes it away.
 * @param {{node: Node, at: {left: number, top: number}}} props */
function Tip({ node, at }) {
  const element = useRef(/** @type {HTMLDivElement|null} */ (null));
  useEffect(() => {
    if (!element.current) return;
    element.current.style.left = `${at.left}px`;
    element.current.style.top = `${at.top}px`;
  }, [at.left, at.top]);
  return html`<div class="tip" role="tooltip" ref=${element}>${spoken(node).split(', ').map((line, index) => (index === 0 ? html`<strong>${line}</strong>` : html`<span>${line}</span>`))}</div>`;
}

/** Tiles of all nodes, by rack and domain. Colour, figure and sign say the same.
 * @param {{nodes: Node[], view: View, selected: string, onSelect: (name: string) => void}} props */
export function NodeMap({ nodes, view, selected, onSelect }) {
  const frame = useRef(/** @type {HTMLDivElement|null} */ (null));
  const [tip, setTip] = useState(/** @type {{name: string, left: number, top: number}|null} */ (null));
  useRoving(frame, '.tile');
  const mostW = Math.max(...nodes.map((node) => node.draw_w), 1);
  const prefix = prefixOf(nodes.map((node) => node.name));
  const show = (/** @type {any} */ event) => {
    const tile = event.target.closest?.('.tile');
    if (!tile || !frame.current) return setTip(null);
    const [box, own] = [frame.current.getBoundingClientRect(), tile.getBoundingClientRect()];
    setTip({ name: tile.dataset.node, left: Math.max(Math.min(own.left - box.left, box.width - 210), 0), top: own.bottom - box.top + 4 });
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && setTip(null);
  const tile = (/** @type {Node} */ node) => {
    const face = faceOf(node, view, mostW);
    return html`<button type="button" key=${node.name} class=${`tile ${face.tone}`} data-node=${node.name} tabindex="-1" aria-pressed=${node.name === selected}
      onClick=${() => onSelect(node.name)}><span>${node.name.slice(prefix.length)}</span> <strong>${face.text}</strong><span class="unseen">: ${spoken(node)}</span></button>`;
  };
  const pointed = tip && nodes.find((node) => node.name === tip.name);
  const racks = racksOf(nodes);
  const sites = new Set(nodes.map((node) => node.site)).size;
  return html`<div class="map" ref=${frame} onMouseOver=${show} onMouseLeave=${() => setTip(null)} onFocusIn=${show} onFocusOut=${() => setTip(null)} onKeyDown=${onKey}>
    <ul class="legend" aria-label="What the colours mean">${LEGENDS[view].map(([tone, text]) => html`<li><span class=${`swatch ${tone}`} aria-hidden="true"></span>${text}</li>`)}</ul>
    <div class="racks">${racks.map(({ site, rack, domains }) => html`<section class="rack" key=${`${site} ${rack}`} aria-label=${`Rack ${rack ?? 'unknown'}, site ${site}`}>
      <h3>${rack ?? 'no rack'}${sites > 1 && html` <span class="quiet">${site}</span>`}</h3>
      ${domains.map((domain) => html`<div class=${domain.name ? 'domain' : ''} role="group" aria-label=${domain.name ? `Domain ${domain.name}` : 'No domain'} key=${domain.name}>
        ${domain.name && html`<span class="domain-name">${domain.name}</span>`}<div class="tiles">${domain.nodes.map(tile)}</div></div>`)}
    </section>`)}</div>
    ${tip && pointed && html`<${Tip} node=${pointed} at=${tip} />`}
  </div>`;
}
