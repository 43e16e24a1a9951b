// @ts-check
import { html, useEffect, useRef } from '../html.js';
import { get } from '../core/api.js';
import { LogView } from '../parts/log_view.js';

/** The engine's log. @param {{id: string, onClose: () => void}} props */
export function ReplicaLog({ id, onClose }) {
  const heading = useRef(/** @type {HTMLHeadingElement|null} */ (null));
  useEffect(() => heading.current?.focus(), []);
  const fetchPiece = (/** @type {number} */ next, /** @type {number|null} */ _, /** @type {AbortSignal} */ signal) => get(
    `/replicas/${encodeURIComponent(id)}/log?from=${next}`, signal);
  return html`<${LogView} label=${`Log of ${id}`} fetchPiece=${fetchPiece}
    title=${html`<h2 ref=${heading} tabindex="-1">Log of <code>${id}</code></h2>`}
    actions=${html`<button type="button" class="small" onClick=${onClose}>Close log</button>`} />`;
}
