// @ts-check
// Csv: a table as a file for a spreadsheet (RFC 4180), made here and saved by the browser.
import { saveFile } from './save.js';

/** A text that a spreadsheet would take for a formula gets an apostrophe in front.
 * @param {unknown} value */
function cell(value) {
  const text = value == null ? '' : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {string[]} columns @param {Record<string, unknown>[]} rows @returns {string} */
export function toCsv(columns, rows) {
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((line) => `${line.map(cell).join(',')}\r\n`).join('');
}

/** @param {string} name @param {string} text */
export const saveCsv = (name, text) => saveFile(name, new Blob([text], { type: 'text/csv' }));
