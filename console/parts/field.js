// @ts-check
import { html } from '../html.js';

let made = 0;
/** @param {string} stem @returns {string} an id nothing else in the page has */
export const newId = (stem) => `${stem}-${++made}`;

/** A labelled input. Everything but label, hint and wide goes to the <input>.
 * @param {{label: string, hint?: string, name: string, wide?: boolean, [attribute: string]: any}} props */
export function Field({ label, hint, name, wide, ...rest }) {
  const hintId = `${name}-hint`;
  return html`<label class=${wide ? 'field wide' : 'field'}>
    <span class="label">${label}</span>
    <input name=${name} autocomplete="off" spellcheck=${false} aria-describedby=${hint ? hintId : undefined} ...${rest} />
    ${hint && html`<span class="hint" id=${hintId}>${hint}</span>`}
  </label>`;
}

/** @param {{label: string, name: string, options: [string, string][], [attribute: string]: any}} props options: value, text */
export function Choice({ label, name, options, value, ...rest }) {
  return html`<label class="field">
    <span class="label">${label}</span>
    <select name=${name} value=${value} ...${rest}>
      ${options.map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}
    </select>
  </label>`;
}

/** A labelled text of several lines. @param {{label: string, hint?: string, name: string, [attribute: string]: any}} props */
export function TextArea({ label, hint, name, ...rest }) {
  const hintId = `${name}-hint`;
  return html`<label class="field wide">
    <span class="label">${label}</span>
    <textarea name=${name} autocomplete="off" spellcheck=${false} aria-describedby=${hint ? hintId : undefined} ...${rest}></textarea>
    ${hint && html`<span class="hint" id=${hintId}>${hint}</span>`}
  </label>`;
}
