// @ts-check
import { html, useState } from '../html.js';
import { call, list } from '../core/api.js';
import { clock, duration, memory, number, time } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { asProblem, Problem } from '../core/problem.js';
import { can } from '../core/session.js';
import { CopyButton } from '../parts/copy_button.js';
import { Dialog } from '../parts/dialog.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { EnvironmentForm } from './environment_form.js';

/** @typedef {import('../core/types.js').Environment} Environment */

/** What is asked of one of them. @typedef {(what: 'open'|'ssh'|'start'|'stop'|'delete', environment: Environment) => void} Ask */

/** @param {string} name */
const pathOf = (name) => `/environments/${encodeURIComponent(name)}`;

/** Opens a notebook in a tab of its own. The tab is made at once, while the click still allows it; the address with its
 * single-use token goes into the tab and nowhere else. @param {string} name */
async function openInTab(name) {
  const tab = window.open('about:blank', '_blank');
  if (!tab) throw new Problem(0, 'console', 'No new tab', 'This browser did not let the console open a tab. Allow it for this address and try again.');
  tab.opener = null;
  try {
    const { environment, path } = await call('POST', `${pathOf(name)}/open`);
    tab.location.replace(`${location.protocol}//${environment.host}${location.port && `:${location.port}`}${path}`);
  } catch (thrown) {
    tab.close();
    throw thrown;
  }
}

/** @param {Environment} environment */
const sshCommand = ({ name }) => `ssh -o ProxyCommand='millrace env proxy ${name}' user@${name}`;

/** @param {Environment} environment @param {Ask} ask */
function buttons(environment, ask) {
  const { name, kind, state } = environment;
  const button = (/** @type {Parameters<Ask>[0]} */ what, /** @type {string} */ text, style = '') => html`<button type="button" class=${`small ${style}`}
    aria-label=${`${text} ${name}`} onClick=${() => ask(what, environment)}>${text}</button>`;
  return html`<span class="row-actions">
    ${can('open-environments') && (kind === 'shell' ? button('ssh', 'Connect', 'primary') : button('open', 'Open', 'primary'))}
    ${can('manage-environments') && html`${['stopped', 'failed'].includes(state) ? button('start', 'Start') : state !== 'stopping' && button('stop', 'Stop')}
      ${button('delete', 'Delete', 'danger')}`}</span>`;
}

/** @param {Ask} ask @returns {import('../parts/table.js').Column<Environment>[]} */
const columns = (ask) => [
  { title: 'Name', heads: true, cell: (environment) => environment.name },
  { title: 'State', cell: (environment) => html`<${StateBadge} state=${environment.state} />${environment.reason && html` <span class="quiet reason">${environment.reason}</span>`}` },
  { title: 'Kind', cell: (environment) => environment.kind },
  { title: 'Project', cell: (environment) => environment.project },
  { title: 'Holds', cell: (environment) => [`${number(environment.cpus)} cpu`, memory(environment.memory_mib * 2 ** 20),
    environment.accelerators > 0 && `${environment.accelerators} ${environment.accelerator_kind ?? 'acc.'}`].filter(Boolean).join(', ') },
  { title: 'Connections', numeric: true, cell: (environment) => number(environment.connections) },
  { title: 'Last used', cell: (environment) => time(environment.used_at) },
  { title: 'When idle', cell: (environment) => (environment.idle_s > 0 ? `stops after ${duration(environment.idle_s)}` : 'never stops') },
  { title: 'Actions', quiet: true, cell: (environment) => buttons(environment, ask) },
];

/** Those that stop soon unless they are used. @param {{all: Environment[]}} props */
function IdleWarning({ all }) {
  const idle = all.filter((environment) => environment.stops_at && environment.state === 'running');
  return html`<div role="status" class=${idle.length > 0 ? 'notice' : ''}>${idle.map((environment) => html`<p key=${environment.name}>
    <strong>${environment.name}</strong> is idle and stops at ${clock(environment.stops_at)} unless it is used. Its volume stays.</p>`)}</div>`;
}

/** @param {{environment: Environment, onClose: () => void}} props */
function SshDialog({ environment, onClose }) {
  return html`<${Dialog} title=${`Connect to ${environment.name}`} submit="Done" dismiss="Close" onClose=${onClose} onSubmit=${async () => {}}>
    <p>A shell is reached with ssh, by the key that was given when it was made. It starts when it is not running.</p>
    <output class="secret">${sshCommand(environment)}</output>
    <div class="row-actions"><${CopyButton} text=${sshCommand(environment)} label="Copy command" /></div>
    ${environment.ssh_host_key && html`<p class="quiet">Its host key: <code class="wrap">${environment.ssh_host_key}</code></p>`}
  <//>`;
}

/** @param {{environment: Environment, onClose: () => void, onDone: () => void}} props */
function DeleteDialog({ environment, onClose, onDone }) {
  const onSubmit = async (/** @type {Record<string, string>} */ values) => {
    await call('DELETE', `${pathOf(environment.name)}?volume=${values.volume === 'delete' ? 'delete' : 'keep'}`);
    onDone();
  };
  return html`<${Dialog} title=${`Delete ${environment.name}?`} submit="Delete environment" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>The name becomes free and its key stops working. One that still runs is told to stop; then delete it again.</p>
    <label class="check"><input type="checkbox" name="volume" value="delete" /> Its volume, too: everything kept in it is lost</label>
  <//>`;
}

export function Environments() {
  const environments = useLoad((signal) => list('/environments', signal), [], 2000);
  const [asked, setAsked] = useState(/** @type {{what: string, environment: Environment}|null} */ (null));
  const [creating, setCreating] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem|null} */ (null));
  const close = () => setAsked(null);
  /** @type {Ask} */
  const ask = async (what, environment) => {
    if (what === 'delete' || what === 'ssh') return setAsked({ what, environment });
    try {
      await (what === 'open' ? openInTab(environment.name) : call('POST', `${pathOf(environment.name)}/${what}`));
      setProblem(null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    environments.reload();
  };
  const create = can('manage-environments') && html`<button type="button" class="primary" onClick=${() => setCreating(true)}>Create environment</button>`;
  return html`<${Page} title="Environments" about="Notebooks and shells to work in. Each has a volume that stays, and stops when nobody uses it." actions=${create}>
    <${ProblemNote} problem=${problem ?? environments.problem} onRetry=${environments.reload} />
    <${IdleWarning} all=${environments.value ?? []} />
    ${environments.value && html`<${Table} caption="Environments" columns=${columns(ask)} rows=${environments.value} rowKey=${(/** @type {Environment} */ environment) => environment.name}
      empty="There is no environment yet." />`}
    ${creating && html`<${EnvironmentForm} onClose=${() => setCreating(false)} onDone=${environments.reload} />`}
    ${asked?.what === 'ssh' && html`<${SshDialog} environment=${asked.environment} onClose=${close} />`}
    ${asked?.what === 'delete' && html`<${DeleteDialog} environment=${asked.environment} onClose=${close} onDone=${environments.reload} />`}
  <//>`;
}
