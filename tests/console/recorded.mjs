// Recorded: a site with racks, accelerators, a grid event and work in every state, answered by the test in place of the
// program, so that pages can be looked at with all that a large site shows. What is posted is kept.
const MINUTE_MS = 60_000;
const ago = (minutes) => new Date(Date.now() - minutes * MINUTE_MS).toISOString();

const STATES = ['succeeded', 'failed', 'cancelled', 'timed_out', 'lost'];

function job(id, fields) {
  return { id: String(id), name: `train-${id}`, tenant: 'default', project: 'default', user: 'user-1', submitted_at: ago(90), state: 'running',
    reason_code: null, reason: null, expected_start: null, stopping: false, exit_code: null, attempts: 1, nodes: ['n01'], limits_kind: 'cgroup-v2', runs: [], started_at: ago(50),
    ended_at: null, accelerator_s: 0, cpu_s: 12.5, energy_j: 4200, co2e_g: 0.07, cost_microeur: 12_300, basis: 'modelled', array: null,
    elements: 1, counts: null, ...fields };
}

/** The last 16 of 18 runs: paused again and again, until it ran to its end. */
function eighteenRuns() {
  return Array.from({ length: 16 }, (_, at) => ({ number: at + 3, nodes: at % 2 ? ['n01', 'n02'] : ['n03'], started_at: ago(100 - at * 5),
    ended_at: ago(97 - at * 5), outcome: at < 15 ? 'paused' : 'succeeded', reason: at < 15 ? 'stopped for other work, which has a higher priority' : null }));
}

function queued(id, fields) {
  return { id: String(id), kind: 'job', name: `train-${id}`, tenant: 'default', project: 'default', position: null, state: 'running',
    priority_class: 'normal', submitted_at: ago(60), tasks: 1, cpus: 4, memory_bytes: 2 ** 33, accelerators: 8, nodes: [], started_at: null,
    reason_code: null, reason: null, expected_start: null, ...fields };
}

function node(at) {
  const used = [0, 0.5, 1, 1][at % 4];
  return { name: `n${String(at).padStart(2, '0')}`, site: 'hall', zone: 'FR', rack: `rack-${Math.floor((at - 1) / 8) + 1}`,
    rail: `leaf-${at % 2}`, domain: `domain-${Math.floor((at - 1) / 4) + 1}`, kind: 'h100', health: { 5: 'cordoned', 6: 'draining', 7: 'down' }[at] ?? 'ready',
    cordoned: at === 5 || at === 6, draining: at === 6,
    accelerators: Array.from({ length: 8 }, (_, index) => ({ id: `gpu${index}`, kind: 'h100', used: index < 8 * used ? 1 : 0 })),
    cpus: 96, cpus_used: 96 * used, memory_bytes: 2 ** 40, memory_used_bytes: 2 ** 40 * used, idle_w: 1800, draw_w: 1800 + used * 5000,
    budget_w: 7000, work: used > 0 ? ['40', '41_2'] : [] };
}

function environment(name, fields) {
  return { name, kind: 'jupyter', tenant: 'default', project: 'default', host: `${name}.localhost`, state: 'running', reason: null, cpus: 2,
    memory_mib: 4096, accelerators: 0, accelerator_kind: null, idle_s: 3600, created_at: ago(600), started_at: ago(120), used_at: ago(55),
    stops_at: null, connections: 1, key_id: 'k1', ssh_host_key: null, work: '60', ...fields };
}

export function recordedSite() {
  const ended = STATES.map((state, at) => job(20 + at, { state, nodes: [`n0${at + 1}`], started_at: ago(45 - at * 5), ended_at: ago(30 - at * 5),
    exit_code: state === 'succeeded' ? 0 : 1, reason: state === 'succeeded' ? null : `it was ${state}` }));
  const queue = [
    queued(40, { nodes: ['n01', 'n02', 'n03', 'n04'], started_at: ago(70), tasks: 4 }), queued('41_2', { nodes: ['n08'], started_at: ago(12), state: 'pausing' }),
    queued('replica-1', { kind: 'service', name: 'chat', nodes: ['n09'], started_at: ago(20) }),
    queued(50, { state: 'queued', position: 1, accelerators: 64, reason_code: 'no_room', reason: 'waits for 8 nodes in one domain', expected_start: ago(-6) }),
    queued(51, { state: 'queued', position: 2, reason_code: 'quota', reason: 'project default holds its quota of accelerators' })];
  const jobs = [job(40, { nodes: ['n01', 'n02', 'n03', 'n04'], accelerator_s: 96_000 }),
    job(42, { state: 'succeeded', attempts: 18, exit_code: 0, started_at: ago(25), ended_at: ago(22), runs: eighteenRuns() }),
    job(41, { array: '0-99', elements: 100, counts: { succeeded: 40, running: 2, queued: 58 } }), ...ended];
  return { queue, jobs, nodes: Array.from({ length: 16 }, (_, at) => node(at + 1)),
    power: [{ site: 'hall', zone: 'FR', draw_w: 81_000, budget_w: 75_000, budget_until: ago(-30), infeasible: true, nodes_to_switch_off: ['n15', 'n16'] }],
    events: [{ id: 'event-1', site: 'hall', from: ago(5), until: ago(-30), budget_w: null, budget_percent: 60 },
      { id: 'event-2', site: 'hall', from: ago(-60), until: ago(-120), budget_w: 50_000, budget_percent: null }],
    environments: [environment('notes', { stops_at: ago(-4), connections: 0 }), environment('box', { kind: 'shell', state: 'stopped', ssh_host_key: 'ssh-ed25519 AAAAC3Nz' })] };
}

/** Answers the routes of work, nodes, power and environments from `site`; all others go to the program.
 * @returns the calls that change something, as "METHOD /path", with their bodies */
export async function serveRecorded(page, site) {
  const changes = [];
  const lists = { '/queue': site.queue, '/jobs': site.jobs, '/nodes': site.nodes, '/site/power': site.power, '/site/events': site.events,
    '/environments': site.environments };
  await page.route(/\/api\/v1\/(queue|jobs|nodes|site|environments)\b/, async (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname.replace('/api/v1', '');
    const [, kind, name, rest] = path.split('/');
    const one = (site[kind] ?? []).find((candidate) => (candidate.id ?? candidate.name) === name);
    if (request.method() !== 'GET') {
      changes.push({ call: `${request.method()} ${path}`, body: request.postDataJSON() });
      if (request.method() === 'DELETE') return route.fulfill({ status: 204 });
      if (rest === 'open') return route.fulfill({ json: { environment: one, path: '/.millrace/open?token=recorded-token', expires_at: ago(-1) } });
      return route.fulfill({ status: 200, json: one ?? site.jobs[0] });
    }
    if (rest === 'log') return route.fulfill({ json: { from: 0, text: request.url().includes('from=-') ? 'epoch 1\n' : '', next: 8, run: 1, tasks: 4, state: one.state } });
    if (rest === 'artifacts') return route.fulfill({ json: { data: [{ path: 'model/weights.bin', size_bytes: 5, executable: false, modified_at: ago(1) }], next: null } });
    return route.fulfill({ json: name && kind !== 'site' ? one : { data: lists[path], next: null } });
  });
  return changes;
}
