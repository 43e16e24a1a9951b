// @ts-check
import { html, useRef, useState } from '../html.js';
import { call } from '../core/api.js';
import { asProblem } from '../core/problem.js';
import { begin, endedBecause } from '../core/session.js';
import { Field } from '../parts/field.js';
import { ProblemNote } from '../parts/problem_note.js';

export function SignIn() {
  const [problem, setProblem] = useState(/** @type {import('../core/problem.js').Problem|null} */ (null));
  const [busy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const onSubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const text = String(new FormData(form.current ?? undefined).get('key') ?? '').trim();
    setBusy(true);
    setProblem(null);
    try {
      begin(text, await call('GET', '/whoami', { withKey: text }));
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setBusy(false);
      form.current?.querySelector('input')?.focus();
    }
  };
  return html`<main class="sign-in" id="main">
    <form ref=${form} onSubmit=${onSubmit} class="sign-in-card">
      <img src="mill.svg" alt="" width="56" height="56" />
      <h1>Millrace</h1>
      <p class="about">The console of this site. Sign in with an API key.</p>
      ${endedBecause.value && html`<p class="notice" role="status">${endedBecause.value}</p>`}
      <${Field} name="key" label="API key" type="password" required placeholder="mr_…" autofocus wide
        hint="The bootstrap key is in secrets/bootstrap.key of the state folder. The key stays in this tab only, until you sign out or close it." />
      <${ProblemNote} problem=${problem} />
      <button type="submit" class="primary" disabled=${busy}>Sign in</button>
    </form>
  </main>`;
}
