// The program under test, and what its environment variables say.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const site = { url: process.env.MILLRACE_URL, model: process.env.MILLRACE_MODEL, home: process.env.MILLRACE_HOME };

/** Runs a command; its output. Rejects with what it wrote on standard error. */
export async function millrace(...words) {
  const { stdout } = await run(process.env.MILLRACE_PROGRAM, [...words, '--home', site.home], { timeout: 300_000 });
  return stdout;
}

/** The same, with --json, parsed. */
export const json = async (...words) => JSON.parse(await millrace(...words, '--json'));

/** Runs any program; never rejects: { code, stdout, stderr }. */
export async function execute(program, words, options = {}) {
  try {
    return { code: 0, ...(await run(program, words, { timeout: 120_000, ...options })) };
  } catch (error) {
    return { code: error.code, stdout: error.stdout ?? '', stderr: error.stderr ?? String(error) };
  }
}

/** Resolves once `condition()` does to something true; rejects after half a minute. */
export async function eventually(condition) {
  const until = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`not within 30 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
