// What the console shows of a large site, on recorded answers: every state, figure and action, and what it asks for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertAccessible, assertFits, choose, launch, openPage, signIn, site } from './browser.mjs';
import { recordedSite, serveRecorded } from './recorded.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const onRecorded = (name, body, options = {}) => test(name, async () => {
  const { page, context, faults } = await openPage(browser, options);
  page.setDefaultTimeout(20_000);
  try {
    const recorded = recordedSite();
    const changes = await serveRecorded(page, recorded);
    await signIn(page, site.adminKey);
    await body(page, { changes, recorded, context });
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
});

const rowOf = (page, table, text) => page.getByRole('region', { name: table, exact: true }).getByRole('row').filter({ hasText: text });

onRecorded('jobs: what waits has the scheduler’s reason and start, and filters narrow the lists', async (page) => {
  await choose(page, 'Jobs');
  await page.getByText('waits for 8 nodes in one domain').waitFor();
  assert.match(await rowOf(page, 'Waiting', 'train-50').locator('td').nth(6).textContent(), /^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  assert.equal(await page.getByRole('button', { name: 'Cancel job 41_2' }).count(), 1);
  assert.equal(await page.getByRole('button', { name: 'Cancel job replica-1' }).count(), 0, 'a replica is no job');
  await page.getByLabel('State').selectOption('failed');
  await page.getByRole('heading', { name: /^Waiting/ }).waitFor({ state: 'detached' });
  await rowOf(page, 'Ended', 'train-21').waitFor();
  assert.equal(await page.getByRole('region', { name: 'Ended', exact: true }).getByRole('row').count(), 2, 'the head, and one that failed');
});

onRecorded('jobs: the form sends what was asked for, and nothing that was left empty', async (page, { changes }) => {
  await choose(page, 'Jobs');
  await page.getByRole('button', { name: 'Submit job' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('A program and its arguments').click();
  await dialog.getByLabel('Command').fill('python3\ntrain.py\n--text\na b');
  await dialog.getByLabel('Processors').fill('2.5');
  await dialog.getByLabel('Memory').fill('3GiB');
  await dialog.getByLabel('Accelerators', { exact: true }).fill('0.5');
  await dialog.getByLabel('Array').fill('0-9:2');
  await dialog.getByRole('button', { name: 'Submit' }).click();
  await page.getByRole('heading', { level: 1, name: 'Job 40' }).waitFor();
  assert.deepEqual(changes, [{ call: 'POST /jobs', body: { command: ['python3', 'train.py', '--text', 'a b'], cpus: 2.5, memory: '3GiB',
    accelerators: 0.5, array: '0-9:2', priority_class: 'normal' } }]);
});

onRecorded('a job shows every figure, its tasks’ logs and its files; it is cancelled after confirmation', async (page, { changes }) => {
  await page.goto(`${site.console}#/jobs/40`);
  await page.getByText('epoch 1').waitFor();
  const text = await page.locator('main').textContent();
  for (const part of ['50 min', '1 attempt', '96,000', '12.5', '1.17 Wh', '70 mg', '€0.0123', 'modelled', 'n01, n02, n03, n04', 'running', 'weights.bin']) assert.ok(text.includes(part), part);
  await page.getByLabel('Task').selectOption('3');
  await page.getByText('epoch 1').waitFor();
  await page.getByRole('button', { name: 'Cancel job' }).click();
  assert.deepEqual(changes, []);
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel job' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(changes[0].call, 'POST /jobs/40/cancel');
});

onRecorded('a job shows its runs that ended, the last first, in a table that the keyboard reaches and scrolls', async (page) => {
  await page.goto(`${site.console}#/jobs/42`);
  const runs = page.getByRole('region', { name: 'Runs', exact: true });
  await runs.waitFor();
  const rows = await runs.getByRole('row').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));
  assert.deepEqual(rows[0], ['Run', 'Outcome', 'Started', 'Ended', 'Ran for', 'Nodes', 'Reason']);
  assert.deepEqual(rows.slice(1).map(([number]) => Number(number)), Array.from({ length: 16 }, (_, at) => 18 - at));
  const when = /^\d{4}-\d\d-\d\d \d\d:\d\d \(\d\d:\d\d:\d\d\)$/;
  assert.ok(rows.slice(1).every(([, , started, ended]) => when.test(started) && when.test(ended)), rows[1].join());
  assert.deepEqual([rows[1][1], ...rows[1].slice(4)], ['succeeded', '3 min', 'n01, n02', '']);
  assert.deepEqual([rows[2][1], ...rows[2].slice(4)], ['paused', '3 min', 'n03', 'stopped for other work, which has a higher priority']);
  await page.getByText('run 3 and later').waitFor();
  await page.setViewportSize({ width: 480, height: 900 });
  await runs.focus();
  await page.keyboard.press('End');
  for (let at = 0; at < 5; ++at) await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-label') === 'Runs' && document.activeElement.scrollLeft > 0);
});

onRecorded('an array counts its elements and leads to each', async (page) => {
  await page.goto(`${site.console}#/jobs/41`);
  await page.getByText('40 succeeded, 2 running, 58 queued').waitFor();
  assert.equal(await page.getByRole('region', { name: 'Elements' }).getByRole('link').count(), 100);
  assert.equal(await page.getByRole('link', { name: '41_99' }).getAttribute('href'), '#/jobs/41_99');
});

onRecorded('the timeline has a row for each node, a bar for all work of the hour, and says the same in a table', async (page) => {
  await choose(page, 'Timeline');
  await page.locator('.gantt .bar').first().waitFor();
  const names = await page.locator('.gantt .bar').evaluateAll((bars) => bars.map((bar) => bar.getAttribute('aria-label')));
  assert.equal(names.filter((name) => name.startsWith('job 40 ')).length, 4, 'a gang has a bar on each of its nodes');
  assert.equal(names.filter((name) => name.includes('expected to start at')).length, 1);
  assert.ok(names.some((name) => name.startsWith('service replica-1 chat, running')));
  await page.getByText('1 more waits').waitFor();
  const overlaps = await page.locator('.gantt .row').evaluateAll((rows) => rows.some((row) => {
    const boxes = [...row.querySelectorAll('.bar > rect')].map((rect) => rect.getBoundingClientRect());
    return boxes.some((a, at) => boxes.slice(at + 1).some((b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom && b.top < a.bottom));
  }));
  assert.ok(!overlaps, 'no bar hides another');
  await page.getByText('The same as a table').click();
  assert.equal(await page.getByRole('region', { name: 'Bars of the timeline' }).getByRole('row').count(), names.length + 1);
  await page.locator('.gantt .bar').first().focus();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  const first = await focused();
  await page.keyboard.press('ArrowRight');
  assert.notEqual(await focused(), first);
  await page.keyboard.press('Home');
  assert.equal(await focused(), first);
  assert.equal(await page.locator('.gantt .bar[tabindex="0"]').count(), 1, 'one stop of the Tab key');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: /^Job / }).waitFor();
});

