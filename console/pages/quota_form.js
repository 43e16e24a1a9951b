// @ts-check
import { html, useState } from '../html.js';
import { call, Problem } from '../core/api.js';
import { Dialog } from '../parts/dialog.js';
import { LimitsFields, limitsOf } from '../parts/limits_fields.js';

/** @param {'none'|'unlimited'|'limits'} kind @param {Record<string, string>} values @returns {import('../core/types.js').Quota} */
function quotaOf(kind, values) {
  if (kind === 'none') return null;
  if (kind === 'unlimited') return { unlimited: true };
  const limits = limitsOf(values);
  if (Object.keys(limits).length === 0) throw new Problem(422, 'invalid_argument', 'No limit given', 'Give at least one limit, or choose "Unlimited".');
  return limits;
}

/** @param {{target: import('./tenants.js').Target, onClose: () => void, onDone: () => void}} props */
export function QuotaForm({ target, onClose, onDone }) {
  const { quota, inherited } = target.state;
  const own = inherited ? null : quota;
  const [kind, setKind] = useState(/** @type {'none'|'unlimited'|'limits'} */ (own === null ? 'none' : own.unlimited ? 'unlimited' : 'limits'));
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('PUT', `/quotas/${target.path}`, { body: quotaOf(kind, values) });
    onDone();
  };
  const radio = (/** @type {typeof kind} */ value, /** @type {string} */ text) => html`<label class="check">
    <input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} /> ${text}</label>`;
  const isProject = target.path.startsWith('projects/');
  return html`<${Dialog} title=${`Quota of ${target.name}`} submit="Set quota" onClose=${onClose} onSubmit=${onSubmit}>
    <fieldset class="choices"><legend>It may use</legend>
      ${radio('none', isProject ? 'What its tenant may use' : 'Nothing')}${radio('unlimited', 'Unlimited')}${radio('limits', 'Up to limits')}</fieldset>
    ${kind === 'limits' && html`<${LimitsFields} limits=${own ?? {}} />`}
  <//>`;
}
