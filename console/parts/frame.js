// @ts-check
import { html, useEffect, useState } from '../html.js';
import { link, route } from '../core/router.js';
import { can, end, who } from '../core/session.js';
import { isDark, toggleTheme } from '../core/theme.js';

/** @typedef {{path: string, title: string, needs: string, group: string}} View */

/** In the order of the menu. @type {View[]} */
export const VIEWS = [
  { path: 'overview', title: 'Overview', needs: 'read-status', group: 'Watch' },
  { path: 'usage', title: 'Usage', needs: 'read-usage', group: 'Watch' },
  { path: 'energy', title: 'Energy', needs: 'read-energy', group: 'Watch' },
  { path: 'nodes', title: 'Nodes', needs: 'read-nodes', group: 'Watch' },
  { path: 'jobs', title: 'Jobs', needs: 'read-jobs', group: 'Run' },
  { path: 'timeline', title: 'Timeline', needs: 'read-jobs', group: 'Run' },
  { path: 'environments', title: 'Environments', needs: 'read-environments', group: 'Run' },
  { path: 'playground', title: 'Playground', needs: 'use', group: 'Use' },
  { path: 'endpoints', title: 'Endpoints', needs: 'read-endpoints', group: 'Serve' },
  { path: 'models', title: 'Models', needs: 'read-models', group: 'Serve' },
  { path: 'keys', title: 'Keys', needs: 'read-keys', group: 'Govern' },
  { path: 'tenants', title: 'Tenants and quotas', needs: 'read-projects', group: 'Govern' },
];

/** What the signed-in key may see. */
export const allowedViews = () => VIEWS.filter((view) => can(view.needs));

function Menu() {
  const views = allowedViews();
  const groups = [...new Set(views.map((view) => view.group))];
  const current = route.value[0] || views[0]?.path;
  return html`<nav aria-label="Pages">${groups.map((group) => html`<section>
    <h2 id=${`menu-${group}`}>${group}</h2>
    <ul aria-labelledby=${`menu-${group}`}>${views.filter((view) => view.group === group).map((view) => html`<li>
      <a href=${link(view.path)} aria-current=${view.path === current ? 'page' : undefined}>${view.title}</a></li>`)}</ul>
  </section>`)}</nav>`;
}

/** The frame around every page: skip link, menu, who is signed in. @param {{children?: any}} props */
export function Frame({ children }) {
  const [open, setOpen] = useState(false);
  const at = route.value.join('/');
  useEffect(() => setOpen(false), [at]);
  const skip = (/** @type {Event} */ event) => {
    event.preventDefault();
    document.getElementById('main')?.focus();
  };
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${skip}>Skip to the page</a>
    <header class=${open ? 'side open' : 'side'}>
      <div class="brand"><img src="mill.svg" alt="" width="30" height="30" /><span>Millrace</span>
        <button type="button" class="menu-button" aria-expanded=${open} aria-controls="side-body" onClick=${() => setOpen(!open)}>Menu</button></div>
      <div class="side-body" id="side-body"><${Menu} />
        <div class="account">
          <p><strong>${who.value?.role}</strong><span>${who.value?.project} · ${who.value?.tenant}</span></p>
          <button type="button" class="small" onClick=${toggleTheme}>${isDark() ? 'Light' : 'Dark'} colours</button>
          <button type="button" class="small" onClick=${() => end()}>Sign out</button>
        </div></div>
    </header>
    <main id="main" tabindex="-1">${children}</main>
  </div>`;
}