onRecorded('the map says use, health and power in words, groups racks and domains, and shows a node', async (page, { changes }) => {
  await choose(page, 'Nodes');
  const tile = (name) => page.locator(`.tile[data-node="${name}"]`);
  await tile('n01').waitFor();
  assert.equal(await page.locator('.rack').count(), 2);
  assert.equal(await page.locator('.domain').count(), 4);
  assert.match(await tile('n01').locator('strong').textContent(), /50%/);
  assert.match(await tile('n07').locator('strong').textContent(), /down/);
  await page.getByRole('radio', { name: 'Health' }).check();
  assert.match(await tile('n05').locator('strong').textContent(), /cordoned/);
  await page.getByRole('radio', { name: 'Power' }).check();
  assert.match(await tile('n02').locator('strong').textContent(), /6\.8 kW/);
  await tile('n02').hover();
  assert.match(await page.getByRole('tooltip').textContent(), /8 of 8 accelerators held/);
  await page.keyboard.press('Escape');
  await tile('n02').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.node), 'n03');
  await page.keyboard.press('Enter');
  const panel = page.getByRole('region', { name: 'Node n03' });
  assert.equal(await panel.getByRole('row').count(), 9, 'the head, and eight accelerators');
  await panel.getByRole('button', { name: 'Cordon' }).click();
  await panel.getByRole('button', { name: 'Drain' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Drain node' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await tile('n06').click();
  await page.getByRole('region', { name: 'Node n06' }).getByRole('button', { name: 'Undrain' }).click();
  await page.waitForFunction((path) => performance.getEntriesByType('resource').some((entry) => entry.name.endsWith(path)), '/nodes/n06/undrain');
  assert.deepEqual(changes.map(({ call }) => call), ['POST /nodes/n03/cordon', 'POST /nodes/n03/drain', 'POST /nodes/n06/undrain']);
});

