// @ts-check
import { html, useState } from '../html.js';
import { get, list, query } from '../core/api.js';
import { saveCsv, toCsv } from '../core/csv.js';
import { count, duration, energy, euro, grams, number } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { can } from '../core/session.js';
import { Choice, Field } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { Plot } from '../parts/plot.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Stat } from '../parts/stat.js';
import { Table } from '../parts/table.js';

/** @typedef {import('../core/types.js').UsageSum} Sum */

/** @type {[string, string][]} */
const BY = [['day', 'Day'], ['model', 'Model'], ['key', 'Key'], ['project', 'Project'], ['tenant', 'Tenant']];
const FIGURES = /** @type {const} */ (['requests', 'input_tokens', 'cached_tokens', 'output_tokens', 'reasoning_tokens',
  'accelerator_s', 'cpu_s', 'energy_j', 'co2e_g', 'cost_eur']);
const RECORD_COLUMNS = ['request_id', 'client_request_id', 'tenant', 'project', 'key_id', 'endpoint', 'model', 'status', 'input_tokens',
  'cached_tokens', 'output_tokens', 'reasoning_tokens', 'energy_j', 'co2e_g', 'energy_model', 'accelerator_s', 'cpu_s',
  'cost_microeur', 'price_version', 'basis', 'site', 'zone', 'started_at', 'ended_at'];
const DAY_MS = 86_400_000;

/** @param {number} daysAgo @returns {string} a UTC date */
const day = (daysAgo) => new Date(Date.now() - daysAgo * DAY_MS).toISOString().slice(0, 10);

/** @typedef {{by: string, from: string, to: string}} Asked days in UTC; `to` is the last day that counts */

/** The API's `to` is exclusive. @param {Asked} asked */
const range = ({ from, to }) => ({ from, to: to && new Date(Date.parse(to) + DAY_MS).toISOString().slice(0, 10) });

/** @param {string} by @param {Map<string, string>} prefixes @returns {import('../parts/table.js').Column<Sum>[]} */
const columns = (by, prefixes) => [
  { title: BY.find(([value]) => value === by)?.[1] ?? '', heads: true, cell: (sum) => (by === 'key' ? html`<code>${prefixes.get(sum.name) ?? sum.name}</code>` : sum.name) },
  { title: 'Requests', numeric: true, cell: (sum) => count(sum.requests) },
  { title: 'Tokens read', numeric: true, cell: (sum) => count(sum.input_tokens) },
  { title: 'of these cached', numeric: true, cell: (sum) => count(sum.cached_tokens) },
  { title: 'Tokens written', numeric: true, cell: (sum) => count(sum.output_tokens) },
  { title: 'of these reasoning', numeric: true, cell: (sum) => count(sum.reasoning_tokens) },
  { title: 'Accelerators', numeric: true, cell: (sum) => duration(sum.accelerator_s) },
  { title: 'Cores', numeric: true, cell: (sum) => duration(sum.cpu_s) },
  { title: 'Energy', numeric: true, cell: (sum) => energy(sum.energy_j) },
  { title: 'CO₂e', numeric: true, cell: (sum) => grams(sum.co2e_g) },
  { title: 'Cost', numeric: true, cell: (sum) => euro(sum.cost_eur) },
];

/** @param {Sum[]} sums */
const total = (sums) => Object.fromEntries(FIGURES.map((field) => [field, sums.reduce((all, sum) => all + sum[field], 0)]));

