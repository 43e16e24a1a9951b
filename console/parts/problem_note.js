// @ts-check
import { html } from '../html.js';

/** What went wrong and what to do. Announced when it appears; renders nothing for null.
 * @param {{problem: import('../core/problem.js').Problem|null, onRetry?: () => void}} props */
export function ProblemNote({ problem, onRetry }) {
  if (!problem) return null;
  return html`<div class="problem" role="alert">
    <p class="problem-title">${problem.title}${problem.code && html` <code>${problem.code}</code>`}</p>
    <p>${problem.detail}</p>
    <p class="problem-advice">${problem.advice}</p>
    ${problem.requestId && html`<p class="quiet">Request <code>${problem.requestId}</code></p>`}
    ${onRetry && html`<button type="button" class="small" onClick=${onRetry}>Try again</button>`}
  </div>`;
}
