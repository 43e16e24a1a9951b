// @ts-check
import { html, useState } from '../html.js';
import { get } from '../core/api.js';
import { count, memory, number, percent, watts } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { useOf } from '../core/nodes.js';
import { inOrder } from '../core/work.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { MachinePrice } from './machine_price.js';
import { NodeMap } from './node_map.js';
import { NodePanel } from './node_panel.js';
import { PowerStrip } from './site_power.js';

/** @typedef {import('../core/types.js').Node} Node */
/** @typedef {import('../core/nodes.js').View} View */

/** @type {[View, string][]} */
const VIEWS = [['use', 'Use'], ['health', 'Health'], ['power', 'Power']];

/** @type {import('../parts/table.js').Column<Node>[]} */
const COLUMNS = [
  { title: 'Node', heads: true, cell: (node) => node.name },
  { title: 'Health', cell: (node) => html`<${StateBadge} state=${node.health} />` },
  { title: 'Rack', cell: (node) => node.rack ?? '–' },
  { title: 'Domain', cell: (node) => node.domain ?? '–' },
  { title: 'Held', numeric: true, cell: (node) => percent(useOf(node)) },
  { title: 'Accelerators', numeric: true, cell: (node) => (node.accelerators.length === 0 ? '–' : `${number(node.accelerators.reduce((sum, { used }) => sum + used, 0))} of ${node.accelerators.length}`) },
  { title: 'Processors', numeric: true, cell: (node) => `${number(node.cpus_used)} of ${number(node.cpus)}` },
  { title: 'Memory', numeric: true, cell: (node) => `${memory(node.memory_used_bytes)} of ${memory(node.memory_bytes)}` },
  { title: 'Draw', numeric: true, cell: (node) => watts(node.draw_w) },
];

/** @param {{view: View, onView: (view: View) => void}} props */
function Switch({ view, onView }) {
  return html`<fieldset class="switch"><legend>Colour by</legend>${VIEWS.map(([value, text]) => html`<label>
    <input type="radio" name="view" value=${value} checked=${view === value} onChange=${() => onView(value)} /><span>${text}</span></label>`)}</fieldset>`;
}

export function Nodes() {
  const loaded = useLoad((signal) => get('/nodes', signal), [], 2000);
  const [view, setView] = useState(/** @type {View} */ ('use'));
  const [selected, setSelected] = useState('');
  /** @type {Node[]} */
  const nodes = loaded.value?.data ?? [];
  const node = nodes.find((candidate) => candidate.name === selected);
  const ready = nodes.filter((candidate) => candidate.health === 'ready').length;
  return html`<${Page} title="Nodes" about="Every node of this site: what of it is held, how it is, and what it draws." actions=${html`<${Switch} view=${view} onView=${setView} />`}>
    <${ProblemNote} problem=${loaded.problem} onRetry=${loaded.reload} />
    <${PowerStrip} />
    <${MachinePrice} />
    ${loaded.value && (nodes.length === 0 ? html`<p class="empty">There is no node.</p>` : html`
      <section class="block" aria-label="Map"><h2>Map <span class="quiet">${count(ready)} of ${count(nodes.length)} ready</span></h2>
        <div class=${node ? 'map-and-panel' : ''}><${NodeMap} nodes=${nodes} view=${view} selected=${selected} onSelect=${(/** @type {string} */ name) => setSelected(name === selected ? '' : name)} />
          ${node && html`<${NodePanel} node=${node} onClose=${() => setSelected('')} onDone=${loaded.reload} />`}</div></section>
      <details><summary>The same as a table</summary>
        <${Table} caption="Nodes" columns=${COLUMNS} rows=${[...nodes].sort((a, b) => inOrder(a.name, b.name)).slice(0, 500)} rowKey=${(/** @type {Node} */ row) => row.name} empty="" />
        ${nodes.length > 500 && html`<p class="quiet">The first 500 of ${count(nodes.length)}.</p>`}</details>`)}
  <//>`;
}
