// Browser: a Chromium with an empty profile, pages that record what they must not do, and axe.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.MILLRACE_PACKAGES, 'package.json'));
const { chromium } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
// The one certificate that is taken though no authority signed it, by its key.
if (process.env.MILLRACE_CERTIFICATE) ARGUMENTS.push(`--ignore-certificate-errors-spki-list=${process.env.MILLRACE_CERTIFICATE}`);

/** What `millrace env` says about the program under test. */
export const site = {
  url: process.env.MILLRACE_URL,
  console: `${process.env.MILLRACE_URL}/console/`,
  adminKey: process.env.MILLRACE_KEY,
  developerKey: process.env.OPENAI_API_KEY,
  model: process.env.MILLRACE_MODEL,
};

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });

/** A page of its own context. `faults` collects errors on the console, uncaught exceptions, breaches of the content
 * security policy and requests to other origins; `expected` are the texts of errors a test provokes. */
export async function openPage(browser, { scheme = 'light', expected = [] } = {}) {
  const context = await browser.newContext({ colorScheme: scheme, acceptDownloads: true, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !expected.some((text) => message.text().includes(text))) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error.stack)));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== 'blob:' && protocol !== 'data:' && origin !== site.url) faults.push(`request to ${request.url()}`);
  });
  return { page, context, faults };
}

/** Signs in with `key` and waits for the menu. */
export async function signIn(page, key) {
  await page.goto(site.console);
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

/** Chooses a page in the menu and waits for its heading. */
export async function choose(page, title) {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: title, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
}

/** The JSON of a call to the control API with the administrator's key. */
export async function api(method, path, body) {
  const response = await fetch(`${site.url}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${site.adminKey}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.status === 204 ? null : response.json();
}

/** Asserts that axe finds nothing on the page as it is now, and keeps a picture when asked to. */
export async function assertAccessible(page, name) {
  const folder = process.env.CONSOLE_SCREENSHOTS;
  if (folder) {
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }
  // Through the debugger's protocol: the page's own policy would refuse an injected script element.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const text = violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join('\n  ')}`);
  assert.deepEqual(text, [], `axe on ${name}`);
}

/** Asserts that nothing on the page is wider than the window. */
export async function assertFits(page, name) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${name} is ${wide} px wide in a window of ${window}`);
}

/** The numbers in a text, thousands separators taken out. */
export const numbers = (text) => (text.replaceAll(',', '').match(/\d+(\.\d+)?/g) ?? []).map(Number);
