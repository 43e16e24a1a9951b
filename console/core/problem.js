// @ts-check
// Problem: a failed call, with what went wrong and what to do about it.

/** What a person can do, by the problem's code, else by its status.
 * @type {Record<string, string>} */
const ADVICE = {
  network: 'Check that Millrace is running (millrace status) and that this page can reach it, then try again.',
  invalid_argument: 'Correct the value named above and try again.',
  invalid_body: 'Correct the value named above and try again.',
  conflict: 'Choose another name, or change what is there already.',
  unavailable: 'The server is starting or away. Answers under /v1 go on meanwhile; try again in a moment.',
  model_not_found: 'Choose an endpoint from the list; one that is starting appears there when it is ready.',
  rate_limit_exceeded: 'Wait a moment, or ask your tenant’s administrator for higher limits.',
  insufficient_quota: 'Ask your tenant’s administrator to give this project a quota (Tenants and quotas).',
  context_length_exceeded: 'Shorten the message or start a new conversation.',
  401: 'Sign in with a key that is valid now: it may have been revoked or have expired.',
  403: 'Your key’s role does not allow this. Ask your tenant’s administrator, or sign in with another key.',
  404: 'It may have been deleted meanwhile. Reload the list.',
  409: 'Someone or something changed it meanwhile. Reload the list and try again.',
  422: 'Correct the value named above and try again.',
  429: 'Wait a moment, or ask your tenant’s administrator for higher limits.',
  500: 'Look for the request id in the server’s log (logs/server.log in the state folder).',
  502: 'Look at the endpoint’s log on the page Endpoints.',
  503: 'Try again in a moment; the page Endpoints shows what is ready.',
};

export class Problem extends Error {
  /** @param {number} status 0 when no answer came
   * @param {string} code @param {string} title @param {string} detail @param {string} [requestId] */
  constructor(status, code, title, detail, requestId = '') {
    super(detail);
    this.status = status;
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.requestId = requestId;
    this.advice = ADVICE[code] ?? ADVICE[status] ?? 'Try again; if it stays, ask the operator of this site.';
  }
}

/** A Problem of anything that was thrown; null for a cancelled call.
 * @param {unknown} thrown @returns {Problem|null} */
export function asProblem(thrown) {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof DOMException && thrown.name === 'AbortError') return null;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new Problem(0, 'console', 'The console failed', text);
}

/** The problem in an answer of the control API (problem+json) or of an inference dialect ({"error":{...}}).
 * @param {Response} response @returns {Promise<Problem>} */
export async function problemOf(response) {
  const text = await response.text().catch(() => '');
  const requestId = response.headers.get('x-request-id') ?? '';
  const title = `${response.status} ${response.statusText}`.trim();
  try {
    const body = JSON.parse(text);
    const error = body.error ?? body;
    return new Problem(response.status, String(error.code ?? ''), body.title ?? title,
      String(error.detail ?? error.message ?? title), requestId);
  } catch {
    return new Problem(response.status, '', title, text.slice(0, 300) || 'The answer carries no explanation.', requestId);
  }
}

/** @param {string} doing what was tried, for a call that got no answer */
export function unreachable(doing) {
  return new Problem(0, 'network', 'No answer', `${doing}: the server did not answer.`);
}
