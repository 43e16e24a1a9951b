// @ts-check
import { html } from '../html.js';

/** One figure with its name, in a <dl class="stats">.
 * @param {{label: string, value: any, unit?: string, note?: any}} props */
export function Stat({ label, value, unit, note }) {
  return html`<div class="stat">
    <dt>${label}</dt>
    <dd><span class="figure">${value}</span>${unit && html` <span class="unit">${unit}</span>`}
      ${note && html`<span class="note">${note}</span>`}</dd>
  </div>`;
}
