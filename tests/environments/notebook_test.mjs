// A notebook: opened by a link that serves once, a cell executed, the platform's endpoints at hand, stopped and woken.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, openPage } from '../console/browser.mjs';
import { eventually, execute, json, millrace, site } from './program.mjs';

let browser;
before(async () => {
  browser = await launch();
  await millrace('env', 'create', 'nb', '--kind', 'jupyter');
});
after(async () => {
  await browser.close();
  await millrace('env', 'delete', 'nb', '--volume');
});

const link = async () => (await json('env', 'open', 'nb')).url;
const anyOrigin = { expected: ['401', '403', '404', '503', 'favicon', 'WebSocket', 'Failed to load'] };

/** Opens the environment in this page, without what was open there before. */
async function enter(page) {
  await page.goto(await link());
  await page.waitForURL('**/lab**', { timeout: 60_000 });
  const { origin } = new URL(page.url());
  await page.goto(`${origin}/lab?reset`);
  await page.locator('.jp-LauncherCard').first().waitFor({ timeout: 60_000 });
  return origin;
}

/** Runs code in a new notebook through JupyterLab's own page; answers the text of the cell's output. */
async function run(page, code) {
  await page.locator('.jp-LauncherCard[title*="Python 3"]').first().click();
  await page.getByText('Python 3 (ipykernel) | Idle').waitFor({ timeout: 60_000 });  // what comes before is dropped
  // A page may hold other notebooks behind this one.
  const notebook = page.locator('.jp-NotebookPanel:not(.lm-mod-hidden)');
  await notebook.locator('.jp-CodeCell .cm-content').last().click();
  await page.keyboard.insertText(code);
  await page.keyboard.press('Shift+Enter');
  const output = notebook.locator('.jp-OutputArea-output').first();
  await output.waitFor({ timeout: 90_000 });
  return (await output.innerText()).trim();
}

test('it is shown as running once it answers', async () => {
  assert.equal((await json('env', 'show', 'nb')).state, 'running');  // as `env create` found it
  const jar = join(site.home, 'jar');
  const { stdout } = await execute('curl', ['-skL', '-b', jar, '-c', jar, '-o', '/dev/null', '-w', '%{http_code} %{url_effective}', await link()]);
  assert.match(stdout, /^200 .*\/lab$/);
});

test('a cell is executed in a browser that a link let in', async () => {
  const { page, context } = await openPage(browser, anyOrigin);
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  const origin = await enter(page);
  assert.equal(new URL(origin).hostname, 'nb.localhost');
  const { protocol } = new URL(site.url);
  assert.equal(new URL(origin).protocol, protocol);
  assert.equal(await run(page, 'import os; print(6 * 7, os.system("true"), "from inside")'), '42 0 from inside');
  assert.ok(sockets.some((socket) => socket.startsWith(origin.replace('http', 'ws'))), `${sockets}`);
  const cookies = await context.cookies(origin);
  const overTls = protocol === 'https:';
  const pass = cookies.find((cookie) => cookie.name === (overTls ? '__Host-millrace_env' : 'millrace_env'));
  assert.ok(pass.httpOnly && pass.sameSite === 'Lax' && pass.domain === 'nb.localhost', JSON.stringify(pass));
  assert.equal(pass.secure, overTls);
  assert.equal(await page.evaluate(() => document.cookie.includes('millrace_env')), false);
  await context.close();
});

test('the link serves once, and without it nothing is shown', async () => {
  const url = await link();
  const first = await openPage(browser, anyOrigin);
  await first.page.goto(url);
  await first.page.waitForURL('**/lab**');
  const second = await openPage(browser, anyOrigin);
  assert.equal((await second.page.goto(url)).status(), 403);
  assert.equal((await second.page.goto(`${new URL(url).origin}/lab`)).status(), 401);
  assert.match(await second.page.innerText('main'), /millrace env open nb/);
  await first.context.close();
  await second.context.close();
});

test('a notebook talks to the platform with a key of its own', async () => {
  const { page, context } = await openPage(browser, anyOrigin);
  await enter(page);
  const answer = await run(page, [
    'from openai import OpenAI',
    `r = OpenAI().chat.completions.create(model="${site.model}", max_tokens=4, messages=[{"role": "user", "content": "Hi"}])`,
    'print("answered", r.usage.completion_tokens > 0)',
  ].join('\n'));
  assert.match(answer, /answered True/);
  const { key_id: key } = await json('env', 'show', 'nb');
  await eventually(async () => (await json('usage', '--by', 'key')).some((row) => JSON.stringify(row).includes(key)));
  await context.close();
});

test('stopped, it is woken by who looks at it, and its volume is as it was', async () => {
  const { page, context } = await openPage(browser, anyOrigin);
  const origin = await enter(page);
  await run(page, 'open("/home/user/kept.txt", "w").write("kept")');
  await millrace('env', 'stop', 'nb');
  assert.equal((await json('env', 'show', 'nb')).state, 'stopped');
  await page.goto(`${origin}/lab`);
  await page.locator('.jp-DirListing-item', { hasText: 'kept.txt' }).waitFor({ timeout: 90_000 });
  assert.equal((await json('env', 'show', 'nb')).state, 'running');
  await context.close();
});
