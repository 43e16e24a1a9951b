// A notebook from the console: made with the form, opened with one click, stopped and deleted. What goes on inside is
// tests/environments.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { choose, launch, numbers, openPage, signIn, site } from './browser.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test('a notebook is made, opens in a tab of its own with one click, and goes with its volume', async () => {
  const { page, context, faults } = await openPage(browser);
  page.setDefaultTimeout(60_000);
  await signIn(page, site.developerKey);
  await choose(page, 'Environments');
  await page.getByRole('button', { name: 'Create environment' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('from-console');
  await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
  const row = page.getByRole('row').filter({ hasText: 'from-console' });
  await row.locator('.badge').filter({ hasText: /^running$/ }).waitFor();
  const opened = context.waitForEvent('page');
  await row.getByRole('button', { name: 'Open from-console' }).click();
  const tab = await opened;
  await tab.waitForURL('**/lab**', { timeout: 60_000 });
  assert.equal(new URL(tab.url()).hostname, 'from-console.localhost');
  await tab.locator('.jp-LauncherCard').first().waitFor({ timeout: 60_000 });
  assert.equal(await tab.evaluate(() => globalThis.opener), null, 'the notebook has no hold on the console');
  assert.ok(!(await page.content()).includes('token='), 'the link is not in the console');
  const connections = row.getByRole('cell').nth(4);
  while (numbers(await connections.textContent())[0] === 0) await page.waitForRequest(/\/api\/v1\/environments/);
  await tab.close();
  await row.getByRole('button', { name: 'Stop from-console' }).click();
  await row.locator('.badge').filter({ hasText: /^stopped$/ }).waitFor();
  await row.getByRole('button', { name: 'Delete from-console' }).click();
  await page.getByRole('dialog').getByLabel('Its volume, too').check();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete environment' }).click();
  await row.waitFor({ state: 'detached' });
  assert.deepEqual(faults, []);
  await context.close();
});
