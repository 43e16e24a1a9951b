// @ts-check
// Conversation: the exchanges of the playground. It outlives the page, not the tab.
import { signal } from '../html.js';
import { ask } from './answer_stream.js';
import { asProblem } from './problem.js';

/** @typedef {import('../pages/answer.js').Exchange} Exchange */

/** @type {{value: Exchange[]}} */
export const exchanges = signal([]);
/** What a screen reader is told: whole sentences, not every token. @type {{value: string}} */
export const announcement = signal('');

/** @type {AbortController|null} */
let running = null;

/** @param {Partial<Exchange>} change of the last exchange */
function update(change) {
  const all = exchanges.value;
  exchanges.value = [...all.slice(0, -1), { ...all[all.length - 1], ...change }];
}

const last = () => exchanges.value[exchanges.value.length - 1];

export const isWriting = () => last()?.state === 'writing';

export function stop() {
  running?.abort();
}

export function forget() {
  stop();
  exchanges.value = [];
}

/** What the model is told: the conversation so far, then the question. @param {string} system @param {string} question */
function messages(system, question) {
  const before = exchanges.value.filter((exchange) => exchange.text && exchange.state !== 'failed').flatMap((exchange) => [
    { role: 'user', content: exchange.question }, { role: 'assistant', content: exchange.text }]);
  return [...(system ? [{ role: 'system', content: system }] : []), ...before, { role: 'user', content: question }];
}

/** Asks, and fills the last exchange until the answer ends, is stopped or breaks.
 * @param {{model: string, question: string, system: string, maxTokens: number, temperature: number}} request */
export async function send({ model, question, system, maxTokens, temperature }) {
  const body = { model, messages: messages(system, question), max_tokens: maxTokens, temperature };
  const controller = new AbortController();
  running = controller;
  exchanges.value = [...exchanges.value, { id: exchanges.value.length, question, text: '', reasoning: '', model, finish: '',
    state: 'writing', askedAt: performance.now(), firstAt: 0, lastAt: 0, usage: null, problem: null }];
  announcement.value = 'The answer is being written.';
  const mine = last().id;
  const ours = () => running === controller && last()?.id === mine;
  const onPiece = (/** @type {'text'|'reasoning'} */ field) => (/** @type {string} */ piece) => {
    const now = performance.now();
    if (ours()) update({ [field]: last()[field] + piece, firstAt: last().firstAt || now, lastAt: now });
  };
  try {
    await ask(body, { onText: onPiece('text'), onReasoning: onPiece('reasoning'),
      onUsage: (usage) => ours() && update({ usage }), onFinish: (finish) => ours() && update({ finish }) }, controller.signal);
    if (!ours()) return;
    update({ state: 'done' });
    announcement.value = `Answer: ${last().text}`;
  } catch (thrown) {
    if (!ours()) return;
    const problem = asProblem(thrown);
    update(controller.signal.aborted || !problem ? { state: 'stopped' } : { state: 'failed', problem });
    announcement.value = controller.signal.aborted ? 'Stopped.' : '';
  }
}
