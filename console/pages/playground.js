// @ts-check
import { html, useEffect, useRef, useState } from '../html.js';
import { listAnswering } from '../core/answer_stream.js';
import { announcement, exchanges, forget, isWriting, send, stop } from '../core/conversation.js';
import { useLoad } from '../core/load.js';
import { Choice, Field } from '../parts/field.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { Answer } from './answer.js';

/** Keeps the end of the conversation in sight while it grows, unless the reader scrolled up. @param {unknown} grown */
function useFollow(grown) {
  const element = useRef(/** @type {HTMLElement|null} */ (null));
  const follows = useRef(true);
  useEffect(() => {
    const box = element.current;
    if (box && follows.current) box.scrollTop = box.scrollHeight;
  }, [grown]);
  const onScroll = () => {
    const box = element.current;
    if (box) follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  };
  return { ref: element, onScroll };
}

/** Settings that go with every question. @param {{models: string[]}} props */
function Settings({ models }) {
  return html`<div class="settings">
    <${Choice} name="model" label="Endpoint" options=${models.map((name) => [name, name])} />
    <${Field} name="maxTokens" label="Tokens at most" type="number" min="1" max="100000" value="256" required />
    <${Field} name="temperature" label="Temperature" type="number" min="0" max="2" step="0.1" value="0.7" required />
    <${Field} name="system" label="Instructions" placeholder="none" wide />
  </div>`;
}

/** @param {{writing: boolean, ready: boolean}} props */
function Composer({ writing, ready }) {
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    /** @type {HTMLTextAreaElement} */ (event.target).form?.requestSubmit();
  };
  return html`<div class="composer">
    <label class="field wide"><span class="label">Message</span>
      <textarea name="question" rows="3" required aria-describedby="question-hint" onKeyDown=${onKeyDown}></textarea></label>
    <div class="composer-actions">
      <span class="hint" id="question-hint">Enter sends, Shift and Enter starts a new line.</span>
      ${exchanges.value.length > 0 && html`<button type="button" onClick=${forget}>New conversation</button>`}
      ${writing ? html`<button key="stop" type="button" class="danger" onClick=${stop}>Stop</button>`
    : html`<button key="send" type="submit" class="primary" disabled=${!ready}>Send</button>`}
    </div>
  </div>`;
}

export function Playground() {
  const models = useLoad(listAnswering, []);
  const [note, setNote] = useState('');
  const writing = isWriting();
  const follow = useFollow(exchanges.value);
  const onSubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const values = new FormData(form);
    const text = (/** @type {string} */ name) => String(values.get(name) ?? '').trim();
    if (writing) return setNote('Wait for the answer, or stop it.');
    if (!text('question')) return setNote('Write a message first.');
    setNote('');
    void send({ model: text('model'), question: text('question'), system: text('system'),
      maxTokens: Number(text('maxTokens')), temperature: Number(text('temperature')) });
    /** @type {HTMLTextAreaElement} */ (form.elements.namedItem('question')).value = '';
  };
  const none = models.value?.length === 0;
  return html`<${Page} title="Playground" about="Ask an endpoint, and see what the answer took.">
    <${ProblemNote} problem=${models.problem} onRetry=${models.reload} />
    ${none && html`<p class="notice">No endpoint answers yet. Create one on the page Endpoints.</p>`}
    <form class="playground" onSubmit=${onSubmit}>
      <${Settings} models=${models.value ?? []} />
      <section class="conversation" aria-label="Conversation" tabindex="0" ...${follow}>
        ${exchanges.value.length === 0 && html`<p class="empty">Answers appear here, each with its tokens, speed, energy, CO₂e and cost.</p>`}
        ${exchanges.value.map((exchange) => html`<${Answer} key=${exchange.id} exchange=${exchange} />`)}
      </section>
      <p class="unseen" aria-live="polite">${announcement}</p>
      ${note && html`<p class="notice" role="status">${note}</p>`}
      <${Composer} writing=${writing} ready=${Boolean(models.value?.length)} />
    </form>
  <//>`;
}
