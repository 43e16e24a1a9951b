// @ts-check
// Timeline: which bar of work lies where on which node. Pure.
import { inOrder, isOver } from './work.js';

/** @typedef {{id: string, name: string, kind: string, project: string, state: string, from: number, to: number|null,
 *   isExpected: boolean}} Bar times in ms; `to` is null for what goes on */
/** @typedef {{bar: Bar, lane: number}} Placed */
/** @typedef {{name: string, placed: Placed[], lanes: number}} Row */

/** @param {import('./types.js').QueueItem|import('./types.js').Job} work @returns {Omit<Bar, 'from'|'to'|'isExpected'>} */
const named = (work) => ({ id: work.id, name: work.name, kind: 'kind' in work ? work.kind : 'job', project: work.project, state: work.state });

/** Bars that end are put into the first lane that is free; none overlaps another.
 * @param {Bar[]} bars @param {number} nowMs @returns {{placed: Placed[], lanes: number}} */
export function inLanes(bars, nowMs) {
  /** @type {number[]} */
  const freeFrom = [];
  const placed = [...bars].sort((a, b) => a.from - b.from || inOrder(a.id, b.id)).map((bar) => {
    const free = freeFrom.findIndex((at) => at <= bar.from);
    const lane = free < 0 ? freeFrom.length : free;
    freeFrom[lane] = bar.isExpected ? Infinity : Math.max(bar.to ?? nowMs, bar.from + 1);
    return { bar, lane };
  });
  return { placed, lanes: freeFrom.length };
}

/** A row for each node, then what waits with an expected start, each in a lane of its own.
 * @param {{queue: import('./types.js').QueueItem[], jobs: import('./types.js').Job[], nodes: string[]}} seen
 * @param {{from: number, to: number, now: number}} span ms
 * @returns {{rows: Row[], waiting: Row, beyond: number}} beyond: what waits and is not shown */
export function timelineOf({ queue, jobs, nodes }, span) {
  /** @type {Map<string, Bar[]>} */
  const byNode = new Map(nodes.map((name) => [name, []]));
  const live = queue.filter((item) => item.started_at && item.nodes.length > 0);
  const ended = jobs.filter((job) => isOver(job.state) && job.started_at && job.ended_at && Date.parse(job.ended_at) > span.from);
  for (const work of [...live, ...ended]) {
    const to = 'ended_at' in work && work.ended_at ? Date.parse(work.ended_at) : null;
    const bar = { ...named(work), from: Date.parse(work.started_at ?? ''), to, isExpected: false };
    for (const node of work.nodes) byNode.set(node, [...(byNode.get(node) ?? []), bar]);
  }
  const waits = queue.filter((item) => item.state === 'queued');
  const expected = waits.filter((item) => item.expected_start && Date.parse(item.expected_start) < span.to).map((item) => ({
    ...named(item), from: Math.max(Date.parse(item.expected_start ?? ''), span.now), to: null, isExpected: true }))
    .sort((a, b) => a.from - b.from).slice(0, MOST_WAITING);
  const rows = [...byNode].sort(([a], [b]) => inOrder(a, b)).map(([name, bars]) => ({ name, ...inLanes(bars, span.now) }));
  return { rows, waiting: { name: 'waiting', ...inLanes(expected, span.now) }, beyond: waits.length - expected.length };
}

const MOST_WAITING = 12;
