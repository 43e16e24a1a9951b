// @ts-check
import { html, useState } from '../html.js';
import { get } from '../core/api.js';
import { clock, count } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { link } from '../core/router.js';
import { can } from '../core/session.js';
import { timelineOf } from '../core/timeline.js';
import { isJobId } from '../core/work.js';
import { Choice, Field } from '../parts/field.js';
import { Gantt } from '../parts/gantt.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';

/** @typedef {import('../core/timeline.js').Bar} Bar */
/** @typedef {Bar & {node: string}} NodeBar */

const MINUTE_MS = 60_000;
const MOST_ROWS = 80;
/** Minutes back; a quarter of it lies ahead. @type {[string, string][]} */
const SPANS = [['5', '5 minutes'], ['15', '15 minutes'], ['60', '1 hour']];

/** @type {import('../parts/table.js').Column<NodeBar>[]} */
const COLUMNS = [
  { title: 'Work', heads: true, cell: (bar) => html`${isJobId(bar.id) ? html`<a href=${link('jobs', bar.id)}>${bar.id}</a>` : html`<code>${bar.id}</code>`} <span class="quiet">${bar.name}</span>` },
  { title: 'Node', cell: (bar) => bar.node },
  { title: 'Kind', cell: (bar) => bar.kind },
  { title: 'Project', cell: (bar) => bar.project },
  { title: 'State', cell: (bar) => html`<${StateBadge} state=${bar.state} />` },
  { title: 'From', cell: (bar) => html`${clock(new Date(bar.from).toISOString())}${bar.isExpected && html` <span class="quiet">expected</span>`}` },
  { title: 'To', cell: (bar) => (bar.to ? clock(new Date(bar.to).toISOString()) : bar.isExpected ? '–' : 'goes on') },
];

/** @param {AbortSignal} signal */
async function fetchAll(signal) {
  const [queue, jobs, nodes] = await Promise.all([get('/queue?state=live&limit=1000', signal), get('/jobs?limit=500', signal),
    can('read-nodes') ? get('/nodes', signal) : { data: [] }]);
  return { queue: queue.data, jobs: jobs.data, nodes: nodes.data.map((/** @type {{name: string}} */ node) => node.name), at: Date.now() };
}

/** Rows with work first when there are too many to show. @param {import('../core/timeline.js').Row[]} rows @param {string} part */
function chosen(rows, part) {
  const matching = rows.filter((row) => row.name.includes(part));
  return (matching.length <= MOST_ROWS ? matching : matching.filter((row) => row.placed.length > 0)).slice(0, MOST_ROWS);
}

function Keys() {
  return html`<ul class="bar-keys" aria-label="What the bars mean">${[['running', 'runs'], ['pausing', 'starts or pauses'],
    ['succeeded', 'succeeded'], ['failed', 'failed, timed out or lost'], ['cancelled', 'cancelled'], ['expected', 'waits: expected start']]
    .map(([state, text]) => html`<li><svg width="26" height="14" aria-hidden="true" class=${`bar ${state}`}><rect x="1" y="1" width="24" height="12" rx="3" /></svg> ${text}</li>`)}</ul>`;
}

export function Timeline() {
  const work = useLoad(fetchAll, [], 2000);
  const [minutes, setMinutes] = useState('60');
  const [part, setPart] = useState('');
  const now = work.value?.at ?? Date.now();
  const span = { from: now - Number(minutes) * MINUTE_MS, now, to: now + (Number(minutes) * MINUTE_MS) / 4 };
  const { rows, waiting, beyond } = timelineOf(work.value ?? { queue: [], jobs: [], nodes: [] }, span);
  const shown = chosen(rows, part);
  const bars = [...shown, waiting].flatMap((row) => row.placed.map(({ bar }) => ({ ...bar, node: bar.isExpected ? 'not placed yet' : row.name })));
  const label = `Timeline of the last ${minutes} minutes on ${shown.length} nodes: ${bars.length} bars. Arrow keys go from bar to bar; the table below says the same.`;
  return html`<${Page} title="Timeline" about="What ran and runs on which node, and what is expected to start.">
    <${ProblemNote} problem=${work.problem} onRetry=${work.reload} />
    <div class="filters">
      <${Choice} label="Look back" name="minutes" value=${minutes} options=${SPANS} onChange=${(/** @type {any} */ event) => setMinutes(event.target.value)} />
      <${Field} label="Nodes with" name="part" value=${part} placeholder="any name" onInput=${(/** @type {any} */ event) => setPart(event.target.value)} />
    </div>
    ${work.value && html`<${Keys} /><${Gantt} rows=${shown} waiting=${waiting} span=${span} label=${label} />
      <p class="quiet">${shown.length < rows.length && `${count(shown.length)} of ${count(rows.length)} nodes are shown. `}${beyond > 0 && `${count(beyond)} more ${beyond === 1 ? 'waits' : 'wait'}, with a later start or none yet; `}${beyond > 0 && html`<a href=${link('jobs')}>Jobs</a> lists each with its reason.`}</p>
      <details><summary>The same as a table</summary>
        <${Table} caption="Bars of the timeline" columns=${COLUMNS} rows=${bars} rowKey=${(/** @type {NodeBar} */ bar) => `${bar.id} ${bar.node} ${bar.from}`} empty="Nothing ran on these nodes in this time." /></details>`}
  <//>`;
}
