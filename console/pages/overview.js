// @ts-check
import { html, useEffect, useState } from '../html.js';
import { get } from '../core/api.js';
import { count, number } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { Page } from '../parts/page.js';
import { Plot } from '../parts/plot.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Stat } from '../parts/stat.js';

const WINDOW_S = 120;
const FIELDS = /** @type {const} */ (['requests_per_s', 'output_tokens_per_s', 'input_tokens_per_s', 'power_w', 'co2e_g_per_h']);

/** The last two minutes: times, then one row for each of FIELDS.
 * @param {import('../core/types.js').Live[]} samples @returns {(number|null)[][]} */
const rows = (samples) => [samples.map((sample) => Date.parse(sample.at) / 1000),
  ...FIELDS.map((field) => samples.map((sample) => sample[field]))];

/** @param {(number|null)[][]} data @param {...(typeof FIELDS[number])} fields */
const pick = (data, ...fields) => [data[0], ...fields.map((field) => data[1 + FIELDS.indexOf(field)])];

export function Overview() {
  const live = useLoad((signal) => get('/live', signal), [], 1000);
  const [samples, setSamples] = useState(/** @type {import('../core/types.js').Live[]} */ ([]));
  /** @type {import('../core/types.js').Live|null} */
  const now = live.value;
  useEffect(() => {
    if (!now) return;
    const since = Date.parse(now.at) - WINDOW_S * 1000;
    setSamples((before) => [...before.filter((sample) => Date.parse(sample.at) > since && sample.at !== now.at), now]);
  }, [now]);
  const data = rows(samples);
  const co2 = { label: 'CO₂e', colour: '--leaf', fill: true };
  return html`<${Page} title="Overview" about="What this site does now, second by second.">
    <${ProblemNote} problem=${live.problem} onRetry=${live.reload} />
    <dl class="stats" aria-busy=${!now}>
      <${Stat} label="Requests" value=${number(now?.requests_per_s)} unit="/s" note=${now && `${count(now.active_requests)} in work`} />
      <${Stat} label="Tokens" value=${number(now?.tokens_per_s)} unit="/s" note=${now && `${number(now.output_tokens_per_s)} written, ${number(now.input_tokens_per_s)} read`} />
      <${Stat} label="Power" value=${number(now?.power_w)} unit="W" note=${now?.basis} />
      <${Stat} label="CO₂e" value=${number(now?.co2e_g_per_h)} unit="g/h" note=${now && 'location-based'} />
      <${Stat} label="Replicas ready" value=${count(now?.replicas_ready)} note=${now && `${count(now.gateways)} ${now.gateways === 1 ? 'gateway' : 'gateways'}`} />
    </dl>
    <div class="plots">
      <${Plot} title="Requests per second" data=${pick(data, 'requests_per_s')} format=${number}
        lines=${[{ label: 'requests/s', colour: '--river', fill: true }]} summary=${`Now ${number(now?.requests_per_s)}.`} />
      <${Plot} title="Tokens per second" data=${pick(data, 'output_tokens_per_s', 'input_tokens_per_s')} format=${number}
        lines=${[{ label: 'written', colour: '--river', fill: true }, { label: 'read', colour: '--grain' }]} summary=${`Now ${number(now?.tokens_per_s)}.`} />
      <${Plot} title="Power, W" data=${pick(data, 'power_w')} format=${number}
        lines=${[{ label: 'W', colour: '--grain', fill: true }]} summary=${`Now ${number(now?.power_w)} watts.`} />
      <${Plot} title="CO₂e, g per hour" data=${pick(data, 'co2e_g_per_h')} format=${number} lines=${[co2]}
        summary=${`Now ${number(now?.co2e_g_per_h)} grams per hour.`} />
    </div>
  <//>`;
}
