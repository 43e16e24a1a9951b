// @ts-check
import { html, useState } from '../html.js';
import { call, list } from '../core/api.js';
import { useLoad } from '../core/load.js';
import { Dialog } from '../parts/dialog.js';
import { Choice, Field } from '../parts/field.js';
import { ProblemNote } from '../parts/problem_note.js';

/** @param {{models: import('../core/types.js').Model[]}} props */
function LocalFields({ models }) {
  const ready = models.filter((model) => model.state === 'ready');
  return html`<${Choice} name="model" label="Model" required options=${ready.map((model) => [model.name, model.name])} />
    <${Field} name="least" label="Replicas at least" type="number" min="0" max="64" value="1" required hint="0: it sleeps when nobody asks." />
    <${Field} name="most" label="Replicas at most" type="number" min="0" max="64" value="1" required />
    <label class="check"><input type="checkbox" name="embeds" value="yes" /> It embeds texts instead of writing them</label>`;
}

function UpstreamFields() {
  return html`<${Field} name="upstream_url" label="Address" type="url" required wide placeholder="https://host/v1" />
    <${Field} name="upstream_model" label="Model there" wide hint="Empty: the name of this endpoint." />
    <${Field} name="upstream_key" label="Key there" type="password" wide hint="Kept on the server, and never shown again." />`;
}

/** @param {Record<string, string>} values @returns {Record<string, unknown>} the body of POST /endpoints */
function bodyOf(values) {
  const { name, kind } = values;
  if (kind === 'local') return { name, model: values.model, min_replicas: Number(values.least), max_replicas: Number(values.most), embeds: values.embeds === 'yes' };
  const given = ['upstream_url', 'upstream_model', 'upstream_key'].filter((field) => values[field]);
  return { name, ...Object.fromEntries(given.map((field) => [field, values[field]])) };
}

/** @param {{onClose: () => void, onDone: () => void}} props */
export function EndpointForm({ onClose, onDone }) {
  const [kind, setKind] = useState('local');
  const models = useLoad((signal) => list('/models', signal), []);
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('POST', '/endpoints', { body: bodyOf(values) });
    onDone();
  };
  const radio = (/** @type {string} */ value, /** @type {string} */ text) => html`<label class="check">
    <input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} /> ${text}</label>`;
  return html`<${Dialog} title="Create endpoint" submit="Create" onClose=${onClose} onSubmit=${onSubmit}>
    <${ProblemNote} problem=${models.problem} />
    <${Field} name="name" label="Name" required maxlength="63" pattern="[a-z0-9]([a-z0-9.\\-]*[a-z0-9])?" wide
      hint="Lower-case letters, digits, dots and hyphens: what clients send as model." />
    <fieldset class="choices"><legend>What answers</legend>${radio('local', 'A model on this site')}${radio('upstream', 'An OpenAI-compatible upstream')}</fieldset>
    <div class="fields">${kind === 'local' ? html`<${LocalFields} models=${models.value ?? []} />` : html`<${UpstreamFields} />`}</div>
  <//>`;
}