/** @param {{sums: Sum[], label: (sum: Sum) => string}} props */
function Plots({ sums, label }) {
  const names = sums.map(label);
  const data = (/** @type {(sum: Sum) => number} */ of) => [sums.map((_, at) => at), sums.map(of)];
  const plot = (/** @type {string} */ title, /** @type {string} */ colour, /** @type {(sum: Sum) => number} */ of, /** @type {any} */ format) => html`<${Plot}
    title=${title} kind="bars" names=${names} data=${data(of)} format=${format} lines=${[{ label: title, colour }]}
    summary=${sums.map((sum) => `${label(sum)}: ${format(of(sum))}`).join(', ')} />`;
  const [size, unit] = Math.max(...sums.map((sum) => sum.energy_j)) >= 3600 ? [3600, 'Wh'] : [1, 'J'];
  return html`<div class="plots three">
    ${plot('Tokens', '--river', (sum) => sum.input_tokens + sum.output_tokens, number)}
    ${plot(`Energy, ${unit}`, '--grain', (sum) => sum.energy_j / size, number)}
    ${plot('Cost, €', '--leaf', (sum) => sum.cost_eur, number)}
  </div>`;
}

/** @param {{asked: Asked, onAsk: (asked: Asked) => void}} props */
function Filters({ asked, onAsk }) {
  const set = (/** @type {keyof Asked} */ field) => (/** @type {Event} */ event) => onAsk({
    ...asked, [field]: /** @type {HTMLInputElement} */ (event.target).value });
  return html`<div class="filters" role="group" aria-label="What to show">
    <${Choice} name="by" label="Group by" options=${BY} value=${asked.by} onChange=${set('by')} />
    <${Field} name="from" label="From (UTC)" type="date" value=${asked.from} onChange=${set('from')} />
    <${Field} name="to" label="To, included" type="date" value=${asked.to} onChange=${set('to')} />
  </div>`;
}

export function Usage() {
  const [asked, setAsked] = useState({ by: 'day', from: day(29), to: day(0) });
  const [saving, setSaving] = useState('');
  const usage = useLoad((signal) => get(`/usage${query({ by: asked.by, ...range(asked) })}`, signal), [asked], 10_000);
  const keys = useLoad((signal) => (can('read-keys') ? list('/keys', signal) : Promise.resolve([])), []);
  const prefixes = new Map((keys.value ?? []).map((/** @type {any} */ key) => [key.id, `${key.prefix}…`]));
  /** @type {Sum[]} */
  const sums = usage.value?.data ?? [];
  const all = total(sums);
  const label = (/** @type {Sum} */ sum) => (asked.by === 'day' ? sum.name.slice(5) : asked.by === 'key' ? prefixes.get(sum.name) ?? sum.name : sum.name);
  const saveSums = () => saveCsv(`usage-by-${asked.by}.csv`, toCsv(['name', ...FIGURES], sums));
  const saveRecords = async () => {
    setSaving('Collecting the records…');
    try {
      const records = await list(`/usage/records${query(range(asked))}`);
      saveCsv('usage-records.csv', toCsv(RECORD_COLUMNS, /** @type {any[]} */ (records)));
      setSaving(`${count(records.length)} records saved.`);
    } catch (thrown) {
      setSaving(`Not saved: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  };
  const actions = html`<span class="quiet" role="status">${saving}</span>
    <button type="button" onClick=${saveRecords}>Records as CSV</button><button type="button" onClick=${saveSums} disabled=${sums.length === 0}>Table as CSV</button>`;
  return html`<${Page} title="Usage" about="What was used, from the ledger: each request is in it once." actions=${actions}>
    <${ProblemNote} problem=${usage.problem} onRetry=${usage.reload} />
    <${Filters} asked=${asked} onAsk=${setAsked} />
    <dl class="stats"><${Stat} label="Requests" value=${count(all.requests)} /><${Stat} label="Tokens" value=${count(all.input_tokens + all.output_tokens)} />
      <${Stat} label="Energy" value=${energy(all.energy_j)} /><${Stat} label="CO₂e" value=${grams(all.co2e_g)} /><${Stat} label="Cost" value=${euro(all.cost_eur)} /></dl>
    ${sums.length > 0 && html`<${Plots} sums=${sums} label=${label} />`}
    ${usage.value && html`<${Table} caption="Usage" columns=${columns(asked.by, prefixes)} rows=${sums} rowKey=${(/** @type {Sum} */ sum) => sum.name} empty="Nothing was used in these days." />`}
  <//>`;
}
