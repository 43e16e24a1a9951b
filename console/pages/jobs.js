// @ts-check
import { html, useState } from '../html.js';
import { call, get, list, query } from '../core/api.js';
import { clock, count, duration, memory, number, time, words } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { link } from '../core/router.js';
import { can } from '../core/session.js';
import { isJobId, isOver, OVER, ranFor } from '../core/work.js';
import { Dialog } from '../parts/dialog.js';
import { Choice } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { JobForm } from './job_form.js';

/** @typedef {import('../core/types.js').Job} Job */
/** @typedef {import('../core/types.js').QueueItem} Item */
/** @typedef {{state: string, project: string}} Asked */
/** @typedef {(work: {id: string, name: string}) => void} Cancel */

const MOST = 1000;
const ROWS = 200;
/** @type {[string, string][]} */
const STATES = [['', 'all'], ['queued', 'waiting'], ['active', 'running'], ['over', 'ended'],
  ...OVER.map((state) => /** @type {[string, string]} */ ([state, words(state)]))];

/** @param {{id: string, name: string}} work */
const name = (work) => html`${isJobId(work.id) ? html`<a href=${link('jobs', work.id)}>${work.id}</a>` : html`<code>${work.id}</code>`}
  ${work.name && html` <span class="quiet">${work.name}</span>`}`;

/** @param {Item} item */
const needs = (item) => [item.tasks > 1 && `${count(item.tasks)} ×`, `${number(item.cpus)} cpu`, memory(item.memory_bytes),
  item.accelerators > 0 && `${number(item.accelerators)} acc.`].filter(Boolean).join(' ');

/** @param {Cancel} cancel @returns {import('../parts/table.js').Column<any>[]} */
const actions = (cancel) => (can('manage-jobs') ? [{ title: 'Actions', quiet: true, cell: (work) => isJobId(work.id) && !isOver(work.state)
  && html`<button type="button" class="small" aria-label=${`Cancel job ${work.id}`} onClick=${() => cancel(work)}>Cancel</button>` }] : []);

/** @param {Cancel} cancel @returns {import('../parts/table.js').Column<Item>[]} */
const waitingColumns = (cancel) => [
  { title: 'Place', numeric: true, cell: (item) => count(item.position) },
  { title: 'Work', heads: true, cell: name },
  { title: 'Kind', cell: (item) => item.kind },
  { title: 'Project', cell: (item) => item.project },
  { title: 'Class', cell: (item) => item.priority_class },
  { title: 'Needs', cell: needs },
  { title: 'Why it waits', cell: (item) => html`<span class="reason">${item.reason ?? 'not looked at yet'}</span>` },
  { title: 'Expected start', cell: (item) => time(item.expected_start) },
  { title: 'Submitted', cell: (item) => time(item.submitted_at) },
  ...actions(cancel),
];

/** @param {Cancel} cancel @returns {import('../parts/table.js').Column<Item>[]} */
const runningColumns = (cancel) => [
  { title: 'Work', heads: true, cell: name },
  { title: 'State', cell: (item) => html`<${StateBadge} state=${item.state} />` },
  { title: 'Kind', cell: (item) => item.kind },
  { title: 'Project', cell: (item) => item.project },
  { title: 'Holds', cell: needs },
  { title: 'Nodes', cell: (item) => item.nodes.join(', ') || '–' },
  { title: 'Started', cell: (item) => clock(item.started_at) },
  { title: 'For', numeric: true, cell: (item) => duration(ranFor(item, Date.now())) },
  ...actions(cancel),
];

/** @type {import('../parts/table.js').Column<Job>[]} */
const ENDED_COLUMNS = [
  { title: 'Job', heads: true, cell: name },
  { title: 'State', cell: (job) => html`<${StateBadge} state=${job.state} />${job.reason && html` <span class="quiet reason">${job.reason}</span>`}` },
  { title: 'Exit', numeric: true, cell: (job) => job.exit_code ?? '–' },
  { title: 'Project', cell: (job) => job.project },
  { title: 'Nodes', cell: (job) => job.nodes.join(', ') || '–' },
  { title: 'Ran for', numeric: true, cell: (job) => duration(ranFor(job, Date.now())) },
  { title: 'Ended', cell: (job) => time(job.ended_at) },
];

