// @ts-check
// Work: what jobs, environments and services in the queue have in common.

/** @typedef {import('./types.js').Job} Job */
/** @typedef {import('./types.js').QueueItem} QueueItem */

/** States in which work has ended for good. */
export const OVER = /** @type {const} */ (['succeeded', 'failed', 'cancelled', 'timed_out', 'lost']);

/** @param {string} state */
export const isOver = (state) => OVER.some((over) => over === state);

/** Work that a page of its own shows: "17", or "17_3" for an element of an array. @param {string} id */
export const isJobId = (id) => /^\d+(_\d+)?$/.test(id);

/** The indices in "0-99", "0-99:2" or "1,3,5", `most` at most.
 * @param {string} array @param {number} most @returns {number[]} */
export function indicesOf(array, most) {
  /** @type {number[]} */
  const all = [];
  for (const part of array.split(',')) {
    const [, first, last, step] = /^(\d+)(?:-(\d+))?(?::(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined) continue;
    for (let at = Number(first); at <= Number(last ?? first) && all.length < most; at += Math.max(Number(step ?? 1), 1)) all.push(at);
  }
  return all;
}

/** Texts with numbers in them in the order a person counts: node2 before node10. */
export const inOrder = new Intl.Collator('en', { numeric: true }).compare;

/** How long it has run, in seconds; null if it has not begun, or waits to run again.
 * @param {{started_at: string|null, ended_at?: string|null, state?: string}} work @param {number} nowMs */
export const ranFor = ({ started_at, ended_at, state }, nowMs) => (started_at && state !== 'queued'
  ? Math.max(((ended_at ? Date.parse(ended_at) : nowMs) - Date.parse(started_at)) / 1000, 0) : null);
