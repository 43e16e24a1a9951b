// @ts-check
import { html, useState } from '../html.js';
import { call, get } from '../core/api.js';
import { euro } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { can } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Field } from '../parts/field.js';
import { ProblemNote } from '../parts/problem_note.js';

/** @typedef {import('../core/types.js').MachinePrice} Price */

/** @param {{price: Price, onClose: () => void, onDone: () => void}} props */
function PriceDialog({ price, onClose, onDone }) {
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('PATCH', '/machine-price', {
      body: { accelerator_eur_per_hour: Number(values.accelerator), core_eur_per_hour: Number(values.core) } });
    onDone();
  };
  return html`<${Dialog} title="Price of machines" submit="Set price" onClose=${onClose} onSubmit=${onSubmit}>
    <p>Holds for jobs and environments that start from now on; what runs keeps the price it began with.</p>
    <div class="fields"><${Field} name="accelerator" label="€ for an accelerator, an hour" type="number" min="0" step="any" required value=${price.accelerator_eur_per_hour} />
    <${Field} name="core" label="€ for a core, an hour" type="number" min="0" step="any" required value=${price.core_eur_per_hour} /></div>
  <//>`;
}

/** What jobs and environments cost for what they hold. */
export function MachinePrice() {
  const loaded = useLoad((signal) => get('/machine-price', signal), []);
  const [setting, setSetting] = useState(false);
  /** @type {Price|undefined} */
  const price = loaded.value;
  return html`<${ProblemNote} problem=${loaded.problem} onRetry=${loaded.reload} />
    ${price && html`<p>What jobs and environments hold costs ${euro(price.accelerator_eur_per_hour)} for an accelerator
      and ${euro(price.core_eur_per_hour)} for a core, an hour.
      ${can('manage-prices') && html` <button type="button" class="small" onClick=${() => setSetting(true)}>Set price of machines</button>`}</p>`}
    ${price && setting && html`<${PriceDialog} price=${price} onClose=${() => setSetting(false)} onDone=${loaded.reload} />`}`;
}
