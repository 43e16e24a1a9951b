// @ts-check
import { html, useState } from '../html.js';
import { list, query } from '../core/api.js';
import { saveCsv, toCsv } from '../core/csv.js';
import { energy, number, time } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { Choice } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { Plot } from '../parts/plot.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Stat } from '../parts/stat.js';
import { Table } from '../parts/table.js';

/** @typedef {import('../core/types.js').EnergyInterval} Interval */

/** Minutes to look back, and what that is called. @type {[string, string][]} */
const SPANS = [['15', '15 minutes'], ['60', '1 hour'], ['360', '6 hours'], ['1440', '24 hours']];
const POINTS = 240;
const ROWS = 24;

/** Neighbouring intervals summed, so that at most `most` remain. Joules are kept exactly; nothing is averaged away.
 * @param {Interval[]} intervals @param {number} most @returns {Interval[]} */
export function merged(intervals, most) {
  const size = Math.max(1, Math.ceil(intervals.length / most));
  /** @type {Interval[]} */
  const sums = [];
  intervals.forEach((interval, at) => {
    const last = sums[sums.length - 1];
    if (at % size === 0) return void sums.push({ ...interval });
    for (const field of /** @type {const} */ (['site_j', 'attributed_j', 'idle_j'])) last[field] += interval[field];
    last.to = interval.to;
    if (interval.basis !== last.basis) last.basis = 'mixed';
  });
  return sums;
}

/** @param {Interval} interval */
const seconds = (interval) => Math.max((Date.parse(interval.to) - Date.parse(interval.from)) / 1000, 1e-3);

/** Mean power over each interval: end times, then all of it, then what answers took.
 * @param {Interval[]} intervals @returns {number[][]} */
const plotted = (intervals) => [intervals.map((interval) => Date.parse(interval.to) / 1000),
  intervals.map((interval) => interval.site_j / seconds(interval)), intervals.map((interval) => interval.attributed_j / seconds(interval))];

/** @type {import('../parts/table.js').Column<Interval>[]} */
const COLUMNS = [
  { title: 'From', heads: true, cell: (interval) => time(interval.from) },
  { title: 'Site', numeric: true, cell: (interval) => energy(interval.site_j) },
  { title: 'Attributed', numeric: true, cell: (interval) => energy(interval.attributed_j) },
  { title: 'Idle', numeric: true, cell: (interval) => energy(interval.idle_j) },
  { title: 'Mean power', numeric: true, cell: (interval) => `${number(interval.site_j / seconds(interval))} W` },
  { title: 'Basis', cell: (interval) => interval.basis },
];

export function Energy() {
  const [minutes, setMinutes] = useState('60');
  const loaded = useLoad((signal) => list(`/usage/energy${query({ from: new Date(Date.now() - Number(minutes) * 60_000).toISOString() })}`, signal), [minutes], 10_000);
  /** @type {Interval[]} */
  const intervals = loaded.value ?? [];
  const sum = merged(intervals, 1)[0];
  const points = merged(intervals, POINTS);
  const save = () => saveCsv('site-energy.csv', toCsv(['from', 'to', 'site_j', 'attributed_j', 'idle_j', 'basis'], intervals));
  const actions = html`<button type="button" onClick=${save} disabled=${intervals.length === 0}>Intervals as CSV</button>`;
  const share = sum && sum.site_j > 0 ? `${number((100 * sum.attributed_j) / sum.site_j)} % of the site` : null;
  return html`<${Page} title="Energy" about="All the energy of the site: what answers took, and what it drew while waiting. The two add up." actions=${actions}>
    <${ProblemNote} problem=${loaded.problem} onRetry=${loaded.reload} />
    <div class="filters"><${Choice} name="minutes" label="The last" options=${SPANS} value=${minutes}
      onChange=${(/** @type {Event} */ event) => setMinutes(/** @type {HTMLSelectElement} */ (event.target).value)} /></div>
    <dl class="stats"><${Stat} label="Site" value=${energy(sum?.site_j)} note=${sum?.basis} /><${Stat} label="Attributed to answers" value=${energy(sum?.attributed_j)} note=${share} />
      <${Stat} label="Idle" value=${energy(sum?.idle_j)} /></dl>
    ${intervals.length > 0 && html`<div class="plots single"><${Plot} title="Mean power, W" kind="steps" data=${plotted(points)} format=${number}
      lines=${[{ label: 'site', colour: '--grain', fill: true }, { label: 'attributed', colour: '--river', fill: true }]}
      summary=${`Site ${energy(sum?.site_j)}, of these ${energy(sum?.attributed_j)} attributed to answers.`} /></div>`}
    ${loaded.value && html`<${Table} caption="Energy by interval" columns=${COLUMNS} rows=${merged(intervals, ROWS).reverse()} rowKey=${(/** @type {Interval} */ interval) => interval.from}
      empty="No interval was sampled in this time. The first one is there 10 seconds after the start." />`}
  <//>`;
}
