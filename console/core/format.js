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

/** Memory as it is asked for, in powers of two. @param {number|null|undefined} bytes */
export const memory = (bytes) => scaled(bytes, [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB'], [1, 'B']]);

/** @param {number|null|undefined} watts */
export const watts = (watts) => scaled(watts, [[1e6, 'MW'], [1e3, 'kW'], [1, 'W'], [1e-3, 'mW']]);

/** A length of time in its two largest units: 2 h 5 min.
 * @param {number|null|undefined} seconds */
export function duration(seconds) {
  if (seconds == null) return UNKNOWN;
  if (seconds < 60) return `${plain(Math.max(seconds, 0), 3)} s`;
  /** @type {[number, string][]} */
  const units = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  let rest = Math.round(seconds);
  const first = units.findIndex(([size]) => rest >= size);
  return units.slice(first, first + 2).map(([size, name]) => {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    return whole > 0 ? `${whole} ${name}` : '';
  }).filter(Boolean).join(' ');
}

/** @param {string|null} iso @returns {string} local time of day, to the second */
export const clock = (iso) => (iso ? new Date(iso).toLocaleTimeString('sv-SE') : UNKNOWN);

/** @param {number|null|undefined} part 0 to 1 */
export const percent = (part) => (part == null ? UNKNOWN : `${Math.round(part * 100)}%`);

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

/** @param {import('./types.js').ComputeQuota} quota @returns {string} */
export function computeQuota(quota) {
  if (quota === null) return 'none given: no machines';
  if (quota.unlimited) return 'all machines';
  const amounts = [quota.accelerators != null && `${number(quota.accelerators)} accelerators`,
    quota.cpus != null && `${number(quota.cpus)} processors`, quota.memory_bytes != null && memory(quota.memory_bytes)].filter(Boolean);
  return [amounts.length > 0 ? amounts.join(', ') : 'no ceiling', quota.borrow === false ? 'never more' : 'may borrow',
    `share ${number(quota.share ?? 1)}`].join('; ');
}
