// @ts-check
// Api: calls to the control API, relative to where the console is served.
import { Problem, problemOf, unreachable } from './problem.js';
import { end, key } from './session.js';

const ROOT = '../api/v1';

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** @typedef {{body?: unknown, signal?: AbortSignal, withKey?: string}} CallOptions */

/** The answer. Throws a Problem; a refused key ends the session.
 * @param {string} method @param {string} path below /api/v1 @param {CallOptions} [options] @returns {Promise<Response>} */
async function send(method, path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { authorization: `Bearer ${options.withKey ?? key.value}` };
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (method === 'POST') headers['idempotency-key'] = hex(crypto.getRandomValues(new Uint8Array(16)));
  /** @type {Response} */
  let response;
  try {
    response = await fetch(ROOT + path, {
      method, headers, signal: options.signal, cache: 'no-store', credentials: 'omit',
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
    });
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown;
    throw unreachable(`${method} ${path}`);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && !options.withKey) end('The key is no longer accepted. Sign in again.');
  throw problem;
}

/** The answer's JSON (null for an empty one).
 * @param {string} method @param {string} path @param {CallOptions} [options] @returns {Promise<any>} */
export async function call(method, path, options) {
  const response = await send(method, path, options);
  return response.status === 204 ? null : response.json();
}

/** The answer's bytes. @param {string} path */
export const download = async (path) => (await send('GET', path)).blob();

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => call('GET', path, { signal });

/** Every element of a list, page after page, `most` at most.
 * @template T @param {string} path @param {AbortSignal} [signal] @param {number} [most] @returns {Promise<T[]>} */
export async function list(path, signal, most = 20000) {
  /** @type {T[]} */
  const all = [];
  /** @type {string|null} */
  let after = null;
  do {
    const query = `${path.includes('?') ? '&' : '?'}limit=1000${after ? `&after=${encodeURIComponent(after)}` : ''}`;
    const page = await get(path + query, signal);
    all.push(...page.data);
    after = page.next;
  } while (after && all.length < most);
  return all;
}

/** @param {Record<string, string>} values @returns {string} "?a=b", without the empty ones */
export function query(values) {
  const text = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== '')).toString();
  return text && `?${text}`;
}

export { Problem };
