// @ts-check
import { html, useEffect, useRef, useState } from '../html.js';
import { asProblem } from '../core/problem.js';
import { ProblemNote } from './problem_note.js';

/** A modal form. Submitting runs `onSubmit` with the form's texts; when that succeeds the dialog closes, a problem is
 * shown in it. Focus goes back to where it was when it closes.
 * @param {{title: string, submit: string, dismiss?: string, danger?: boolean, onClose: () => void, children?: any,
 *   onSubmit: (values: Record<string, string>) => Promise<void>}} props */
export function Dialog({ title, submit, dismiss = 'Cancel', danger, onClose, onSubmit, children }) {
  const element = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const [problem, setProblem] = useState(/** @type {import('../core/problem.js').Problem|null} */ (null));
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const onFormSubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    setBusy(true);
    try {
      const entries = [...new FormData(form)].map(([name, value]) => [name, String(value).trim()]);
      await onSubmit(Object.fromEntries(entries));
      onClose();
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setBusy(false);
    }
  };
  return html`<dialog ref=${element} class="dialog" aria-label=${title} onClose=${onClose}>
    <form onSubmit=${onFormSubmit}>
      <h2>${title}</h2>
      <div class="dialog-body">${children}</div>
      <${ProblemNote} problem=${problem} />
      <div class="dialog-actions">
        <button type="button" onClick=${onClose}>${dismiss}</button>
        <button type="submit" class=${danger ? 'danger' : 'primary'} disabled=${busy}>${submit}</button>
      </div>
    </form>
  </dialog>`;
}
