// @ts-check
import { html, useEffect } from '../html.js';

/** The frame of a page: its heading, one line on what it is for, what can be done on it.
 * @param {{title: string, about?: any, actions?: any, children?: any}} props */
export function Page({ title, about, actions, children }) {
  useEffect(() => {
    document.title = `${title} · Millrace`;
  }, [title]);
  return html`<div class="page">
    <header class="page-head">
      <div><h1>${title}</h1>${about && html`<p class="about">${about}</p>`}</div>
      ${actions && html`<div class="page-actions">${actions}</div>`}
    </header>
    ${children}
  </div>`;
}
