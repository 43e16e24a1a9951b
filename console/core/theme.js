// @ts-check
// Theme: light or dark as the system says, until the person chooses.
import { effect, signal } from '../html.js';

const STORED = 'millrace.theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(system.matches);
system.addEventListener('change', () => {
  systemIsDark.value = system.matches;
});

/** "light", "dark", or "" for the system's. @type {{value: string}} */
const chosen = signal(localStorage.getItem(STORED) ?? '');

export const isDark = () => (chosen.value === '' ? systemIsDark.value : chosen.value === 'dark');

export function toggleTheme() {
  const next = isDark() ? 'light' : 'dark';
  chosen.value = (next === 'dark') === systemIsDark.value ? '' : next;
}

effect(() => {
  localStorage.setItem(STORED, chosen.value);
  document.documentElement.dataset.theme = chosen.value;
});

/** The colour a custom property stands for now, as plots need it ("rgb(...)").
 * @param {string} name for example "--river" */
export function colour(name) {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
