// @ts-check
import { html, useState } from '../html.js';
import { call, get } from '../core/api.js';
import { number, percent, time, watts } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { can } from '../core/session.js';
import { Dialog } from '../parts/dialog.js';
import { Choice, Field } from '../parts/field.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Table } from '../parts/table.js';

/** @typedef {import('../core/types.js').SitePower} SitePower */
/** @typedef {import('../core/types.js').SiteEvent} SiteEvent */

/** @param {{site: SitePower}} props */
function Site({ site }) {
  const part = site.budget_w ? site.draw_w / site.budget_w : null;
  return html`<div class="site-power"><p><strong>${site.site}</strong>${site.zone && html` <span class="quiet">zone ${site.zone}</span>`}</p>
    <p><span class="figure">${watts(site.draw_w)}</span> <span class="unit">${site.budget_w === null ? 'predicted, no budget' : `of ${watts(site.budget_w)}, ${percent(part)}`}</span></p>
    ${site.budget_w !== null && html`<progress class=${part !== null && part > 1 ? 'over' : ''} max=${site.budget_w || 1} value=${Math.min(site.draw_w, site.budget_w || 1)} aria-label=${`Power of ${site.site} against its budget`}></progress>`}
    ${site.budget_until && html`<p class="quiet">This budget is in force until ${time(site.budget_until)}.</p>`}
    ${site.infeasible && html`<p class="notice">The budget is below what the nodes draw idle.${site.nodes_to_switch_off.length > 0 && ` To keep within it, switch off: ${site.nodes_to_switch_off.join(', ')}.`}</p>`}
  </div>`;
}

/** @param {{sites: SitePower[], onClose: () => void, onDone: () => void}} props */
function EventDialog({ sites, onClose, onDone }) {
  const [unit, setUnit] = useState('budget_percent');
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    const minutes = (/** @type {string} */ text) => Math.round(Number(text) * 60);
    await call('POST', '/site/events', { body: { ...(values.site ? { site: values.site } : {}), [unit]: Number(values.budget),
      for_s: minutes(values.minutes), ...(Number(values.notice) > 0 ? { notice_s: minutes(values.notice) } : {}) } });
    onDone();
  };
  const radio = (/** @type {string} */ value, /** @type {string} */ text) => html`<label class="check">
    <input type="radio" name="unit" value=${value} checked=${unit === value} onChange=${() => setUnit(value)} /> ${text}</label>`;
  return html`<${Dialog} title="Less power for a time" submit="Create event" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p class="quiet">Work is capped first, then paused, then shed, until the site keeps within it. It recovers by itself.</p>
    <fieldset class="choices"><legend>The budget is given in</legend>${radio('budget_percent', 'Per cent of the site’s own')}${radio('budget_w', 'Watts')}</fieldset>
    <div class="fields">
      ${sites.length > 1 && html`<${Choice} name="site" label="Site" required options=${sites.map((site) => [site.site, site.site])} />`}
      <${Field} name="budget" label=${unit === 'budget_w' ? 'Budget, watts' : 'Budget, per cent'} type="number" min="0" max=${unit === 'budget_w' ? 1e9 : 100} step="any" required value="60" />
      <${Field} name="minutes" label="For, minutes" type="number" min="0.1" max="525600" step="any" required value="60" />
      <${Field} name="notice" label="Notice, minutes" type="number" min="0" max="525600" step="any" value="5" hint="It begins so long from now." />
    </div>
  <//>`;
}

/** @param {{event: SiteEvent, onClose: () => void, onDone: () => void}} props */
function EndDialog({ event, onClose, onDone }) {
  const onSubmit = async () => {
    await call('DELETE', `/site/events/${encodeURIComponent(event.id)}`);
    onDone();
  };
  return html`<${Dialog} title="End this event?" submit="End event" dismiss="Keep it" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>Site <strong>${event.site}</strong> may draw its own budget again at once, and what waits for power may start.</p><//>`;
}

/** @param {(event: SiteEvent) => void} end @returns {import('../parts/table.js').Column<SiteEvent>[]} */
const columns = (end) => [
  { title: 'Site', heads: true, cell: (event) => event.site },
  { title: 'State', cell: (event) => (Date.parse(event.from) > Date.now() ? html`<span class="badge busy">announced</span>` : html`<span class="badge bad">in force</span>`) },
  { title: 'Budget', cell: (event) => (event.budget_w !== null ? watts(event.budget_w) : `${number(event.budget_percent)}% of its own`) },
  { title: 'From', cell: (event) => time(event.from) },
  { title: 'Until', cell: (event) => time(event.until) },
  ...(can('manage-site-events') ? [{ title: 'Actions', quiet: true, cell: (/** @type {SiteEvent} */ event) => html`<button type="button" class="small"
    aria-label=${`End event ${event.id} of ${event.site}`} onClick=${() => end(event)}>End</button>` }] : []),
];

/** What each site draws against its budget, and the times of less power. */
export function PowerStrip() {
  const power = useLoad((signal) => get('/site/power', signal), [], 2000);
  const events = useLoad((signal) => get('/site/events', signal), [], 5000);
  const [creating, setCreating] = useState(false);
  const [ending, setEnding] = useState(/** @type {SiteEvent|null} */ (null));
  /** @type {SitePower[]} */
  const sites = power.value?.data ?? [];
  const onDone = () => {
    events.reload();
    power.reload();
  };
  return html`<section class="strip" aria-label="Power of the site">
    <${ProblemNote} problem=${power.problem ?? events.problem} onRetry=${onDone} />
    <div class="sites">${sites.map((site) => html`<${Site} key=${site.site} site=${site} />`)}
      ${can('manage-site-events') && html`<button type="button" onClick=${() => setCreating(true)}>Less power for a time</button>`}</div>
    ${events.value?.data.length > 0 && html`<${Table} caption="Times of less power" columns=${columns(setEnding)} rows=${events.value?.data} rowKey=${(/** @type {SiteEvent} */ event) => event.id} empty="" />`}
    ${creating && html`<${EventDialog} sites=${sites} onClose=${() => setCreating(false)} onDone=${onDone} />`}
    ${ending && html`<${EndDialog} event=${ending} onClose=${() => setEnding(null)} onDone=${onDone} />`}
  </section>`;
}
