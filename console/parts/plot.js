// @ts-check
import { html, useEffect, useRef } from '../html.js';
import { colour, isDark } from '../core/theme.js';
import uPlot from '../vendor/uplot.js';

/** @typedef {{label: string, colour: string, fill?: boolean}} Line colour: a custom property of style/base.css */

const HEIGHT = 150;
const AXIS_PX = 52;
const NAME_PX = 58;

/** @param {string} name */
const shortened = (name) => (name.length > 14 ? `${name.slice(0, 13)}…` : name);

/** The time of day at `second`; with seconds only where ticks are less than a minute apart.
 * @param {number} second @param {number[]} ticks @returns {string} */
function clock(second, ticks) {
  const fine = ticks.length > 1 && ticks[1] - ticks[0] < 60;
  return new Date(second * 1000).toLocaleTimeString('sv-SE', fine ? {} : { timeStyle: 'short' });
}

/** @param {Line} line @param {'line'|'bars'|'steps'} kind @returns {any} a series of uPlot */
function series(line, kind) {
  const bars = kind === 'bars';
  return {
    label: line.label, width: bars ? 0 : 1.5, stroke: () => colour(line.colour),
    fill: line.fill || bars ? () => colour(bars ? line.colour : `${line.colour}-soft`) : undefined,
    points: { show: false },
    paths: bars ? uPlot.paths.bars?.({ size: [0.7, 48], align: 0 }) : kind === 'steps' ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
  };
}

/** @param {Props} props @param {number} width @returns {any} options of uPlot */
function options({ lines, kind = 'line', names, format }, width) {
  const axis = { stroke: () => colour('--quiet'), grid: { stroke: () => colour('--line'), width: 1 }, ticks: { show: false },
    font: '11px system-ui, sans-serif' };
  const all = names ?? [];
  const every = (/** @type {any} */ self) => Math.max(1, Math.ceil((all.length * NAME_PX) / Math.max(self.width - AXIS_PX, 1)));
  const category = { values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((at) => shortened(all[at] ?? '')),
    splits: (/** @type {any} */ self) => all.map((_, at) => at).filter((at) => at % every(self) === 0), grid: { show: false } };
  const times = { space: 70, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((at) => clock(at, ticks)) };
  return {
    width, height: HEIGHT, legend: { show: false }, cursor: { show: false }, padding: [8, 8, 0, 0],
    scales: {
      x: names ? { time: false, range: [-0.6, names.length - 0.4] } : {},
      y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(low, 0), high > 0 ? high * 1.1 : 1] },
    },
    axes: [{ ...axis, size: 24, gap: 4, ...(names ? category : times) },
      { ...axis, size: AXIS_PX, gap: 4, space: 26, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((v) => format(v)) }],
    series: [{}, ...lines.map((line) => series(line, kind))],
  };
}

/** @typedef {{title: string, lines: Line[], data: (number|null)[][], kind?: 'line'|'bars'|'steps', names?: string[],
 *   format: (value: number) => string, summary: string}} Props */

/** A plot, drawn on a canvas: `summary` says in words what it shows, for those who do not see it.
 * @param {Props} props data: x first (seconds, or 0.. with `names`), then a row for each line */
export function Plot(props) {
  const frame = useRef(/** @type {HTMLDivElement|null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const shape = `${isDark()} ${props.kind} ${props.names?.join('|')} ${props.lines.map((line) => line.label).join('|')}`;
  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const made = new uPlot(options(props, Math.max(element.clientWidth, 120)), /** @type {any} */ (props.data), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: Math.max(element.clientWidth, 120), height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData(props.data);
  }, [props.data]);
  return html`<figure class="plot">
    <figcaption>${props.title}${props.lines.length > 1 && html`<span class="keys">${props.lines.map((line) => html`<span
      class=${`key ${line.colour.slice(2)}`}>${line.label}</span>`)}</span>`}</figcaption>
    <div ref=${frame} class="plot-frame" role="img" aria-label=${`${props.title}. ${props.summary}`}></div>
  </figure>`;
}
