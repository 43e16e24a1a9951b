// @ts-check
// Load: a value fetched when a page opens, again when asked, and again and again when it is to stay fresh.
import { useEffect, useRef, useSignal } from '../html.js';
import { asProblem } from './problem.js';

/** @template T @typedef {{value: T|null, problem: import('./problem.js').Problem|null, busy: boolean,
 *   reload: () => void}} Loaded */

/** A failed reload keeps the last value beside the problem. While the tab is hidden nothing is fetched.
 * @template T @param {(signal: AbortSignal) => Promise<T>} fetchIt @param {unknown[]} inputs fetched anew when they change
 * @param {number} [everyMs] 0: once @returns {Loaded<T>} */
export function useLoad(fetchIt, inputs, everyMs = 0) {
  const state = useSignal({ value: /** @type {T|null} */ (null),
    problem: /** @type {import('./problem.js').Problem|null} */ (null), busy: true });
  const again = useRef(() => {});
  useEffect(() => {
    const controller = new AbortController();
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    let timer;
    let turn = 0;
    const run = async () => {
      clearTimeout(timer);
      const mine = ++turn;
      if (!document.hidden) {
        state.value = { ...state.peek(), busy: true };
        try {
          const value = await fetchIt(controller.signal);
          if (mine === turn) state.value = { value, problem: null, busy: false };
        } catch (thrown) {
          const problem = asProblem(thrown);
          if (mine === turn && problem) state.value = { ...state.peek(), problem, busy: false };
        }
      }
      if (mine === turn && everyMs > 0 && !controller.signal.aborted) timer = setTimeout(run, everyMs);
    };
    again.current = run;
    void run();
    return () => {
      turn = -1;
      controller.abort();
      clearTimeout(timer);
    };
  }, inputs);
  return { ...state.value, reload: () => again.current() };
}
