// @ts-check
// Router: the view named after the '#', as "#/endpoints/chat".
import { signal } from '../html.js';

const parts = () => location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);

/** ["endpoints", "chat"]; [""] for the start. @type {{value: string[]}} */
export const route = signal(parts());

addEventListener('hashchange', () => {
  route.value = parts();
});

/** @param {...string} path @returns {string} */
export const link = (...path) => `#/${path.map(encodeURIComponent).join('/')}`;

/** @param {...string} path */
export function go(...path) {
  location.hash = link(...path);
}
