// @ts-check
import { html, useState } from '../html.js';
import { call } from '../core/api.js';
import { who } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Field, TextArea } from '../parts/field.js';

/** @param {string} kind @param {Record<string, string>} values @returns {Record<string, unknown>} the body of POST /environments */
function bodyOf(kind, values) {
  const given = (/** @type {string} */ name, /** @type {(text: string) => unknown} */ read) => (values[name] ? { [name]: read(values[name]) } : {});
  return { name: values.name, kind, project: who.value?.project, ...given('cpus', Number), ...given('accelerators', Number),
    ...given('accelerator_kind', String), ...(values.memory_gib ? { memory_mib: Math.round(Number(values.memory_gib) * 1024) } : {}),
    ...(values.idle_minutes ? { idle_s: Math.round(Number(values.idle_minutes) * 60) } : {}), ...given('public_key', String) };
}

/** @param {{onClose: () => void, onDone: () => void}} props */
export function EnvironmentForm({ onClose, onDone }) {
  const [kind, setKind] = useState('jupyter');
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('POST', '/environments', { body: bodyOf(kind, values) });
    onDone();
  };
  const radio = (/** @type {string} */ value, /** @type {string} */ text) => html`<label class="check">
    <input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} /> ${text}</label>`;
  return html`<${Dialog} title="Create environment" submit="Create" onClose=${onClose} onSubmit=${onSubmit}>
    <p class="quiet">In project <strong>${who.value?.project}</strong>. Inside it, the platform’s endpoints answer with a key of its own.</p>
    <fieldset class="choices"><legend>Kind</legend>${radio('jupyter', 'A notebook (JupyterLab), in the browser')}${radio('shell', 'A shell, by ssh')}</fieldset>
    <${Field} name="name" label="Name" required maxlength="63" pattern="[a-z0-9]([a-z0-9\\-]*[a-z0-9])?" wide hint="Lower-case letters, digits and hyphens: it becomes part of a host name." />
    ${kind === 'shell' && html`<${TextArea} name="public_key" label="Public ssh key" required rows="3" hint="One line, as in ~/.ssh/id_ed25519.pub. Never the private key." placeholder="ssh-ed25519 AAAA… you@there" />`}
    <div class="fields">
      <${Field} name="cpus" label="Processors" type="number" min="0.1" max="1000" step="any" placeholder="1" />
      <${Field} name="memory_gib" label="Memory, GiB" type="number" min="0.25" step="any" placeholder="2" />
      <${Field} name="accelerators" label="Accelerators" type="number" min="0" max="32" placeholder="0" />
      <${Field} name="accelerator_kind" label="Kind of accelerator" placeholder="any" />
      <${Field} name="idle_minutes" label="Stops when idle for, minutes" type="number" min="0" step="any" hint="Empty: as this site does. 0: never." />
    </div>
  <//>`;
}
