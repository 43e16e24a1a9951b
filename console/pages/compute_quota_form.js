// @ts-check
import { html, useState } from '../html.js';
import { call } from '../core/api.js';
import { Dialog } from '../parts/dialog.js';
import { Field } from '../parts/field.js';

const GIB = 2 ** 30;

/** @typedef {import('../core/types.js').ComputeQuota} ComputeQuota */
/** @typedef {{path: string, name: string, state: import('../core/types.js').ComputeQuotaState}} ComputeTarget */

/** @param {string} kind @param {Record<string, string>} values @returns {ComputeQuota} */
function quotaOf(kind, values) {
  if (kind === 'none') return null;
  if (kind === 'unlimited') return { unlimited: true };
  return { ...(values.accelerators ? { accelerators: Number(values.accelerators) } : {}), ...(values.cpus ? { cpus: Number(values.cpus) } : {}),
    ...(values.memory_gib ? { memory_bytes: Math.round(Number(values.memory_gib) * GIB) } : {}),
    borrow: values.borrow === 'yes', share: Number(values.share || 1) };
}

/** How much of the machines a tenant or project may hold. @param {{target: ComputeTarget, onClose: () => void, onDone: () => void}} props */
export function ComputeQuotaForm({ target, onClose, onDone }) {
  const { quota, inherited } = target.state;
  const own = inherited ? null : quota;
  const [kind, setKind] = useState(own === null ? 'none' : own.unlimited ? 'unlimited' : 'amounts');
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('PUT', `/quotas/${target.path}/compute`, { body: quotaOf(kind, values) });
    onDone();
  };
  const radio = (/** @type {string} */ value, /** @type {string} */ text) => html`<label class="check">
    <input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} /> ${text}</label>`;
  const isProject = target.path.startsWith('projects/');
  return html`<${Dialog} title=${`Machines of ${target.name}`} submit="Set machines" onClose=${onClose} onSubmit=${onSubmit}>
    <fieldset class="choices"><legend>It may hold at once</legend>
      ${radio('none', isProject ? 'What its tenant may hold' : 'What follows from its quota of requests')}${radio('unlimited', 'All machines')}${radio('amounts', 'Up to amounts')}</fieldset>
    ${kind === 'amounts' && html`<div class="fields">
      <${Field} name="accelerators" label="Accelerators" type="number" min="0" step="any" value=${own?.accelerators ?? ''} hint="Empty: no ceiling." />
      <${Field} name="cpus" label="Processors" type="number" min="0" step="any" value=${own?.cpus ?? ''} hint="Empty: no ceiling." />
      <${Field} name="memory_gib" label="Memory, GiB" type="number" min="0" step="any" value=${own?.memory_bytes == null ? '' : own.memory_bytes / GIB} hint="Empty: no ceiling." />
      <${Field} name="share" label="Share" type="number" min="0.001" max="1000" step="any" value=${own?.share ?? 1} hint="Weight against its neighbours." />
      <label class="check"><input type="checkbox" name="borrow" value="yes" defaultChecked=${own?.borrow !== false} /> It may use beyond it what others leave, until they want it back</label>
    </div>`}
  <//>`;
}
