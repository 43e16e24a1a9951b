// @ts-check
import { html } from '../html.js';
import { words } from '../core/format.js';

/** @type {Record<string, string>} */
const TONE = {
  ready: 'good', active: 'good', starting: 'busy', importing: 'busy', draining: 'busy', stopping: 'busy',
  failed: 'bad', crash_loop: 'bad', running: 'good', succeeded: 'good', pausing: 'busy', timed_out: 'bad', lost: 'bad',
  cordoned: 'busy', down: 'bad',
};

/** @param {{state: string}} props */
export function StateBadge({ state }) {
  return html`<span class=${`badge ${TONE[state] ?? 'calm'}`}>${words(state)}</span>`;
}
