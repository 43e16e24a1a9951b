// @ts-check
import { html, useEffect, useRef, useState } from '../html.js';
import { clock, words } from '../core/format.js';
import { link } from '../core/router.js';
import { isJobId } from '../core/work.js';
import { useRoving } from './roving.js';

/** @typedef {import('../core/timeline.js').Row} Row */
/** @typedef {import('../core/timeline.js').Bar} Bar */
/** @typedef {{from: number, to: number, now: number}} Span ms */

const LANE_PX = 24;
const GAP_PX = 3;
const HEAD_PX = 24;
const TEXT_FROM_PX = 34; // a bar narrower than this has no room for its name

/** Minutes between ticks, so that at most ten are drawn. @param {Span} span */
const tickOf = (span) => [1, 2, 5, 10, 15, 30, 60].find((minutes) => (span.to - span.from) / 60_000 / minutes <= 10) ?? 120;

/** @param {Bar} bar */
export const spoken = (bar) => (bar.isExpected ? `${bar.kind} ${bar.id}${bar.name && ` ${bar.name}`}, waiting, expected to start at ${clock(iso(bar.from))}`
  : `${bar.kind} ${bar.id}${bar.name && ` ${bar.name}`}, ${words(bar.state)}, from ${clock(iso(bar.from))} ${bar.to ? `to ${clock(iso(bar.to))}` : 'until now'}`);

/** @param {number} ms */
const iso = (ms) => new Date(ms).toISOString();

/** @param {{bar: Bar, node: string, span: Span, x: (ms: number) => number, top: number}} props */
function BarShape({ bar, node, span, x, top }) {
  const left = x(Math.max(bar.from, span.from));
  const width = Math.max(x(bar.isExpected ? span.to : Math.min(bar.to ?? span.now, span.to)) - left, 3);
  const height = LANE_PX - GAP_PX;
  const text = bar.name || bar.id;
  const shape = html`<title>${spoken(bar)}</title>
    <rect x=${left} y=${top} width=${width} height=${height} rx="3" />
    ${!bar.isExpected && bar.from < span.from && html`<path d=${`M${left + 5} ${top + 6}l-4 4.5l4 4.5`} />`}
    ${width > TEXT_FROM_PX && html`<svg x=${left} y=${top} width=${width - 4} height=${height}><text x="9" y="15">${text}</text></svg>`}`;
  const shared = { class: `bar ${bar.isExpected ? 'expected' : bar.state} ${bar.kind}`, tabindex: '-1', 'aria-label': `${spoken(bar)}, on ${node}` };
  return isJobId(bar.id) ? html`<a ...${shared} href=${link('jobs', bar.id)}>${shape}</a>` : html`<g ...${shared} role="img">${shape}</g>`;
}

/** @param {{row: Row, span: Span, x: (ms: number) => number, top: number, width: number, label: number}} props */
function RowShape({ row, span, x, top, width, label }) {
  const height = heightOf(row);
  const most = Math.floor((label - 8) / 7.2);
  return html`<g class="row">
    <line class="rule" x1="0" x2=${width} y1=${top + height} y2=${top + height} />
    <text class="row-name" x="4" y=${top + 18}>${row.name.length > most ? `${row.name.slice(0, most - 1)}…` : row.name}<title>${row.name}</title></text>
    ${row.placed.map(({ bar, lane }) => html`<${BarShape} key=${`${bar.id} ${bar.from}`} bar=${bar} node=${row.name} span=${span} x=${x} top=${top + 3 + lane * LANE_PX} />`)}
  </g>`;
}

/** @param {Row} row */
const heightOf = (row) => Math.max(row.lanes, 1) * LANE_PX + GAP_PX;

/** Bars of work, a row for each node, and below them what waits: drawn as plain SVG, gone through with arrow keys.
 * @param {{rows: Row[], waiting: Row, span: Span, label: string}} props */
export function Gantt({ rows, waiting, span, label }) {
  const frame = useRef(/** @type {HTMLDivElement|null} */ (null));
  const [width, setWidth] = useState(720);
  useRoving(frame, '.bar');
  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.max(element.clientWidth, 320)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const left = width < 560 ? 84 : 132;
  const x = (/** @type {number} */ ms) => left + ((ms - span.from) / (span.to - span.from)) * (width - left - 4);
  const shown = waiting.placed.length > 0 ? [...rows, waiting] : rows;
  const tops = shown.reduce((/** @type {number[]} */ all, row) => [...all, all[all.length - 1] + heightOf(row)], [HEAD_PX]);
  const step = tickOf(span) * 60_000;
  const first = Math.ceil(span.from / step) * step;
  const ticks = Array.from({ length: Math.floor((span.to - first) / step) + 1 }, (_, at) => first + at * step);
  const height = tops[tops.length - 1] + 4;
  return html`<div class="gantt" ref=${frame}><svg width=${width} height=${height} role="group" aria-label=${label}>
    ${ticks.map((at) => html`<g class="tick" key=${at}><line x1=${x(at)} x2=${x(at)} y1=${HEAD_PX - 4} y2=${height} />
      <text x=${x(at)} y="14" text-anchor="middle">${Math.abs(at - span.now) > step / 2 ? clock(iso(at)).slice(0, 5) : ''}</text></g>`)}
    ${shown.map((row, at) => html`<${RowShape} key=${row.name} row=${row} span=${span} x=${x} top=${tops[at]} width=${width} label=${left} />`)}
    <g class="now"><line x1=${x(span.now)} x2=${x(span.now)} y1=${HEAD_PX - 6} y2=${height} /><text x=${x(span.now)} y="14" text-anchor="middle">now</text></g>
  </svg></div>`;
}
