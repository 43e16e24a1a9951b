// @ts-check
import { html, useEffect, useRef, useState } from '../html.js';
import { get } from '../core/api.js';
import { useLoad } from '../core/load.js';
import { ProblemNote } from '../parts/problem_note.js';

const TAIL_BYTES = 65_536;
const KEEP_CHARACTERS = 500_000;

/** The engine's log, from its last part on, growing while it is open.
 * @param {{id: string, onClose: () => void}} props */
export function ReplicaLog({ id, onClose }) {
  const read = useRef({ next: -TAIL_BYTES, text: '' });
  const box = useRef(/** @type {HTMLPreElement|null} */ (null));
  const heading = useRef(/** @type {HTMLHeadingElement|null} */ (null));
  const [follows, setFollows] = useState(true);
  const log = useLoad(async (signal) => {
    const piece = await get(`/replicas/${encodeURIComponent(id)}/log?from=${read.current.next}`, signal);
    read.current = { next: piece.next, text: (read.current.text + piece.text).slice(-KEEP_CHARACTERS) };
    return read.current.text;
  }, [id], 1000);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log.value, follows]);
  return html`<section class="log" aria-label=${`Log of ${id}`}>
    <header><h2 ref=${heading} tabindex="-1">Log of <code>${id}</code></h2>
      <label class="check"><input type="checkbox" checked=${follows} onChange=${() => setFollows(!follows)} /> Follow</label>
      <button type="button" class="small" onClick=${onClose}>Close log</button></header>
    <${ProblemNote} problem=${log.problem} />
    <pre ref=${box} tabindex="0" role="region" aria-label="Log text">${log.value || (log.busy ? '' : 'The log is empty.')}</pre>
  </section>`;
}
