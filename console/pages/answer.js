// @ts-check
import { html } from '../html.js';
import { count, euro, grams, joules, number } from '../core/format.js';
import { ProblemNote } from '../parts/problem_note.js';

/** @typedef {{id: number, question: string, text: string, reasoning: string, state: 'writing'|'done'|'stopped'|'failed',
 *   finish: string, askedAt: number, firstAt: number, lastAt: number, model: string,
 *   usage: import('../core/types.js').AnswerUsage|null, problem: import('../core/problem.js').Problem|null}} Exchange
 * times in milliseconds of performance.now(), 0 until they happened */

/** What an answer took. @param {{exchange: Exchange}} props */
function Figures({ exchange }) {
  const { usage, firstAt, lastAt, askedAt } = exchange;
  if (exchange.state === 'stopped') {
    return html`<p class="quiet">Stopped. What it used until then is in the usage records.</p>`;
  }
  if (!usage) return null;
  const seconds = (lastAt - firstAt) / 1000;
  const rate = seconds > 0 ? (usage.completion_tokens - 1) / seconds : null;
  const mill = usage.millrace;
  /** @type {[string, string][]} */
  const figures = [
    ['Tokens', `${count(usage.prompt_tokens)} in, ${count(usage.completion_tokens)} out`],
    ['Speed', `${number(rate)} tokens/s`], ['First token', `${number((firstAt - askedAt) / 1000)} s`],
    ['Energy', joules(mill?.energy_j)], ['CO₂e', grams(mill?.co2e_g)], ['Cost', euro(mill?.cost_eur)],
  ];
  return html`<dl class="figures">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    ${mill && html`<div><dt>Basis</dt><dd>${mill.basis}, ${mill.zone}</dd></div>`}</dl>`;
}

/** A question with its answer. @param {{exchange: Exchange}} props */
export function Answer({ exchange }) {
  const writing = exchange.state === 'writing';
  return html`<article class="exchange">
    <p class="question"><span class="unseen">You asked: </span>${exchange.question}</p>
    <div class="answer" aria-busy=${writing}>
      ${exchange.reasoning && html`<details><summary>Reasoning</summary><p class="reasoning">${exchange.reasoning}</p></details>`}
      <p class="answer-text">${exchange.text}${writing && html`<span class="caret" aria-hidden="true"></span>`}</p>
      ${exchange.finish === 'length' && html`<p class="quiet">Cut at the limit of tokens.</p>`}
      <${ProblemNote} problem=${exchange.problem} />
      <${Figures} exchange=${exchange} />
    </div>
  </article>`;
}
