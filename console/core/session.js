// @ts-check
// Session: who is signed in. The key lives in this tab's session storage and nowhere else.
import { signal } from '../html.js';

const STORED = 'millrace.key';

/** @type {{value: string}} */
export const key = signal(sessionStorage.getItem(STORED) ?? '');
/** Set once the server has said who the key stands for.
 * @type {{value: import('./types.js').Whoami|null}} */
export const who = signal(null);
/** Why the last session ended, for the sign-in page. @type {{value: string}} */
export const endedBecause = signal('');

/** @param {string} text @param {import('./types.js').Whoami} principal */
export function begin(text, principal) {
  sessionStorage.setItem(STORED, text);
  endedBecause.value = '';
  key.value = text;
  who.value = principal;
}

/** @param {string} [reason] */
export function end(reason = '') {
  sessionStorage.removeItem(STORED);
  endedBecause.value = reason;
  who.value = null;
  key.value = '';
}

/** @param {string} action as /whoami names them, for example "manage-keys" */
export function can(action) {
  return Boolean(who.value?.actions[action]);
}
