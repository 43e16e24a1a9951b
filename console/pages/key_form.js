// @ts-check
import { html } from '../html.js';
import { call, list } from '../core/api.js';
import { useLoad } from '../core/load.js';
import { who } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Choice, Field } from '../parts/field.js';
import { LimitsFields, limitsOf } from '../parts/limits_fields.js';
import { ProblemNote } from '../parts/problem_note.js';

/** @type {[string, string][]} */
const ROLES = [
  ['developer', 'developer: uses endpoints'], ['viewer', 'viewer: reads usage'], ['tenant-admin', 'tenant-admin: keys and projects of a tenant'],
  ['auditor', 'auditor: reads everything'], ['operator', 'operator: models and endpoints'], ['platform-admin', 'platform-admin: everything'],
];

/** A role hands out no more than it has; the server decides, this only spares a refusal. */
const grantable = () => (who.value?.role === 'platform-admin' ? ROLES : ROLES.slice(0, 3));

/** @param {{onClose: () => void, onCreated: (text: string) => void}} props */
export function KeyForm({ onClose, onCreated }) {
  const projects = useLoad((signal) => list('/projects', signal), []);
  /** @type {import('../core/types.js').Project[]} */
  const choices = projects.value ?? [];
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    const expires = values.expires ? new Date(values.expires).toISOString() : null;
    const created = await call('POST', '/keys', {
      body: { project: values.project, role: values.role, limits: limitsOf(values), expires } });
    onCreated(created.key);
  };
  return html`<${Dialog} title="Create key" submit="Create key" onClose=${onClose} onSubmit=${onSubmit}>
    <${ProblemNote} problem=${projects.problem} />
    <div class="fields">
      <${Choice} name="project" label="Project" required options=${choices.map((project) => [project.name, `${project.name} (${project.tenant})`])} />
      <${Choice} name="role" label="Role" options=${grantable()} value="developer" />
      <${Field} name="expires" label="Expires" type="datetime-local" hint="Empty: never." />
    </div>
    <${LimitsFields} />
  <//>`;
}
