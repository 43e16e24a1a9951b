// @ts-check
// Answer stream: POST /v1/chat/completions with streaming, read event by event.
import { Problem, problemOf, unreachable } from './problem.js';
import { end, key } from './session.js';

const ROOT = '../v1';

/** The data of each server-sent event in a stream of bytes; stops at "[DONE]".
 * @param {ReadableStream<Uint8Array>} bytes @returns {AsyncGenerator<string>} */
export async function* events(bytes) {
  const decoder = new TextDecoder();
  const reader = bytes.getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') return;
      yield data;
    }
    if (done) return;
  }
}

/** @returns {Promise<string[]>} the names that requests may be sent to */
export async function listAnswering() {
  const response = await fetch(`${ROOT}/models`, { headers: { authorization: `Bearer ${key.value}` } }).catch(() => {
    throw unreachable('GET /v1/models');
  });
  if (!response.ok) throw await problemOf(response);
  return (await response.json()).data.map((/** @type {{id: string}} */ model) => model.id);
}

/** @typedef {{model: string, messages: {role: string, content: string}[], max_tokens?: number, temperature?: number}} Question */
/** @typedef {{onText: (text: string) => void, onReasoning: (text: string) => void,
 *   onUsage: (usage: import('./types.js').AnswerUsage) => void, onFinish: (reason: string) => void}} AnswerHandler */

/** Streams the answer into `handler`; aborting `signal` closes the connection, which cancels the work at the engine.
 * @param {Question} question @param {AnswerHandler} handler @param {AbortSignal} signal */
export async function ask(question, handler, signal) {
  const response = await fetch(`${ROOT}/chat/completions`, {
    method: 'POST', signal, credentials: 'omit',
    headers: { authorization: `Bearer ${key.value}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, stream: true, stream_options: { include_usage: true } }),
  }).catch((thrown) => {
    if (signal.aborted) throw thrown;
    throw unreachable('POST /v1/chat/completions');
  });
  if (response.status === 401) end('The key is no longer accepted. Sign in again.');
  if (!response.ok || !response.body) throw await problemOf(response);
  let finished = false;
  try {
    for await (const data of events(response.body)) {
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Problem(502, chunk.error.code ?? '', 'The answer broke off', chunk.error.message);
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) handler.onText(choice.delta.content);
      if (choice?.delta?.reasoning_content) handler.onReasoning(choice.delta.reasoning_content);
      if (choice?.finish_reason) handler.onFinish(choice.finish_reason);
      finished ||= Boolean(choice?.finish_reason);
      if (chunk.usage) handler.onUsage(chunk.usage);
    }
  } catch (thrown) {
    if (thrown instanceof Problem || signal.aborted) throw thrown;
    throw unreachable('the answer broke off');
  }
  if (!finished) throw new Problem(502, '', 'The answer broke off', 'The connection ended before the answer did.');
}
