// @ts-check
// Format: figures and times as people read them. null is an en dash: not known.

export const UNKNOWN = '–';

/** @param {number} value @param {number} digits significant digits; whole numbers stay whole */
function plain(value, digits) {
  if (value === 0) return '0';
  if (Math.abs(value) >= 10 ** digits) return Math.round(value).toLocaleString('en');
  return value.toLocaleString('en', { maximumSignificantDigits: digits });
}

/** @param {number|null|undefined} value */
export const number = (value, digits = 3) => (value == null ? UNKNOWN : plain(value, digits));

/** @param {number|null|undefined} value */
export const count = (value) => (value == null ? UNKNOWN : value.toLocaleString('en'));

/** The first unit that keeps the figure at 1 or above.
 * @param {number|null|undefined} value @param {[number, string][]} units factor and name, largest first */
function scaled(value, units) {
  if (value == null) return UNKNOWN;
  if (value === 0) return `0 ${units.find(([size]) => size === 1)?.[1] ?? ''}`;
  const [factor, name] = units.find(([size]) => Math.abs(value) >= size) ?? units[units.length - 1];
  return `${plain(value / factor, 3)} ${name}`;
}

/** @param {number|null|undefined} joules */
export const energy = (joules) => scaled(joules, [[3.6e6, 'kWh'], [3600, 'Wh'], [1, 'J'], [1e-3, 'mJ']]);

/** @param {number|null|undefined} joules always in joules */
export const joules = (joules) => (joules == null ? UNKNOWN : `${plain(joules, 3)} J`);

/** @param {number|null|undefined} grams */
export const grams = (grams) => scaled(grams, [[1000, 'kg'], [1, 'g'], [1e-3, 'mg'], [1e-6, 'µg']]);

/** Cents, or as many digits as a small sum needs: €1.12, €0.0000231.
 * @param {number|null|undefined} euro */
export const euro = (euro) => (euro == null ? UNKNOWN : `€${euro.toLocaleString('en', {
  minimumFractionDigits: 2, maximumFractionDigits: 2, maximumSignificantDigits: 3, roundingPriority: 'morePrecision' })}`);

/** @param {number|null|undefined} bytes */
export const bytes = (bytes) => scaled(bytes, [[1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB'], [1, 'B']]);

/** @param {string|null} iso @returns {string} local time, to the minute */
export const time = (iso) => (iso ? new Date(iso).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' }) : UNKNOWN);

/** @param {string} word "crash_loop" @returns {string} "crash loop" */
export const words = (word) => word.replaceAll('_', ' ');

const LIMITS = /** @type {const} */ ([
  ['requests_per_minute', 'requests/min'], ['tokens_per_minute', 'tokens/min'], ['concurrency', 'at once'],
  ['tokens_per_month', 'tokens/month'], ['eur_per_month', '€/month'],
]);

/** @param {import('./types.js').Limits} limits @returns {string} */
export function limits(limits) {
  const given = LIMITS.filter(([name]) => limits[name] != null).map(([name, unit]) => `${count(limits[name])} ${unit}`);
  return given.join(', ') || 'no limits';
}

/** @param {import('./types.js').Quota} quota @returns {string} */
export function quota(quota) {
  if (quota === null) return 'none given: nothing may run';
  return quota.unlimited ? 'unlimited' : limits(quota);
}
