// @ts-check
import { html } from '../html.js';

/** @template T @typedef {{title: string, cell: (row: T) => any, numeric?: boolean, heads?: boolean, quiet?: boolean}} Column
 * `heads`: the column that names the row; `quiet`: a title for screen readers only. */

/** A table that scrolls sideways on its own when the window is narrow.
 * @template T @param {{caption: string, columns: Column<T>[], rows: T[], rowKey: (row: T) => string, empty: any}} props */
export function Table({ caption, columns, rows, rowKey, empty }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const align = (/** @type {Column<T>} */ column) => (column.numeric || column.quiet ? 'numeric' : '');
  return html`<div class="table-frame" role="region" aria-label=${caption} tabindex="0"><table>
    <caption class="unseen">${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th scope="col" class=${align(column)}>
      <span class=${column.quiet ? 'unseen' : ''}>${column.title}</span></th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${rowKey(row)}>${columns.map((column) => (column.heads
      ? html`<th scope="row" class=${align(column)}>${column.cell(row)}</th>`
      : html`<td class=${align(column)}>${column.cell(row)}</td>`))}</tr>`)}</tbody>
  </table></div>`;
}
