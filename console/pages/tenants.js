// @ts-check
import { html, useState } from '../html.js';
import { call, get, list } from '../core/api.js';
import { computeQuota, quota, time } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { can } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Choice, Field } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Table } from '../parts/table.js';
import { ComputeQuotaForm } from './compute_quota_form.js';
import { QuotaForm } from './quota_form.js';

/** @typedef {import('../core/types.js').QuotaState} QuotaState */
/** @typedef {import('../core/types.js').ComputeQuotaState} ComputeQuotaState */
/** @typedef {{state: QuotaState, compute: ComputeQuotaState|null}} Quotas compute: null where it is not known */
/** @typedef {{name: string, created_at: string, projects: ProjectRow[]} & Quotas} TenantRow */
/** @typedef {{name: string, tenant: string, created_at: string} & Quotas} ProjectRow */
/** @typedef {{path: string, name: string, state: QuotaState}} Target what a quota form is about */
/** @typedef {{requests: (target: Target) => void, machines: (target: import('./compute_quota_form.js').ComputeTarget) => void}} Edit */

const NAME = { required: true, maxlength: 63, pattern: '[a-z0-9]([a-z0-9.\\-]*[a-z0-9])?', wide: true,
  hint: 'Lower-case letters, digits, dots and hyphens.' };

/** @param {AbortSignal} signal @returns {Promise<TenantRow[]>} */
async function fetchAll(signal) {
  /** @type {[import('../core/types.js').Tenant[], import('../core/types.js').Project[]]} */
  const [tenants, projects] = await Promise.all([list('/tenants', signal), list('/projects', signal)]);
  const quotasAt = async (/** @type {string} */ path) => {
    const [state, compute] = await Promise.all([get(`/quotas/${path}`, signal).catch(() => ({ quota: null, inherited: false })),
      get(`/quotas/${path}/compute`, signal).catch(() => null)]);
    return { state, compute };
  };
  const ofTenant = (/** @type {string} */ name) => (can('read-quotas') ? quotasAt(`tenants/${name}`) : { state: null, compute: null });
  return Promise.all(tenants.map(async (tenant) => ({ ...tenant, .../** @type {Quotas} */ (await ofTenant(tenant.name)),
    projects: await Promise.all(projects.filter((project) => project.tenant === tenant.name)
      .map(async (project) => ({ ...project, ...await quotasAt(`projects/${project.name}`) }))) })));
}

/** @param {Edit} edit @returns {import('../parts/table.js').Column<ProjectRow>[]} */
const columns = (edit) => [
  { title: 'Project', heads: true, cell: (project) => project.name },
  { title: 'Quota', cell: (project) => (project.state.inherited ? html`<span class="quiet">its tenant’s</span>` : quota(project.state.quota)) },
  { title: 'Machines', cell: (project) => (project.compute === null ? '–' : project.compute.inherited ? html`<span class="quiet">its tenant’s</span>` : computeQuota(project.compute.quota)) },
  { title: 'Made', cell: (project) => time(project.created_at) },
  ...(can('manage-project-quota') ? [{ title: 'Actions', quiet: true, cell: (/** @type {ProjectRow} */ project) => html`<${QuotaButtons} kind="project" owner=${project} edit=${edit} />` }] : []),
];

/** @param {{kind: 'tenant'|'project', owner: {name: string} & Quotas, edit: Edit}} props */
function QuotaButtons({ kind, owner, edit }) {
  const [path, name] = [`${kind}s/${owner.name}`, `${kind} ${owner.name}`];
  const { state, compute } = owner;
  return html`<span class="row-actions"><button type="button" class="small" aria-label=${`Set quota of ${name}`} onClick=${() => edit.requests({ path, name, state })}>Set quota</button>
    ${compute && html`<button type="button" class="small" aria-label=${`Set machines of ${name}`} onClick=${() => edit.machines({ path, name, state: compute })}>Set machines</button>`}</span>`;
}

/** @param {{tenant: TenantRow, edit: Edit}} props */
function Tenant({ tenant, edit }) {
  return html`<section class="tenant" aria-label=${`Tenant ${tenant.name}`}>
    <header><h2>${tenant.name}</h2><span class=${tenant.state?.quota === null ? 'badge bad' : 'badge calm'}>${quota(tenant.state?.quota ?? null)}</span>
      ${tenant.compute && html`<span class=${tenant.compute.quota === null ? 'badge bad' : 'badge calm'}>${computeQuota(tenant.compute.quota)}</span>`}
      ${can('manage-tenant-quota') && html`<${QuotaButtons} kind="tenant" owner=${tenant} edit=${edit} />`}
    </header>
    <${Table} caption=${`Projects of ${tenant.name}`} columns=${columns(edit)} rows=${tenant.projects}
      rowKey=${(/** @type {ProjectRow} */ project) => project.name} empty="No project yet: keys belong to one." />
  </section>`;
}

/** @param {{what: string, tenants: string[], onClose: () => void, onDone: () => void}} props what: "tenants" or "projects" */
function CreateDialog({ what, tenants, onClose, onDone }) {
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('POST', `/${what}`, { body: values });
    onDone();
  };
  const isProject = what === 'projects';
  return html`<${Dialog} title=${isProject ? 'Create project' : 'Create tenant'} submit="Create" onClose=${onClose} onSubmit=${onSubmit}>
    <${Field} name="name" label="Name" ...${NAME} />
    ${isProject ? html`<${Choice} name="tenant" label="Tenant" required options=${tenants.map((name) => [name, name])} />`
    : html`<p class="quiet">A new tenant can do nothing until it is given a quota.</p>`}
  <//>`;
}

export function Tenants() {
  const tenants = useLoad(fetchAll, []);
  const [creating, setCreating] = useState('');
  const [target, setTarget] = useState(/** @type {Target|null} */ (null));
  const [machines, setMachines] = useState(/** @type {import('./compute_quota_form.js').ComputeTarget|null} */ (null));
  const actions = html`
    ${can('manage-projects') && html`<button type="button" onClick=${() => setCreating('projects')}>Create project</button>`}
    ${can('manage-tenants') && html`<button type="button" class="primary" onClick=${() => setCreating('tenants')}>Create tenant</button>`}`;
  return html`<${Page} title="Tenants and quotas" about="Who shares this site, in which projects, and how much each may use." actions=${actions}>
    <${ProblemNote} problem=${tenants.problem} onRetry=${tenants.reload} />
    ${tenants.value?.map((tenant) => html`<${Tenant} key=${tenant.name} tenant=${tenant} edit=${{ requests: setTarget, machines: setMachines }} />`)}
    ${creating && html`<${CreateDialog} what=${creating} tenants=${tenants.value?.map((tenant) => tenant.name) ?? []} onClose=${() => setCreating('')} onDone=${tenants.reload} />`}
    ${target && html`<${QuotaForm} target=${target} onClose=${() => setTarget(null)} onDone=${tenants.reload} />`}
    ${machines && html`<${ComputeQuotaForm} target=${machines} onClose=${() => setMachines(null)} onDone=${tenants.reload} />`}
  <//>`;
}