/** @param {{title: string, columns: import('../parts/table.js').Column<any>[], rows: any[], empty: string}} props */
function Section({ title, columns, rows, empty }) {
  const [shown, setShown] = useState(ROWS);
  return html`<div class="block">
    <h2>${title} <span class="quiet">${count(rows.length)}${rows.length >= MOST && ' or more'}</span></h2>
    <${Table} caption=${title} columns=${columns} rows=${rows.slice(0, shown)} rowKey=${(/** @type {{id: string}} */ row) => row.id} empty=${empty} />
    ${rows.length > shown && html`<button type="button" class="small more" onClick=${() => setShown(shown + ROWS)}>Show ${count(Math.min(ROWS, rows.length - shown))} more</button>`}
  </div>`;
}

/** @param {{work: {id: string, name: string}, onClose: () => void, onDone: () => void}} props */
export function CancelDialog({ work, onClose, onDone }) {
  const onSubmit = async () => {
    await call('POST', `/jobs/${encodeURIComponent(work.id)}/cancel`);
    onDone();
  };
  return html`<${Dialog} title=${`Cancel job ${work.id}?`} submit="Cancel job" dismiss="Keep it" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>${work.name && html`<strong>${work.name}</strong> `}It is told to end, and is ended when it does not; of an array, every element that is not over. What it used is charged, its log and output stay.</p>
  <//>`;
}

/** What the filters leave. @param {Asked} asked @param {Item[]} queue @param {Job[]} jobs */
function shownOf({ state, project }, queue, jobs) {
  const own = (/** @type {{project: string}} */ work) => project === '' || work.project === project;
  return {
    waiting: queue.filter((item) => item.state === 'queued' && own(item)),
    running: queue.filter((item) => item.state !== 'queued' && own(item)),
    ended: jobs.filter((job) => isOver(job.state) && own(job) && (!OVER.some((over) => over === state) || job.state === state)),
  };
}

export function Jobs() {
  const [asked, setAsked] = useState(/** @type {Asked} */ ({ state: '', project: '' }));
  const [submitting, setSubmitting] = useState(false);
  const [cancelling, setCancelling] = useState(/** @type {{id: string, name: string}|null} */ (null));
  const projects = useLoad((signal) => (can('read-projects') ? list('/projects', signal) : Promise.resolve([])), []);
  const one = OVER.some((over) => over === asked.state) ? asked.state : '';
  const work = useLoad(async (signal) => {
    const [queue, jobs] = await Promise.all([
      get(`/queue${query({ state: 'live', project: asked.project, limit: String(MOST) })}`, signal),
      get(`/jobs${query({ state: one, project: asked.project, limit: String(ROWS) })}`, signal)]);
    return { queue: queue.data, jobs: jobs.data };
  }, [asked.project, one], 2000);
  const { waiting, running, ended } = shownOf(asked, work.value?.queue ?? [], work.value?.jobs ?? []);
  const shows = (/** @type {string[]} */ ...states) => ['', ...states].includes(asked.state);
  const submit = can('submit-jobs') && html`<button type="button" class="primary" onClick=${() => setSubmitting(true)}>Submit job</button>`;
  return html`<${Page} title="Jobs" about="What waits, what runs and what has ended. The order of starting is the scheduler’s, and so is each reason." actions=${submit}>
    <${ProblemNote} problem=${work.problem ?? projects.problem} onRetry=${work.reload} />
    <div class="filters">
      <${Choice} label="State" name="state" value=${asked.state} options=${STATES} onChange=${(/** @type {any} */ event) => setAsked({ ...asked, state: event.target.value })} />
      <${Choice} label="Project" name="project" value=${asked.project} onChange=${(/** @type {any} */ event) => setAsked({ ...asked, project: event.target.value })}
        options=${[['', 'all'], ...(projects.value ?? []).map((/** @type {{name: string}} */ project) => [project.name, project.name])]} />
    </div>
    ${work.value && shows('queued') && html`<${Section} title="Waiting" columns=${waitingColumns(setCancelling)} rows=${waiting} empty="Nothing waits." />`}
    ${work.value && shows('active') && html`<${Section} title="Running" columns=${runningColumns(setCancelling)} rows=${running} empty="Nothing runs." />`}
    ${work.value && shows('over', ...OVER) && html`<${Section} title="Ended" columns=${ENDED_COLUMNS} rows=${ended} empty="Nothing has ended yet." />`}
    ${submitting && html`<${JobForm} onClose=${() => setSubmitting(false)} />`}
    ${cancelling && html`<${CancelDialog} work=${cancelling} onClose=${() => setCancelling(null)} onDone=${work.reload} />`}
  <//>`;
}
