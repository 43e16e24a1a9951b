// The main paths of the console, each on a page of its own, on the real program and model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { api, choose, launch, numbers, openPage, signIn, site } from './browser.mjs';

let browser;
before(async () => {
  browser = await launch();
  const { data } = await api('GET', '/models');
  await api('PUT', `/prices/${data[0].name}`, { input_eur_per_mtok: 1000, output_eur_per_mtok: 2000 });
});
after(() => browser.close());

/** Runs `body` on a new page, then holds the page to: no error, no foreign request. */
const onPage = (name, options, body) => test(name, async () => {
  const { page, context, faults } = await openPage(browser, options);
  page.setDefaultTimeout(20_000);
  try {
    await body(page, context);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
});

/** The figures under the last answer, by name. */
async function figuresOf(page) {
  const figures = page.locator('.exchange').last().locator('.figures');
  await figures.waitFor({ timeout: 60_000 });
  const names = await figures.locator('dt').allTextContents();
  const values = await figures.locator('dd').allTextContents();
  return Object.fromEntries(names.map((name, at) => [name, values[at]]));
}

onPage('every file comes with a policy that allows this origin only and nothing inline', {}, async (page) => {
  const policies = [];
  page.on('response', (response) => policies.push([response.url(), response.headers()['content-security-policy'] ?? '']));
  await page.goto(site.console);
  await page.getByLabel('API key').waitFor();
  assert.ok(policies.length > 40, `${policies.length} files`);
  for (const [url, policy] of policies) {
    assert.match(policy, /default-src 'self'/, url);
    assert.match(policy, /style-src 'self'(;|$)/, url);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/, url);
  }
});

const refusal = { expected: ['401'] };
onPage('a wrong key is refused with what to do, and is not kept', refusal, async (page) => {
  await page.goto(site.console);
  await page.getByLabel('API key').fill('mr_0000000000000000000000000000000000000000000');
  await page.getByRole('button', { name: 'Sign in' }).click();
  const alert = page.getByRole('alert');
  await alert.waitFor();
  assert.match(await alert.textContent(), /Sign in with a key that is valid now/);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

onPage('a key lives in the session storage only, survives a reload, and goes on signing out', {}, async (page, context) => {
  await signIn(page, site.adminKey);
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  const kept = await page.evaluate(() => [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie]);
  assert.ok(kept[1].includes(site.adminKey));
  assert.ok(!kept[0].includes('mr_') && kept[2] === '');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('API key').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(await context.cookies(), []);
});

onPage('the overview shows live figures and plots them', {}, async (page) => {
  await signIn(page, site.adminKey);
  const values = page.locator('.stats .figure');
  await page.waitForFunction(() => [...document.querySelectorAll('.stats .figure')].filter((e) => /\d/.test(e.textContent)).length === 5);
  assert.equal(await values.count(), 5);
  assert.ok(numbers(await values.nth(2).textContent())[0] > 0, 'a machine that runs draws power');
  assert.ok(numbers(await values.nth(4).textContent())[0] >= 1, 'the replica that make up started is ready');
  const asked = page.waitForRequest(/\/api\/v1\/live$/);
  await asked;
  assert.equal(await page.locator('.plot canvas').count(), 4);
});

onPage('the playground streams an answer and shows its tokens, speed, energy, CO2e and cost', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Playground');
  await page.getByLabel('Endpoint').selectOption(site.model);
  await page.getByLabel('Tokens at most').fill('48');
  await page.getByLabel('Temperature').fill('0');
  await page.evaluate(() => {
    globalThis.lengths = new Set();
    new MutationObserver(() => globalThis.lengths.add(document.querySelector('.answer-text')?.textContent.length ?? 0))
      .observe(document.querySelector('.conversation'), { subtree: true, childList: true, characterData: true });
  });
  await page.getByLabel('Message').fill('Write one sentence about watermills.');
  await page.getByRole('button', { name: 'Send' }).click();
  const figures = await figuresOf(page);
  assert.ok((await page.locator('.answer-text').textContent()).length > 20);
  assert.ok(await page.evaluate(() => globalThis.lengths.size) > 5, 'the text grew piece by piece');
  assert.ok(numbers(figures.Tokens).every((count) => count > 0), figures.Tokens);
  assert.match(figures.Speed, /^[\d.,]+ tokens\/s$/);
  assert.match(figures.Energy, /^[\d.,]+ J$/);
  assert.match(figures['CO₂e'], /^[\d.,]+ (g|mg|µg)$/);
  const [input, output] = numbers(figures.Tokens);
  const euro = (input * 1000 + output * 2000) / 1e6;
  assert.ok(Math.abs(numbers(figures.Cost)[0] / euro - 1) < 0.01, `${figures.Cost} for ${euro}`);
  const said = page.locator('[aria-live="polite"]');
  assert.match(await said.textContent(), /^Answer: ./, 'a screen reader hears the whole answer');
});

/** Gateways report once a second what they work on; an answer of 2000 tokens takes far longer than this waits. */
async function waitForActive(holds) {
  const until = Date.now() + 5000;
  let active = -1;
  while (!holds(active) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    active = (await api('GET', '/live')).active_requests;
  }
  assert.ok(holds(active), `${active} requests in work`);
}

onPage('stop cancels the answer, and the engine is free again', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Playground');
  await page.getByLabel('Tokens at most').fill('2000');
  // The likeliest words: by chance an answer may be over before it is seen.
  await page.getByLabel('Temperature').fill('0');
  await page.getByLabel('Message').fill('Tell a very long story about a river, with many chapters.');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => (document.querySelector('.answer-text')?.textContent.length ?? 0) > 5);
  await waitForActive((active) => active === 1);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText('Stopped. What it used until then').waitFor();
  await waitForActive((active) => active === 0);
});

