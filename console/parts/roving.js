// @ts-check
// Roving: many elements that one press of Tab reaches, and arrow keys go through (a tile map, the bars of a timeline).
import { useEffect } from '../html.js';

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Keeps exactly one of the elements that match `selector` in `frame` in the order of Tab. Runs after each render.
 * @param {{current: any}} frame @param {string} selector */
export function useRoving(frame, selector) {
  useEffect(() => {
    const all = elements(frame, selector);
    if (all.length > 0 && !all.some((element) => element.getAttribute('tabindex') === '0')) all[0].setAttribute('tabindex', '0');
  });
  useEffect(() => {
    const root = frame.current;
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const all = elements(frame, selector);
      const at = all.indexOf(/** @type {any} */ (document.activeElement));
      if (at < 0) return;
      const to = event.key === 'Home' ? 0 : event.key === 'End' ? all.length - 1 : at + (STEPS[event.key] ?? 0);
      if (!(event.key in STEPS) && event.key !== 'Home' && event.key !== 'End') return;
      event.preventDefault();
      all[Math.min(Math.max(to, 0), all.length - 1)].focus();
    };
    const onFocus = (/** @type {FocusEvent} */ event) => {
      const all = elements(frame, selector);
      if (!all.includes(/** @type {any} */ (event.target))) return;
      for (const element of all) element.setAttribute('tabindex', element === event.target ? '0' : '-1');
    };
    root?.addEventListener('keydown', onKey);
    root?.addEventListener('focusin', onFocus);
    return () => {
      root?.removeEventListener('keydown', onKey);
      root?.removeEventListener('focusin', onFocus);
    };
  }, []);
}

/** @param {{current: any}} frame @param {string} selector @returns {(HTMLElement|SVGElement)[]} */
const elements = (frame, selector) => [...(frame.current?.querySelectorAll(selector) ?? [])];
