// @ts-check
import { html, useState } from '../html.js';
import { call } from '../core/api.js';
import { memory, number, percent, UNKNOWN, watts } from '../core/format.js';
import { asProblem } from '../core/problem.js';
import { link } from '../core/router.js';
import { can } from '../core/session.js';
import { isJobId } from '../core/work.js';
import { Dialog } from '../parts/dialog.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';

/** @typedef {import('../core/types.js').Node} Node */
/** @typedef {import('../core/types.js').Accelerator} Accelerator */

/** @type {import('../parts/table.js').Column<Accelerator>[]} */
const COLUMNS = [
  { title: 'Accelerator', heads: true, cell: (accelerator) => html`<code>${accelerator.id}</code>` },
  { title: 'Kind', cell: (accelerator) => accelerator.kind },
  { title: 'Held', numeric: true, cell: (accelerator) => html`<progress max="1" value=${accelerator.used} aria-label=${`Held of ${accelerator.id}`}></progress> ${percent(accelerator.used)}` },
];

/** @param {{node: Node, onClose: () => void, onDone: () => void}} props */
function DrainDialog({ node, onClose, onDone }) {
  const onSubmit = async () => {
    await call('POST', `/nodes/${encodeURIComponent(node.name)}/drain`);
    onDone();
  };
  return html`<${Dialog} title=${`Drain ${node.name}?`} submit="Drain node" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>It takes no new work, and the ${node.work.length} that run there are told to leave: jobs get their checkpoint signal and go back to the queue.</p>
  <//>`;
}

/** @param {{node: Node, onDone: () => void}} props */
function Actions({ node, onDone }) {
  const [problem, setProblem] = useState(/** @type {import('../core/problem.js').Problem|null} */ (null));
  const [draining, setDraining] = useState(false);
  const wish = async (/** @type {string} */ what) => {
    try {
      await call('POST', `/nodes/${encodeURIComponent(node.name)}/${what}`);
      setProblem(null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    onDone();
  };
  return html`<div class="row-actions">
    ${!node.cordoned && html`<button type="button" onClick=${() => wish('cordon')}>Cordon</button>`}
    ${!node.draining && html`<button type="button" class="danger" onClick=${() => setDraining(true)}>Drain</button>`}
    ${(node.cordoned || node.draining) && html`<button type="button" class="primary" onClick=${() => wish('undrain')}>Undrain</button>`}</div>
    <${ProblemNote} problem=${problem} />
    ${draining && html`<${DrainDialog} node=${node} onClose=${() => setDraining(false)} onDone=${onDone} />`}`;
}

/** All of one node. @param {{node: Node, onClose: () => void, onDone: () => void}} props */
export function NodePanel({ node, onClose, onDone }) {
  /** @type {[string, any][]} */
  const facts = [
    ['Health', html`<${StateBadge} state=${node.health} />${node.draining ? ' told to drain' : node.cordoned ? ' told to take no work' : ''}`],
    ['Site', `${node.site}${node.zone ? `, zone ${node.zone}` : ''}`], ['Rack', node.rack ?? UNKNOWN], ['Rail', node.rail ?? UNKNOWN], ['Domain', node.domain ?? UNKNOWN], ['Kind', node.kind ?? UNKNOWN],
    ['Processors held', `${number(node.cpus_used)} of ${number(node.cpus)}`], ['Memory held', `${memory(node.memory_used_bytes)} of ${memory(node.memory_bytes)}`],
    ['Draw, predicted', `${watts(node.draw_w)}${node.budget_w === null ? '' : ` of ${watts(node.budget_w)}`} (idle ${watts(node.idle_w)})`],
  ];
  return html`<section class="node-panel" aria-label=${`Node ${node.name}`}>
    <header><h2>${node.name}</h2>${can('manage-nodes') && html`<${Actions} key=${node.name} node=${node} onDone=${onDone} />`}
      <button type="button" class="small" aria-label=${`Close ${node.name}`} onClick=${onClose}>Close</button></header>
    <dl class="facts">${facts.map(([title, value]) => html`<div><dt>${title}</dt><dd>${value}</dd></div>`)}
      <div><dt>Work there</dt><dd>${node.work.length === 0 ? 'none that you may see' : node.work.map((id, at) => html`${at > 0 && ', '}${isJobId(id) ? html`<a href=${link('jobs', id)}>${id}</a>` : html`<code>${id}</code>`}`)}</dd></div></dl>
    <${Table} caption=${`Accelerators of ${node.name}`} columns=${COLUMNS} rows=${node.accelerators} rowKey=${(/** @type {Accelerator} */ accelerator) => accelerator.id} empty="It has no accelerators." />
  </section>`;
}
