// @ts-check
import { html, useState } from '../html.js';
import { list } from '../core/api.js';
import { time } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { link } from '../core/router.js';
import { can } from '../core/session.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { EndpointForm } from './endpoint_form.js';

/** @typedef {import('../core/types.js').Endpoint} Endpoint */

/** @type {import('../parts/table.js').Column<Endpoint>[]} */
const COLUMNS = [
  { title: 'Name', heads: true, cell: (endpoint) => html`<a href=${link('endpoints', endpoint.name)}>${endpoint.name}</a>` },
  { title: 'State', cell: (endpoint) => html`<${StateBadge} state=${endpoint.state} />${endpoint.reason && html` <span class="quiet">${endpoint.reason}</span>`}` },
  { title: 'Answers with', cell: (endpoint) => endpoint.model ?? html`${endpoint.upstream_model ?? ''} <span class="quiet">${endpoint.upstream_url}</span>` },
  { title: 'Kind', cell: (endpoint) => (endpoint.upstream_url ? 'upstream' : endpoint.embeds ? 'embeddings' : 'text') },
  { title: 'Replicas ready', numeric: true, cell: (endpoint) => (endpoint.upstream_url ? '–' : `${endpoint.ready_replicas} of ${endpoint.replicas}`) },
  { title: 'Since', cell: (endpoint) => time(endpoint.created_at) },
];

export function Endpoints() {
  const endpoints = useLoad((signal) => list('/endpoints', signal), [], 2000);
  const [creating, setCreating] = useState(false);
  const create = can('manage-endpoints') && html`<button type="button" class="primary" onClick=${() => setCreating(true)}>Create endpoint</button>`;
  return html`<${Page} title="Endpoints" about="Stable names that requests are sent to, and what answers behind them." actions=${create}>
    <${ProblemNote} problem=${endpoints.problem} onRetry=${endpoints.reload} />
    ${endpoints.value && html`<${Table} caption="Endpoints" columns=${COLUMNS} rows=${endpoints.value}
      rowKey=${(/** @type {Endpoint} */ endpoint) => endpoint.name} empty="There is no endpoint yet. One makes a model, or an upstream, answer under a name." />`}
    ${creating && html`<${EndpointForm} onClose=${() => setCreating(false)} onDone=${endpoints.reload} />`}
  <//>`;
}
