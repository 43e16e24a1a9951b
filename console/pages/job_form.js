// @ts-check
import { html, useState } from '../html.js';
import { call } from '../core/api.js';
import { go } from '../core/router.js';
import { who } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Choice, Field, TextArea } from '../parts/field.js';

/** @type {[string, string][]} */
const CLASSES = [['low', 'low'], ['normal', 'normal'], ['high', 'high']];

/** Texts that go into the job file as they are, and numbers. */
const TEXTS = ['name', 'image', 'memory', 'time_limit', 'array', 'accelerator_kind', 'priority_class'];
const NUMBERS = ['cpus', 'accelerators', 'nodes', 'tasks_per_node', 'retries'];

/** @param {Record<string, string>} values @returns {Record<string, unknown>} the body of POST /jobs */
export function bodyOf(values) {
  const text = values.command.replaceAll('\r', '');
  const command = values.form === 'arguments' ? text.split('\n').filter(Boolean) : ['sh', '-c', text];
  const texts = TEXTS.filter((key) => values[key]).map((key) => [key, values[key]]);
  const numbers = NUMBERS.filter((key) => values[key]).map((key) => [key, Number(values[key])]);
  return { command, ...Object.fromEntries([...texts, ...numbers]), ...(values.deferrable === 'yes' ? { deferrable: true } : {}) };
}

/** Submits into the project of the key, then shows the job. @param {{onClose: () => void}} props */
export function JobForm({ onClose }) {
  const [form, setForm] = useState('script');
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    const job = await call('POST', '/jobs', { body: bodyOf(values) });
    go('jobs', job.id);
  };
  const radio = (/** @type {string} */ value, /** @type {string} */ text) => html`<label class="check">
    <input type="radio" name="form" value=${value} checked=${form === value} onChange=${() => setForm(value)} /> ${text}</label>`;
  return html`<${Dialog} title="Submit job" submit="Submit" onClose=${onClose} onSubmit=${onSubmit}>
    <p class="quiet">In project <strong>${who.value?.project}</strong>. A job that needs files from this computer is sent with <code>millrace job submit</code>.</p>
    <fieldset class="choices"><legend>What is written below</legend>${radio('script', 'A shell script')}${radio('arguments', 'A program and its arguments, one a line')}</fieldset>
    <${TextArea} name="command" label="Command" required rows="4" placeholder=${form === 'script' ? 'python3 -c "print(6 * 7)"' : 'python3\n-c\nprint(6 * 7)'} />
    <div class="fields">
      <${Field} name="name" label="Name" maxlength="128" />
      <${Field} name="image" label="Image" placeholder="base" />
      <${Field} name="cpus" label="Processors" type="number" min="0.01" step="any" inputmode="decimal" placeholder="1" />
      <${Field} name="memory" label="Memory" placeholder="2GiB" pattern="[0-9]+(\\.[0-9]+)? ?[KMGT]?i?B?" />
      <${Field} name="accelerators" label="Accelerators" type="number" min="0" max="32" step="any" inputmode="decimal" placeholder="0" />
      <${Field} name="accelerator_kind" label="Kind of accelerator" placeholder="any" />
      <${Field} name="array" label="Array" placeholder="0-99" pattern="[0-9,:\\-]+" hint="Empty: one job." />
      <${Field} name="time_limit" label="Time limit" placeholder="30m" pattern="([0-9]+[dhms]?)+" />
      <${Choice} name="priority_class" label="Priority class" options=${CLASSES} value="normal" />
      <${Field} name="nodes" label="Nodes" type="number" min="1" max="10000" placeholder="1" />
      <${Field} name="tasks_per_node" label="Tasks on each node" type="number" min="1" max="10000" placeholder="1" />
      <${Field} name="retries" label="Retries" type="number" min="0" max="1000" placeholder="0" />
      <label class="check"><input type="checkbox" name="deferrable" value="yes" /> It may wait for hours of cleaner power</label>
    </div>
  <//>`;
}
