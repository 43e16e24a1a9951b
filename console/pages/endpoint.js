// @ts-check
import { html, useState } from '../html.js';
import { call, get, list } from '../core/api.js';
import { bytes, count, time } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { go, link } from '../core/router.js';
import { can } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Field } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { ReplicaLog } from './replica_log.js';

/** @typedef {import('../core/types.js').Replica} Replica */

/** @param {(id: string) => void} showLog @returns {import('../parts/table.js').Column<Replica>[]} */
const columns = (showLog) => [
  { title: 'Replica', heads: true, cell: (replica) => html`<code>${replica.id}</code>` },
  { title: 'State', cell: (replica) => html`<${StateBadge} state=${replica.state} />${replica.reason && html` <span class="quiet">${replica.reason}</span>`}` },
  { title: 'Process', numeric: true, cell: (replica) => replica.pid ?? '–' },
  { title: 'Slots', numeric: true, cell: (replica) => count(replica.slots) },
  { title: 'Context', numeric: true, cell: (replica) => count(replica.context_tokens) },
  { title: 'Processors', cell: (replica) => replica.cpus.join(', ') || 'any' },
  { title: 'Limits', cell: (replica) => [replica.limits_kind, replica.memory_limit_bytes && bytes(replica.memory_limit_bytes)].filter(Boolean).join(', ') || '–' },
  { title: 'Restarts', numeric: true, cell: (replica) => count(replica.restarts) },
  { title: 'Started', cell: (replica) => time(replica.started_at) },
  ...(can('read-replica-logs') ? [{ title: 'Actions', quiet: true, cell: (/** @type {Replica} */ replica) => html`<button type="button" class="small"
    aria-label=${`Log of ${replica.id}`} onClick=${() => showLog(replica.id)}>Log</button>` }] : []),
];

/** @param {{endpoint: import('../core/types.js').Endpoint, onClose: () => void, onDone: () => void}} props */
function ScaleDialog({ endpoint, onClose, onDone }) {
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('PATCH', `/endpoints/${endpoint.name}`, { body: { min_replicas: Number(values.least), max_replicas: Number(values.most) } });
    onDone();
  };
  return html`<${Dialog} title=${`Replicas of ${endpoint.name}`} submit="Change" onClose=${onClose} onSubmit=${onSubmit}>
    <div class="fields"><${Field} name="least" label="At least" type="number" min="0" max="64" required value=${endpoint.min_replicas} hint="0: it sleeps when nobody asks." />
    <${Field} name="most" label="At most" type="number" min="0" max="64" required value=${endpoint.max_replicas} hint="The load decides. Those that go finish their answers." /></div>
  <//>`;
}

/** @param {{name: string, onClose: () => void}} props */
function DeleteDialog({ name, onClose }) {
  const onSubmit = async () => {
    await call('DELETE', `/endpoints/${name}`);
    go('endpoints');
  };
  return html`<${Dialog} title=${`Delete ${name}?`} submit="Delete endpoint" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>Requests to <strong>${name}</strong> get 404 from now on. Its replicas finish what they are writing and stop. The model and the usage records stay.</p>
  <//>`;
}

/** One endpoint with its replicas and their logs. @param {{name: string}} props */
export function Endpoint({ name }) {
  const endpoint = useLoad((signal) => get(`/endpoints/${encodeURIComponent(name)}`, signal), [name], 2000);
  const replicas = useLoad((signal) => list(`/endpoints/${encodeURIComponent(name)}/replicas`, signal), [name], 2000);
  const [asked, setAsked] = useState('');
  const [logOf, setLogOf] = useState('');
  /** @type {import('../core/types.js').Endpoint|null} */
  const shown = endpoint.value;
  const close = () => setAsked('');
  const actions = shown && can('manage-endpoints') && html`
    ${!shown.upstream_url && html`<button type="button" onClick=${() => setAsked('scale')}>Change replicas</button>`}
    <button type="button" class="danger" onClick=${() => setAsked('delete')}>Delete endpoint</button>`;
  return html`<${Page} title=${name} actions=${actions} about=${html`<a href=${link('endpoints')}>Endpoints</a>${shown && html` · <${StateBadge} state=${shown.state} />
      ${shown.reason ?? ''} · ${shown.model ?? shown.upstream_url}`}`}>
    <${ProblemNote} problem=${endpoint.problem ?? replicas.problem} onRetry=${endpoint.reload} />
    ${replicas.value && html`<${Table} caption="Replicas" columns=${columns(setLogOf)} rows=${replicas.value} rowKey=${(/** @type {Replica} */ replica) => replica.id}
      empty=${shown?.upstream_url ? 'An upstream answers: there are no replicas on this site.' : 'No replica runs.'} />`}
    ${logOf && html`<${ReplicaLog} key=${logOf} id=${logOf} onClose=${() => setLogOf('')} />`}
    ${asked === 'scale' && shown && html`<${ScaleDialog} endpoint=${shown} onClose=${close} onDone=${endpoint.reload} />`}
    ${asked === 'delete' && html`<${DeleteDialog} name=${name} onClose=${close} />`}
  <//>`;
}
