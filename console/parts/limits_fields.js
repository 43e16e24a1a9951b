// @ts-check
import { html } from '../html.js';
import { Field } from './field.js';

const FIELDS = /** @type {const} */ ([
  ['requests_per_minute', 'Requests per minute', '1'], ['tokens_per_minute', 'Tokens per minute', '1'],
  ['concurrency', 'Requests at once', '1'], ['tokens_per_month', 'Tokens per month', '1'],
  ['eur_per_month', 'Euro per month', '0.01'],
]);

/** The inputs of limits; an empty one is no limit of that kind.
 * @param {{limits?: import('../core/types.js').Limits, disabled?: boolean}} props */
export function LimitsFields({ limits = {}, disabled = false }) {
  return html`<fieldset class="fields" disabled=${disabled}>
    <legend>Limits <span class="hint">empty: no limit of that kind</span></legend>
    ${FIELDS.map(([name, label, step]) => html`<${Field} name=${name} label=${label} type="number" min="0" step=${step}
      inputmode="decimal" value=${limits[name] ?? ''} />`)}
  </fieldset>`;
}

/** @param {Record<string, string>} values of a form with these inputs @returns {import('../core/types.js').Limits} */
export function limitsOf(values) {
  const given = FIELDS.filter(([name]) => values[name]).map(([name]) => [name, Number(values[name])]);
  return Object.fromEntries(given);
}
