// @ts-check
// The console: signs in, then shows the page that the address names.
import { html, render, useEffect, useState } from './html.js';
import { get } from './core/api.js';
import { asProblem } from './core/problem.js';
import { route } from './core/router.js';
import { can, key, who } from './core/session.js';
import { Endpoint } from './pages/endpoint.js';
import { Endpoints } from './pages/endpoints.js';
import { Energy } from './pages/energy.js';
import { Environments } from './pages/environments.js';
import { Job } from './pages/job.js';
import { Jobs } from './pages/jobs.js';
import { Keys } from './pages/keys.js';
import { Models } from './pages/models.js';
import { Nodes } from './pages/nodes.js';
import { Overview } from './pages/overview.js';
import { Playground } from './pages/playground.js';
import { SignIn } from './pages/sign_in.js';
import { Tenants } from './pages/tenants.js';
import { Timeline } from './pages/timeline.js';
import { Usage } from './pages/usage.js';
import { allowedViews, Frame, VIEWS } from './parts/frame.js';
import { Page } from './parts/page.js';
import { ProblemNote } from './parts/problem_note.js';

/** @type {Record<string, any>} */
const PAGES = { overview: Overview, usage: Usage, energy: Energy, playground: Playground, endpoints: Endpoints, models: Models,
  keys: Keys, tenants: Tenants, nodes: Nodes, jobs: Jobs, timeline: Timeline, environments: Environments };

function View() {
  const [first, second] = route.value;
  const name = first || allowedViews()[0]?.path;
  const view = VIEWS.find((candidate) => candidate.path === name);
  if (!view) return html`<${Page} title="Nothing here" about="This address names no page of the console. Choose one in the menu." />`;
  if (!can(view.needs)) return html`<${Page} title=${view.title} about="Your key’s role does not show this page." />`;
  if (name === 'endpoints' && second) return html`<${Endpoint} key=${second} name=${second} />`;
  if (name === 'jobs' && second) return html`<${Job} key=${second} id=${second} />`;
  return html`<${PAGES[name]} />`;
}

/** After a reload the key is in the session storage, and who it stands for is asked again. */
function Resume() {
  const [problem, setProblem] = useState(/** @type {import('./core/problem.js').Problem|null} */ (null));
  const ask = () => get('/whoami').then((principal) => {
    who.value = principal;
  }, (thrown) => setProblem(asProblem(thrown)));
  useEffect(() => void ask(), []);
  return html`<main class="sign-in" id="main"><h1 class="unseen">Millrace</h1>
    ${problem ? html`<${ProblemNote} problem=${problem} onRetry=${ask} />` : html`<p class="quiet" role="status">Signing in…</p>`}</main>`;
}

function App() {
  if (key.value === '') return html`<${SignIn} />`;
  if (!who.value) return html`<${Resume} />`;
  return html`<${Frame}><${View} /><//>`;
}

const root = document.getElementById('app');
if (root) render(html`<${App} />`, root);
