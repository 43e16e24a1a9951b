// @ts-check
import { html, useState } from '../html.js';
import { call, list } from '../core/api.js';
import { limits, time } from '../core/format.js';
import { useLoad } from '../core/load.js';
import { can, who } from '../core/session.js';
import { CopyButton } from '../parts/copy_button.js';
import { Dialog } from '../parts/dialog.js';
import { Page } from '../parts/page.js';
import { ProblemNote } from '../parts/problem_note.js';
import { StateBadge } from '../parts/state_badge.js';
import { Table } from '../parts/table.js';
import { KeyForm } from './key_form.js';

/** @typedef {import('../core/types.js').Key} Key */

/** @param {(key: Key) => void} revoke @returns {import('../parts/table.js').Column<Key>[]} */
const columns = (revoke) => [
  { title: 'Key', heads: true, cell: (key) => html`<code>${key.prefix}…</code>${key.id === who.value?.key_id && html` <span class="badge calm">yours</span>`}` },
  { title: 'State', cell: (key) => html`<${StateBadge} state=${key.state} />` },
  { title: 'Project', cell: (key) => html`${key.project} <span class="quiet">of ${key.tenant}</span>` },
  { title: 'Role', cell: (key) => key.role },
  { title: 'Limits', cell: (key) => limits(key.limits) },
  { title: 'Made', cell: (key) => time(key.created_at) },
  { title: 'Ends', cell: (key) => (key.revoked_at ? time(key.revoked_at) : key.expires ? time(key.expires) : 'never') },
  ...(can('manage-keys') ? [{ title: 'Actions', quiet: true, cell: (/** @type {Key} */ key) => key.state === 'active'
    && html`<button type="button" class="small" aria-label=${`Revoke ${key.prefix}`} onClick=${() => revoke(key)}>Revoke</button>` }] : []),
];

/** @param {{target: Key, onClose: () => void, onDone: () => void}} props */
function RevokeDialog({ target, onClose, onDone }) {
  const onSubmit = async () => {
    await call('DELETE', `/keys/${target.id}`);
    onDone();
  };
  const own = target.id === who.value?.key_id;
  return html`<${Dialog} title=${`Revoke ${target.prefix}…?`} submit="Revoke key" danger onClose=${onClose} onSubmit=${onSubmit}>
    <p>It stops at once, for answers being written too, and cannot be given back. Project <strong>${target.project}</strong>, role <strong>${target.role}</strong>.</p>
    ${own && html`<p class="notice">This is the key you are signed in with.</p>`}
  <//>`;
}

/** The text of a new key, once. @param {{text: string, onClose: () => void}} props */
function NewKey({ text, onClose }) {
  return html`<section class="new-key" role="status" aria-label="The new key">
    <p><strong>Copy the key now.</strong> It is shown this once; only its hash is kept.</p>
    <output class="secret">${text}</output>
    <div class="row-actions"><${CopyButton} text=${text} label="Copy key" /><button type="button" onClick=${onClose}>I have it</button></div>
  </section>`;
}

export function Keys() {
  const keys = useLoad((signal) => list('/keys', signal), []);
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState('');
  const [revoking, setRevoking] = useState(/** @type {Key|null} */ (null));
  const [all, setAll] = useState(false);
  const shown = (keys.value ?? []).filter((/** @type {Key} */ key) => all || key.state === 'active');
  const onCreated = (/** @type {string} */ text) => {
    setMade(text);
    keys.reload();
  };
  const actions = html`<label class="check"><input type="checkbox" checked=${all} onChange=${() => setAll(!all)} /> Revoked and expired too</label>
    ${can('manage-keys') && html`<button type="button" class="primary" onClick=${() => setCreating(true)}>Create key</button>`}`;
  return html`<${Page} title="Keys" about="What programs and people sign in with. A key acts for its project, within the project’s quota and its own limits." actions=${actions}>
    <${ProblemNote} problem=${keys.problem} onRetry=${keys.reload} />
    ${made && html`<${NewKey} text=${made} onClose=${() => setMade('')} />`}
    ${keys.value && html`<${Table} caption="Keys" columns=${columns(setRevoking)} rows=${shown} rowKey=${(/** @type {Key} */ key) => key.id} empty="There is no key to show." />`}
    ${creating && html`<${KeyForm} onClose=${() => setCreating(false)} onCreated=${onCreated} />`}
    ${revoking && html`<${RevokeDialog} target=${revoking} onClose=${() => setRevoking(null)} onDone=${keys.reload} />`}
  <//>`;
}
