// @ts-check
import { html, useState } from '../html.js';

/** @param {string} text @returns {Promise<void>} */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  throw new Error('this page may not use the clipboard');
}

/** @param {{text: string, label: string}} props */
export function CopyButton({ text, label }) {
  const [said, setSaid] = useState('');
  const onClick = () => copy(text).then(() => setSaid('Copied'), () => setSaid('Not copied: select the text and copy it by hand'));
  return html`<button type="button" class="primary" onClick=${onClick}>${label}</button>
    <span class="quiet" role="status">${said}</span>`;
}
