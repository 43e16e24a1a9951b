// The report that report_sample wrote, in Chromium: whole without a network, legible, and axe finds nothing.
//   report_test.mjs FILE.html      REPORT_SCREENSHOTS=FOLDER keeps pictures
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.env.MILLRACE_PACKAGES, 'package.json'));
const { chromium } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const FILE = process.env.REPORT;
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
});
after(() => browser.close());

async function openReport(scheme, width) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 }, offline: true });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    if (!['file:', 'data:'].includes(new URL(request.url()).protocol)) faults.push(`request to ${request.url()}`);
  });
  await page.goto(pathToFileURL(FILE).href);
  return { page, context, faults };
}

test('the file names no resource of the network and holds no script', () => {
  const text = readFileSync(FILE, 'utf8');
  assert.doesNotMatch(text, /https?:\/\//);
  assert.doesNotMatch(text, /<script|<link[^>]+stylesheet|<img|@import|url\(/);
  assert.match(text, /Content-Security-Policy/);
});

for (const scheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    test(`${scheme}, ${width} wide: axe finds nothing, and nothing overflows`, async () => {
      const { page, context, faults } = await openReport(scheme, width);
      const folder = process.env.REPORT_SCREENSHOTS;
      if (folder) {
        mkdirSync(folder, { recursive: true });
        await page.screenshot({ path: join(folder, `${scheme}-${width}.png`), fullPage: true });
      }
      await page.evaluate(() => document.querySelectorAll('details').forEach((each) => { each.open = true; }));
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(violations.map((each) => `${each.id}: ${each.nodes.slice(0, 3).map((node) => node.html).join('\n')}`), []);
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= inner, `${wide} px wide in a window of ${inner}`);
      assert.deepEqual(faults, []);
      await context.close();
    });
  }
}

test('the texts of each plot lie inside it and do not overlap', async () => {
  const { page, context } = await openReport('light', 1280);
  const found = await page.evaluate(() => {
    const bad = [];
    for (const svg of document.querySelectorAll('svg.chart')) {
      const box = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll('text')].map((node) => [node.textContent, node.getBoundingClientRect()]);
      texts.forEach(([text, a], at) => {
        if (a.left < box.left - 1 || a.right > box.right + 1 || a.top < box.top - 1 || a.bottom > box.bottom + 1) bad.push(`outside: ${text}`);
        for (const [other, b] of texts.slice(at + 1)) {
          const apart = a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
          if (!apart) bad.push(`overlap: ${text} / ${other}`);
        }
      });
    }
    return [document.querySelectorAll('svg.chart').length, bad];
  });
  assert.deepEqual(found, [6, []]);
  await context.close();
});

test('every plot has a title, a legend, and its values as a table', async () => {
  const { page, context } = await openReport('light', 1280);
  const plots = await page.locator('section.plot').count();
  assert.equal(plots, 6);
  for (let i = 0; i < plots; ++i) {
    const plot = page.locator('section.plot').nth(i);
    assert.ok((await plot.locator('h2').textContent()).length > 0);
    assert.ok(await plot.locator('.legend li').count() > 0);
    assert.ok(await plot.locator('table tbody tr').count() > 0);
  }
  assert.equal(await page.getByRole('img').count(), plots);
  await context.close();
});
