// @ts-check
// What every component imports: the template tag, hooks and signals, bound once.
import htm from './vendor/htm.js';
import { h } from './vendor/preact.js';

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(/** @type {any} */ (h));

export { render } from './vendor/preact.js';
export { useEffect, useRef, useState } from './vendor/hooks.js';
export { computed, effect, signal, useComputed, useSignal } from './vendor/signals.js';