onPage('a key is made, shown once, works, and is revoked after confirmation', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Keys');
  await page.getByRole('button', { name: 'Create key' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: /^Project/ }).selectOption('default');
  await dialog.getByLabel('Requests per minute').fill('30');
  await dialog.getByRole('button', { name: 'Create key' }).click();
  const text = (await page.locator('.secret').textContent()).trim();
  assert.match(text, /^mr_[A-Za-z0-9_-]{43}$/);
  const status = async () => (await fetch(`${site.url}/v1/models`, { headers: { authorization: `Bearer ${text}` } })).status;
  assert.equal(await status(), 200);
  await page.getByRole('button', { name: 'I have it' }).click();
  assert.ok(!(await page.content()).includes(text), 'shown once');
  const prefix = text.slice(0, 10);
  const row = page.getByRole('row').filter({ hasText: prefix });
  assert.match(await row.textContent(), /30 requests\/min/);
  await row.getByRole('button', { name: `Revoke ${prefix}` }).click();
  assert.equal(await status(), 200, 'nothing happens before the confirmation');
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke key' }).click();
  await row.waitFor({ state: 'detached' });
  assert.equal(await status(), 401);
});

onPage('an endpoint shows its replicas and the log of one', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Endpoints');
  await page.getByRole('link', { name: site.model, exact: true }).click();
  const row = page.getByRole('row').filter({ hasText: 'ready' });
  await row.getByRole('button', { name: /^Log of/ }).first().click();
  await page.waitForFunction(() => (document.querySelector('.log pre')?.textContent.length ?? 0) > 200);
});

