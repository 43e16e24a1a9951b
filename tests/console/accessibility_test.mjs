// Every page and dialog, light and dark, wide and narrow: axe finds nothing, and nothing overflows the window.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertAccessible, assertFits, choose, launch, openPage, signIn, site } from './browser.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const PAGES = ['Overview', 'Usage', 'Energy', 'Nodes', 'Jobs', 'Timeline', 'Environments', 'Playground', 'Endpoints', 'Models', 'Keys', 'Tenants and quotas'];
/** Page, and the button on it that opens a dialog. */
const DIALOGS = [['Endpoints', 'Create endpoint'], ['Models', 'Import model'], ['Models', /^Set price of/], ['Keys', 'Create key'],
  ['Keys', /^Revoke/], ['Tenants and quotas', 'Create tenant'], ['Tenants and quotas', 'Create project'],
  ['Tenants and quotas', 'Set quota of tenant default'], ['Tenants and quotas', 'Set machines of tenant default'],
  ['Jobs', 'Submit job'], ['Nodes', 'Less power for a time'], ['Nodes', 'Set price of machines'], ['Environments', 'Create environment']];

for (const scheme of ['light', 'dark']) {
  test(`axe finds nothing in ${scheme}`, async () => {
    const { page, context, faults } = await openPage(browser, { scheme, expected: ['401'] });
    await page.goto(site.console);
    await page.getByLabel('API key').fill('wrong');
    await assertAccessible(page, `${scheme}-sign-in`);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await assertAccessible(page, `${scheme}-refused`);
    await signIn(page, site.adminKey);
    for (const title of PAGES) {
      await choose(page, title);
      await page.waitForLoadState('networkidle', { timeout: 2000 }).catch(() => {}); // pages that poll never fall silent
      await assertAccessible(page, `${scheme}-${title}`);
      await page.setViewportSize({ width: 390, height: 800 });
      await assertFits(page, title);
      await assertAccessible(page, `${scheme}-narrow-${title}`);
      await page.setViewportSize({ width: 1280, height: 900 });
    }
    for (const [title, button] of DIALOGS) {
      await choose(page, title);
      await page.getByRole('button', { name: button }).first().click();
      await page.getByRole('dialog').waitFor();
      await assertAccessible(page, `${scheme}-dialog-${title}-${DIALOGS.findIndex((dialog) => dialog[1] === button)}`);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
    await choose(page, 'Playground');
    await page.getByLabel('Tokens at most').fill('24');
    await page.getByLabel('Message').fill('Hello');
    await page.keyboard.press('Enter');
    await page.locator('.figures').waitFor({ timeout: 60_000 });
    await assertAccessible(page, `${scheme}-answer`);
    await choose(page, 'Endpoints');
    await page.getByRole('link', { name: site.model, exact: true }).click();
    await page.getByRole('button', { name: /^Log of/ }).first().click();
    await page.waitForFunction(() => (document.querySelector('.log pre')?.textContent.length ?? 0) > 200);
    await assertAccessible(page, `${scheme}-log`);
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test('the chosen colours outlive a reload', async () => {
  const { page, context } = await openPage(browser, { scheme: 'light' });
  await signIn(page, site.adminKey);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: 'Dark colours' }).click();
  assert.notEqual(await ground(), light);
  await page.reload();
  await page.getByRole('button', { name: 'Light colours' }).waitFor();
  assert.notEqual(await ground(), light);
  await context.close();
});
