// @ts-check
import { html, useState } from '../html.js';
import { download, get } from '../core/api.js';
import { UNKNOWN, bytes, clock, count, duration, energy, euro, grams, number, time, words } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { link } from '../core/router.js';
import { saveFile } from '../core/save.js';
import { can } from '../core/session.js';
import { indicesOf, isOver, ranFor } from '../core/work.js';
import { Choice } from '../parts/field.js';
import { LogView } from '../parts/log_view.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Stat } from '../parts/stat.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { CancelDialog } from './jobs.js';

/** @typedef {import('../core/types.js').Job} Job */
/** @typedef {import('../core/types.js').JobFile} JobFile */
/** @typedef {import('../core/types.js').JobRun} JobRun */

const MOST_LINKS = 500;
const PIECE_BYTES = 4 << 20;

/** What it took so far. @param {{job: Job}} props */
function Figures({ job }) {
  return html`<dl class="stats">
    <${Stat} label="Ran for" value=${duration(ranFor(job, Date.now()))} note=${job.attempts === 1 ? '1 attempt' : `${count(job.attempts)} attempts`} />
    <${Stat} label="Accelerators" value=${number(job.accelerator_s)} unit="s" note="accelerator-seconds" />
    <${Stat} label="Processors" value=${number(job.cpu_s)} unit="s" note="CPU seconds" />
    <${Stat} label="Energy" value=${energy(job.energy_j)} note=${job.basis} />
    <${Stat} label="CO₂e" value=${grams(job.co2e_g)} note="location-based" />
    <${Stat} label="Cost" value=${euro(job.cost_microeur / 1e6)} />
  </dl>`;
}

