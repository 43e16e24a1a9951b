// Work on the real program: a job from the form to its last figure, its node on the map, its bar on the timeline.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, choose, launch, numbers, openPage, signIn, site } from './browser.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const onPage = (name, body) => test(name, async () => {
  const { page, context, faults } = await openPage(browser);
  page.setDefaultTimeout(30_000);
  try {
    await signIn(page, site.adminKey);
    await body(page);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
});

/** Submits a shell script with the form; the page of the job is open afterwards. @returns its id */
async function submit(page, script, fields = {}) {
  await choose(page, 'Jobs');
  await page.getByRole('button', { name: 'Submit job' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command').fill(script);
  for (const [label, value] of Object.entries(fields)) await dialog.getByLabel(new RegExp(`^${label}`)).fill(value);
  await dialog.getByRole('button', { name: 'Submit' }).click();
  const heading = page.getByRole('heading', { level: 1, name: /^Job \d+$/ });
  await heading.waitFor();
  return numbers(await heading.textContent())[0];
}

const stateOf = (page) => page.locator('.page-head .badge');
const waitForState = (page, state) => stateOf(page).filter({ hasText: new RegExp(`^${state}$`) }).waitFor({ timeout: 60_000 });
const logHas = (page, text) => page.getByRole('region', { name: 'Log text' }).filter({ hasText: text }).waitFor();
const statOf = (page, name) => page.locator('.stat').filter({ hasText: name }).locator('.figure').textContent();

onPage('a job is submitted, writes its log while it runs, and ends with its true exit code, figures and files', async (page) => {
  const id = await submit(page, 'echo first; for i in $(seq 100000); do :; done; touch "$MILLRACE_OUTPUT/go"\n'
    + 'python3 -c "print(6 * 7)"; exit 3', { Name: 'count', Memory: '256MiB' });
  await logHas(page, 'first');
  await waitForState(page, 'failed');
  await logHas(page, '42');
  const job = await api('GET', `/jobs/${id}`);
  assert.equal(job.exit_code, 3);
  assert.match(await page.locator('.facts').textContent(), /Exit code\s*3/);
  await page.getByText('go', { exact: true }).waitFor();
  const run = page.getByRole('region', { name: 'Runs', exact: true }).getByRole('row').nth(1);
  assert.deepEqual(await run.locator('th, td').evaluateAll((cells) => [0, 1, 5, 6].map((at) => cells[at].textContent.trim())),
    ['1', 'failed', job.nodes.join(', '), 'exited with 3']);
  assert.ok(job.cpu_s > 0);
  assert.equal(await statOf(page, 'CPU seconds'), job.cpu_s.toLocaleString('en', { maximumSignificantDigits: 3 }));
  assert.equal(await page.getByRole('button', { name: 'Cancel job' }).count(), 0, 'there is nothing left to cancel');
  await choose(page, 'Jobs');
  await page.getByRole('region', { name: 'Ended', exact: true }).getByRole('link', { name: String(id), exact: true }).waitFor();
});

onPage('a running job is on its node’s tile, in the node’s panel and on the timeline, until it is cancelled', async (page) => {
  const id = await submit(page, 'echo up; sleep 600', { Name: 'sleeper', Memory: '128MiB', Processors: '0.5' });
  await logHas(page, 'up');
  await choose(page, 'Nodes');
  const [node] = (await api('GET', `/jobs/${id}`)).nodes;
  const tile = page.locator(`.tile[data-node="${node}"]`);
  await tile.click();
  const panel = page.getByRole('region', { name: `Node ${node}` });
  await panel.getByRole('link', { name: String(id), exact: true }).waitFor();
  const held = numbers(await tile.locator('strong').textContent())[0];
  await choose(page, 'Timeline');
  const bar = page.locator(`.gantt .bar[aria-label^="job ${id} sleeper, running"]`);
  await bar.waitFor();
  await bar.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Cancel job' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel job' }).click();
  await waitForState(page, 'cancelled');
  await choose(page, 'Nodes');
  await page.waitForFunction(([name, before]) => {
    const text = document.querySelector(`.tile[data-node="${name}"] strong`)?.textContent;
    return text && parseFloat(text) < before;
  }, [node, held]);
  await choose(page, 'Timeline');
  await page.locator(`.gantt .bar[aria-label^="job ${id} sleeper, cancelled"]`).waitFor();
});

onPage('a cordoned node says so, what waits for it says why, and both go on when it is undrained', async (page) => {
  const { data: nodes } = await api('GET', '/nodes');
  await choose(page, 'Nodes');
  await page.getByRole('radio', { name: 'Health' }).check();
  const press = async (name, button) => {
    await page.locator(`.tile[data-node="${name}"]`).click();
    await page.getByRole('region', { name: `Node ${name}` }).getByRole('button', { name: button }).click();
  };
  const waitForTile = (name, text) => page.locator(`.tile[data-node="${name}"] strong`).filter({ hasText: text }).waitFor();
  for (const { name } of nodes) {
    await press(name, 'Cordon');
    await waitForTile(name, 'cordoned');
  }
  const id = await submit(page, 'echo done', { Memory: '128MiB', Processors: '0.5' });
  await page.waitForFunction(() => (document.querySelector('.page-head .about')?.textContent ?? '').split('queued')[1]?.trim());
  const { reason } = await api('GET', `/jobs/${id}/why`);
  await choose(page, 'Jobs');
  const row = page.getByRole('region', { name: 'Waiting', exact: true }).getByRole('row').filter({ hasText: reason });
  await row.getByRole('link', { name: String(id), exact: true }).waitFor();
  await choose(page, 'Nodes');
  for (const { name } of nodes) await press(name, 'Undrain');
  await page.goto(`${site.console}#/jobs/${id}`);
  await waitForState(page, 'succeeded');
});

onPage('an event of less power is made, is in force, and is ended', async (page) => {
  await choose(page, 'Nodes');
  await page.getByRole('button', { name: 'Less power for a time' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Watts').click();
  await dialog.getByLabel('Budget, watts').fill('1000000');
  await dialog.getByLabel('Notice, minutes').fill('0');
  await dialog.getByRole('button', { name: 'Create event' }).click();
  const row = page.getByRole('region', { name: 'Times of less power' }).getByRole('row').filter({ hasText: 'in force' });
  await row.getByRole('button').click();
  await dialog.getByRole('button', { name: 'End event' }).click();
  await row.waitFor({ state: 'detached' });
  assert.deepEqual((await api('GET', '/site/events')).data, []);
});

onPage('an array counts its elements, and each has its own log', async (page) => {
  const id = await submit(page, 'echo element $MILLRACE_ARRAY_INDEX', { Array: '0-2', Memory: '64MiB', Processors: '0.1' });
  await waitForState(page, 'succeeded');
  await page.getByText('3 succeeded').waitFor();
  await page.getByRole('link', { name: `${id}_1`, exact: true }).click();
  await logHas(page, 'element 1');
});