onPage('an endpoint is created and deleted; a name that is taken is refused with the reason', { expected: ['409'] }, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Endpoints');
  const create = async (name) => {
    await page.getByRole('button', { name: 'Create endpoint' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByText('An OpenAI-compatible upstream').click();
    await dialog.getByLabel('Address').fill('http://127.0.0.1:9/v1');
    await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  };
  await create(site.model);
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await create('elsewhere');
  await page.getByRole('link', { name: 'elsewhere', exact: true }).click();
  await page.getByRole('button', { name: 'Delete endpoint' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete endpoint' }).click();
  await page.getByRole('heading', { level: 1, name: 'Endpoints' }).waitFor();
  await page.getByRole('link', { name: 'elsewhere', exact: true }).waitFor({ state: 'detached' });
});

onPage('the price of machines is shown and set', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Nodes');
  await page.getByRole('button', { name: 'Set price of machines' }).click();
  await page.getByRole('dialog').getByLabel('€ for an accelerator, an hour').fill('2.5');
  await page.getByRole('dialog').getByLabel('€ for a core, an hour').fill('0.02');
  await page.getByRole('dialog').getByRole('button', { name: 'Set price' }).click();
  await page.getByText('€2.5 for an accelerator').waitFor();
  const { accelerator_eur_per_hour, core_eur_per_hour } = await api('GET', '/machine-price');
  assert.deepEqual([accelerator_eur_per_hour, core_eur_per_hour], [2.5, 0.02]);
});

onPage('tenants, projects and quotas are made', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Tenants and quotas');
  await page.getByRole('button', { name: 'Create tenant' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('hospital');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  const tenant = page.getByRole('region', { name: 'Tenant hospital' });
  await tenant.getByText('none given: nothing may run').waitFor();
  await page.getByRole('button', { name: 'Create project' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('letters');
  await page.getByRole('dialog').getByLabel('Tenant').selectOption('hospital');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await tenant.getByRole('button', { name: 'Set quota of project letters' }).click();
  await page.getByRole('dialog').getByLabel('Up to limits').check();
  await page.getByRole('dialog').getByLabel('Requests per minute').fill('12');
  await page.getByRole('dialog').getByRole('button', { name: 'Set quota' }).click();
  await tenant.getByText('12 requests/min').waitFor();
  assert.deepEqual(await api('GET', '/quotas/projects/letters'), { quota: { requests_per_minute: 12 }, inherited: false });
  await tenant.getByText('none given: no machines').waitFor();
  await tenant.getByRole('button', { name: 'Set machines of tenant hospital' }).click();
  await page.getByRole('dialog').getByLabel('Up to amounts').check();
  await page.getByRole('dialog').getByLabel('Accelerators').fill('4');
  await page.getByRole('dialog').getByLabel('Memory, GiB').fill('8');
  await page.getByRole('dialog').getByLabel('It may use beyond it').uncheck();
  await page.getByRole('dialog').getByRole('button', { name: 'Set machines' }).click();
  await tenant.getByText('4 accelerators, 8 GiB; never more; share 1').waitFor();
  assert.deepEqual(await api('GET', '/quotas/tenants/hospital/compute'),
    { quota: { accelerators: 4, memory_bytes: 8 * 2 ** 30, borrow: false, share: 1 }, inherited: false });
});

onPage('usage is shown by day, model, key, project and tenant, and saved as CSV that equals the API', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Usage');
  for (const by of ['model', 'key', 'project', 'tenant', 'day']) {
    await page.getByLabel('Group by').selectOption(by);
    await page.getByRole('columnheader', { name: by[0].toUpperCase() + by.slice(1) }).waitFor();
  }
  await page.getByRole('row').nth(1).waitFor();
  assert.equal(await page.locator('.plot canvas').count(), 3);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Table as CSV' }).click();
  const file = await download;
  assert.equal(file.suggestedFilename(), 'usage-by-day.csv');
  const [head, ...lines] = readFileSync(await file.path(), 'utf8').trim().split('\r\n');
  assert.equal(head, 'name,requests,input_tokens,cached_tokens,output_tokens,reasoning_tokens,accelerator_s,cpu_s,energy_j,co2e_g,cost_eur');
  const { data } = await api('GET', '/usage?by=day');
  assert.deepEqual(lines.map((line) => line.split(',')[0]), data.map((sum) => sum.name));
  assert.equal(Number(lines[0].split(',')[1]), data[0].requests);
  const records = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Records as CSV' }).click();
  const rows = readFileSync(await (await records).path(), 'utf8').trim().split('\r\n');
  const asked = data.reduce((all, sum) => all + sum.requests, 0);
  assert.equal(rows.length - 1, asked, 'a line for each request');
});

onPage('energy adds up: attributed and idle make the site', {}, async (page) => {
  await signIn(page, site.adminKey);
  await choose(page, 'Energy');
  await page.getByRole('row').nth(1).waitFor({ timeout: 30_000 });
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Intervals as CSV' }).click();
  const [head, ...lines] = readFileSync(await (await download).path(), 'utf8').trim().split('\r\n');
  assert.equal(head, 'from,to,site_j,attributed_j,idle_j,basis');
  for (const line of lines) {
    const [, , all, attributed, idle] = line.split(',').map(Number);
    assert.ok(all > 0 && Math.abs(all - attributed - idle) < 1e-5, line);
  }
});

onPage('a developer sees what the role allows, and nothing else', {}, async (page) => {
  await signIn(page, site.developerKey);
  const menu = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allTextContents();
  assert.ok(menu.includes('Playground') && menu.includes('Usage') && menu.includes('Jobs'));
  assert.ok(!menu.includes('Overview') && !menu.includes('Energy'));
  await choose(page, 'Keys');
  assert.equal(await page.getByRole('button', { name: 'Create key' }).count(), 0);
});

onPage('with the keyboard alone: sign in, skip the menu, ask', {}, async (page) => {
  await page.goto(site.console);
  await page.getByLabel('API key').waitFor();
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'key');
  await page.keyboard.type(site.developerKey);
  await page.keyboard.press('Enter');
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the page');
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('name') ?? document.activeElement?.textContent ?? '');
  const tabTo = async (name) => {
    for (let presses = 0; presses < 30 && await focused() !== name; ++presses) await page.keyboard.press('Tab');
    assert.equal(await focused(), name);
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none', 'focus is visible');
  };
  await tabTo('Playground');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Playground' }).waitFor();
  await page.waitForFunction(() => document.querySelector('select[name=model]')?.value);
  await tabTo('question');
  await page.keyboard.type('Say hello.');
  await page.keyboard.press('Enter');
  assert.ok((await figuresOf(page)).Energy);
});