/** @param {{job: Job}} props */
function Facts({ job }) {
  /** @type {[string, any][]} */
  const facts = [
    ['Expected start', job.expected_start && time(job.expected_start)], ['Submitted', time(job.submitted_at)],
    ['Started', job.started_at && `${time(job.started_at)} (${clock(job.started_at)})`],
    ['Ended', job.ended_at && `${time(job.ended_at)} (${clock(job.ended_at)})`],
    ['Exit code', job.exit_code], ['Nodes', job.nodes.length > 0 && job.nodes.join(', ')],
    ['Project', `${job.project} of ${job.tenant}`], ['Submitted by', job.user], ['Basis of the figures', job.basis],
    ['Array', job.array && `${job.array}: ${count(job.elements)} elements`],
  ];
  return html`<dl class="facts">${facts.filter(([, value]) => value != null && value !== false && value !== '').map(([title, value]) => html`<div>
    <dt>${title}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @type {import('../parts/table.js').Column<JobRun>[]} */
const RUN_COLUMNS = [
  { title: 'Run', heads: true, numeric: true, cell: (run) => count(run.number) },
  { title: 'Outcome', cell: (run) => html`<${StateBadge} state=${run.outcome} />` },
  { title: 'Started', cell: (run) => `${time(run.started_at)} (${clock(run.started_at)})` },
  { title: 'Ended', cell: (run) => `${time(run.ended_at)} (${clock(run.ended_at)})` },
  { title: 'Ran for', numeric: true, cell: (run) => duration(ranFor(run, 0)) },
  { title: 'Nodes', cell: (run) => run.nodes.join(', ') || UNKNOWN },
  { title: 'Reason', cell: (run) => run.reason ?? '' },
];

/** The runs that ended, the last first. @param {{job: Job}} props */
function Runs({ job }) {
  if (job.runs.length === 0) return null;
  const first = job.runs[0].number;
  return html`<section class="block" aria-labelledby="runs-title">
    <h2 id="runs-title">Runs that ended ${first > 1 && html`<span class="quiet">run ${count(first)} and later; older ones are not kept</span>`}</h2>
    <${Table} caption="Runs" columns=${RUN_COLUMNS} rows=${job.runs.toReversed()} rowKey=${(/** @type {JobRun} */ run) => String(run.number)} empty="" />
  </section>`;
}

/** The elements of an array, each with a page of its own. @param {{job: Job}} props */
function Elements({ job }) {
  const indices = indicesOf(job.array ?? '', MOST_LINKS);
  return html`<section class="block" aria-label="Elements">
    <h2>Elements <span class="quiet">${Object.entries(job.counts ?? {}).map(([state, n]) => `${count(n)} ${words(state)}`).join(', ')}</span></h2>
    <ul class="links">${indices.map((index) => html`<li><a href=${link('jobs', `${job.id}_${index}`)}>${job.id}_${index}</a></li>`)}</ul>
    ${job.elements > indices.length && html`<p class="quiet">The first ${count(indices.length)} of ${count(job.elements)}.</p>`}
  </section>`;
}

/** @param {{job: Job}} props */
function Log({ job }) {
  const [task, setTask] = useState('0');
  const [tasks, setTasks] = useState(1);
  const fetchPiece = async (/** @type {number} */ next, /** @type {number|null} */ run, /** @type {AbortSignal} */ signal) => {
    /** @type {import('../core/types.js').JobLogPiece} */
    const piece = await get(`/jobs/${encodeURIComponent(job.id)}/log?task=${task}&from=${next}${run === null ? '' : `&run=${run}`}`, signal);
    if (piece.tasks > 0) setTasks(piece.tasks);
    return piece;
  };
  const options = Array.from({ length: tasks }, (_, at) => [String(at), `task ${at}`]);
  return html`<${LogView} key=${task} label=${`Log of job ${job.id}`} title=${html`<h2>Log</h2>`} fetchPiece=${fetchPiece} grows=${!isOver(job.state)}
    actions=${tasks > 1 && html`<${Choice} label="Task" name="task" value=${task} options=${options} onChange=${(/** @type {any} */ event) => setTask(event.target.value)} />`} />`;
}

/** What it left under $MILLRACE_OUTPUT, each file to save. @param {{job: Job}} props */
function Files({ job }) {
  const path = `/jobs/${encodeURIComponent(job.id)}/artifacts`;
  const files = useLoad((signal) => get(`${path}?limit=200`, signal), [job.state], 0);
  const [saving, setSaving] = useState('');
  const save = async (/** @type {JobFile} */ file) => {
    setSaving(`Fetching ${file.path}…`);
    try {
      /** @type {Blob[]} */
      const pieces = [];
      for (let from = 0; ;) {
        const piece = await download(`${path}/content?path=${encodeURIComponent(file.path)}&from=${from}&max=${PIECE_BYTES}`);
        if (piece.size === 0) break;
        pieces.push(piece);
        from += piece.size;
      }
      saveFile(file.path.split('/').pop() ?? 'file', new Blob(pieces));
      setSaving(`${file.path} saved.`);
    } catch (thrown) {
      setSaving(`Not saved: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  };
  const columns = [
    { title: 'File', heads: true, cell: (/** @type {JobFile} */ file) => html`<code>${file.path}</code>${file.link && html` → <code>${file.link}</code>`}` },
    { title: 'Size', numeric: true, cell: (/** @type {JobFile} */ file) => bytes(file.size_bytes) },
    { title: 'Written', cell: (/** @type {JobFile} */ file) => time(file.modified_at) },
    { title: 'Actions', quiet: true, cell: (/** @type {JobFile} */ file) => !file.link && html`<button type="button" class="small" aria-label=${`Save ${file.path}`} onClick=${() => save(file)}>Save</button>` },
  ];
  if (!files.value || files.value.data.length === 0) return null;
  return html`<section class="block" aria-label="Output"><h2>Output <span class="quiet" role="status">${saving}</span></h2>
    <${Table} caption="Files it left" columns=${columns} rows=${files.value.data} rowKey=${(/** @type {JobFile} */ file) => file.path} empty="" /></section>`;
}

/** One job, or one element of an array: state, figures, log. @param {{id: string}} props */
export function Job({ id }) {
  const [over, setOver] = useState(false);
  const loaded = useLoad(async (signal) => {
    /** @type {Job} */
    const job = await get(`/jobs/${encodeURIComponent(id)}`, signal);
    setOver(isOver(job.state));
    return job;
  }, [id, over], over ? 0 : 1000);
  const [cancelling, setCancelling] = useState(false);
  /** @type {Job|null} */
  const job = loaded.value;
  const array = id.includes('_') && id.split('_')[0];
  const cancel = job && !over && !job.stopping && can('manage-jobs') && html`<button type="button" class="danger" onClick=${() => setCancelling(true)}>Cancel job</button>`;
  return html`<${Page} title=${`Job ${id}`} actions=${cancel} about=${html`<a href=${link('jobs')}>Jobs</a>${array && html` · <a href=${link('jobs', array)}>array ${array}</a>`}
      ${job?.name && html` · ${job.name}`}${job && html` · <${StateBadge} state=${job.state} /> ${job.stopping && !over && 'told to end. '}${job.reason ?? ''}`}`}>
    <${ProblemNote} problem=${loaded.problem} onRetry=${loaded.reload} />
    ${job && html`<${Figures} job=${job} /><${Facts} job=${job} /><${Runs} job=${job} />`}
    ${job?.array && html`<${Elements} job=${job} />`}
    ${job && !job.array && can('read-job-output') && html`<${Log} job=${job} /><${Files} job=${job} />`}
    ${cancelling && job && html`<${CancelDialog} work=${job} onClose=${() => setCancelling(false)} onDone=${loaded.reload} />`}
  <//>`;
}