onRecorded('the power strip shows draw against budget and what to switch off; events are made and ended', async (page, { changes }) => {
  await choose(page, 'Nodes');
  const strip = page.getByRole('region', { name: 'Power of the site' });
  await strip.getByText('of 75 kW, 108%').waitFor();
  await strip.getByText('switch off: n15, n16').waitFor();
  await rowOf(page, 'Times of less power', 'in force').getByRole('button').click();
  await page.getByRole('dialog').getByRole('button', { name: 'End event' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await strip.getByRole('button', { name: 'Less power for a time' }).click();
  await page.getByRole('dialog').getByLabel('For, minutes').fill('90');
  await page.getByRole('dialog').getByRole('button', { name: 'Create event' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(changes, [{ call: 'DELETE /site/events/event-1', body: null },
    { call: 'POST /site/events', body: { budget_percent: 60, for_s: 5400, notice_s: 300 } }]);
});

onRecorded('an environment opens in a tab of its own with a link that never is in the console', async (page, { changes, context }) => {
  await choose(page, 'Environments');
  await page.getByText('is idle and stops at').waitFor();
  await context.route(/notes\.localhost/, (route) => route.fulfill({ contentType: 'text/html', body: '<title>notebook</title>' }));
  const opened = context.waitForEvent('page');
  await page.getByRole('button', { name: 'Open notes' }).click();
  const tab = await opened;
  await tab.waitForURL(/notes\.localhost/);
  const port = new URL(site.url).port;
  assert.equal(tab.url(), `http://notes.localhost:${port}/.millrace/open?token=recorded-token`);
  assert.equal(await tab.evaluate(() => globalThis.opener), null);
  assert.ok(!(await page.content()).includes('recorded-token'));
  assert.deepEqual(changes, [{ call: 'POST /environments/notes/open', body: null }]);
});

onRecorded('environments are made, connected to, started, stopped and deleted', async (page, { changes }) => {
  await choose(page, 'Environments');
  await page.getByRole('button', { name: 'Create environment' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('A shell, by ssh').click();
  await dialog.getByLabel('Name').fill('shell-1');
  await dialog.getByLabel('Public ssh key').fill('ssh-ed25519 AAAAC3Nz me');
  await dialog.getByLabel('Memory, GiB').fill('1.5');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Start box' }).click();
  await page.getByRole('button', { name: 'Stop notes' }).click();
  await page.getByRole('button', { name: 'Connect box' }).click();
  await page.getByText("ssh -o ProxyCommand='millrace env proxy box' user@box").waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Delete notes' }).click();
  await dialog.getByLabel('Its volume, too').check();
  await dialog.getByRole('button', { name: 'Delete environment' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(changes.map(({ call }) => call), ['POST /environments', 'POST /environments/box/start', 'POST /environments/notes/stop', 'DELETE /environments/notes']);
  assert.deepEqual(changes[0].body, { name: 'shell-1', kind: 'shell', project: 'default', memory_mib: 1536, public_key: 'ssh-ed25519 AAAAC3Nz me' });
});

onRecorded('nothing is asked for more often than once a second', async (page) => {
  const starts = () => page.evaluate(() => performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/v1/'))
    .map((entry) => [new URL(entry.name).pathname, entry.startTime]));
  for (const [address, asked] of [['jobs', 'queue'], ['timeline', 'nodes'], ['nodes', 'site/power'], ['environments', 'environments'], ['jobs/40', 'jobs/40/log']]) {
    await page.goto(`${site.console}#/${address}`);
    await page.evaluate(() => performance.clearResourceTimings());
    await page.waitForFunction((path) => performance.getEntriesByType('resource').filter((entry) => new URL(entry.name).pathname.endsWith(path)).length >= 3, asked);
    const at = Object.groupBy(await starts(), ([path]) => path);
    for (const [path, all] of Object.entries(at)) {
      for (const [index, [, start]] of all.entries()) assert.ok(index === 0 || start - all[index - 1][1] >= 999, `${path} on ${address}`);
    }
  }
});

for (const scheme of ['light', 'dark']) {
  onRecorded(`axe finds nothing on a large site in ${scheme}`, async (page) => {
    const looks = async (name) => {
      await assertAccessible(page, `${scheme}-site-${name}`);
      await page.setViewportSize({ width: 390, height: 800 });
      await assertFits(page, name);
      await assertAccessible(page, `${scheme}-site-narrow-${name}`);
      await page.setViewportSize({ width: 1280, height: 900 });
    };
    const dialogs = async (title, ...buttons) => {
      for (const button of buttons) {
        await page.getByRole('button', { name: button }).first().click();
        await assertAccessible(page, `${scheme}-site-dialog-${title}-${button}`);
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'detached' });
      }
    };
    await choose(page, 'Jobs');
    await page.getByText('waits for 8 nodes').waitFor();
    await looks('jobs');
    await dialogs('jobs', 'Submit job', 'Cancel job 40');
    for (const id of ['40', '41', '42', '21']) {
      await page.goto(`${site.console}#/jobs/${id}`);
      await page.locator('.facts').waitFor();
      await looks(`job-${id}`);
    }
    await choose(page, 'Timeline');
    await page.locator('.gantt .bar').first().waitFor();
    await page.getByText('The same as a table').click();
    await looks('timeline');
    await choose(page, 'Nodes');
    await page.locator('.tile').first().waitFor();
    await page.locator('.tile').nth(2).click();
    await page.getByText('The same as a table').click();
    for (const view of ['Use', 'Health', 'Power']) {
      await page.getByRole('radio', { name: view }).check();
      await page.locator('.tile').nth(1).hover();
      await looks(`nodes-${view}`);
    }
    await dialogs('nodes', 'Less power for a time', /^End event/, 'Drain');
    await choose(page, 'Environments');
    await page.getByText('is idle').waitFor();
    await looks('environments');
    await dialogs('environments', 'Create environment', 'Connect box', 'Delete notes');
  }, { scheme });
}
