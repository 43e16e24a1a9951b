// @ts-check
import { html, useEffect, useRef, useState } from '../html.js';
import { useLoad } from '../core/load.js';
import { ProblemNote } from './problem_note.js';

const TAIL_BYTES = 65_536;
const KEEP_CHARACTERS = 500_000;

/** @typedef {{from: number, text: string, next: number, run?: number}} Piece */

/** A log from its last part on, growing while it is open. `fetchPiece` is given where to go on and the run that it
 * counts in (null for the first); a piece of another run begins the text anew.
 * @param {{title: any, label: string, fetchPiece: (next: number, run: number|null, signal: AbortSignal) => Promise<Piece>,
 *   grows?: boolean, actions?: any}} props grows: false once nothing is to come; the last piece is read then */
export function LogView({ title, label, fetchPiece, grows = true, actions }) {
  const read = useRef({ next: -TAIL_BYTES, text: '', run: /** @type {number|null} */ (null) });
  const box = useRef(/** @type {HTMLPreElement|null} */ (null));
  const [follows, setFollows] = useState(true);
  const log = useLoad(async (signal) => {
    for (;;) {
      const before = read.current;
      const piece = await fetchPiece(before.next, before.run, signal);
      const run = piece.run ?? null;
      const kept = before.run === run ? before.text : '';
      read.current = { next: piece.next, text: (kept + piece.text).slice(-KEEP_CHARACTERS), run };
      if (grows || piece.text === '') return read.current.text;
    }
  }, [grows], grows ? 1000 : 0);
  useEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log.value, follows]);
  return html`<section class="log" aria-label=${label}>
    <header>${title}
      <label class="check"><input type="checkbox" checked=${follows} onChange=${() => setFollows(!follows)} /> Follow</label>
      ${actions}</header>
    <${ProblemNote} problem=${log.problem} />
    <pre ref=${box} tabindex="0" role="region" aria-label="Log text">${log.value || (log.busy ? '' : 'The log is empty.')}</pre>
  </section>`;
}
