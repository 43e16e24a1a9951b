// @ts-check
// Nodes: what a tile of the map says, by use, health or power. Pure.
import { percent, watts } from './format.js';
import { inOrder } from './work.js';

/** @typedef {import('./types.js').Node} Node */
/** @typedef {'use'|'health'|'power'} View */
/** @typedef {{tone: string, text: string}} Face tone: a class of style/work.css */
/** @typedef {{name: string, nodes: Node[]}} Domain */
/** @typedef {{site: string, rack: string|null, domains: Domain[]}} Rack */

const LEVELS = 5;

/** 0 for nothing, then 1 to LEVELS. @param {number} part 0 to 1 */
const level = (part) => (part <= 0.001 ? 0 : Math.min(Math.ceil(part * LEVELS), LEVELS));

/** The part of it that is held: of its accelerators where it has some, else of its processors. @param {Node} node */
export function useOf(node) {
  if (node.accelerators.length > 0) return node.accelerators.reduce((sum, { used }) => sum + used, 0) / node.accelerators.length;
  return node.cpus > 0 ? node.cpus_used / node.cpus : 0;
}

/** What a tile's figure is a part of, in watts: its own budget, else the most that any node draws.
 * @param {Node} node @param {number} mostW */
const powerScale = (node, mostW) => Math.max(node.budget_w ?? mostW, 1);

const SIGNS = { ready: '✓', cordoned: '⊘', draining: '↧', down: '✕' };

/** @param {Node} node @param {View} view @param {number} mostW @returns {Face} */
export function faceOf(node, view, mostW) {
  if (view === 'health') return { tone: node.health, text: `${SIGNS[node.health]} ${node.health}` };
  if (node.health === 'down') return { tone: 'down', text: `${SIGNS.down} down` };
  if (view === 'use') return { tone: `use-${level(useOf(node))}`, text: percent(useOf(node)) };
  return { tone: `power-${level(node.draw_w / powerScale(node, mostW))}`, text: watts(node.draw_w) };
}

/** @param {Node} node @returns {string} all of it, for a tooltip and a screen reader */
export function spoken(node) {
  const held = node.accelerators.filter(({ used }) => used > 0).length;
  return [node.name, node.health, node.accelerators.length > 0 && `${held} of ${node.accelerators.length} accelerators held`,
    `${percent(node.cpus > 0 ? node.cpus_used / node.cpus : 0)} of ${node.cpus} processors`,
    `${percent(node.memory_bytes > 0 ? node.memory_used_bytes / node.memory_bytes : 0)} of memory`,
    `${watts(node.draw_w)}${node.budget_w === null ? '' : ` of ${watts(node.budget_w)}`}`].filter(Boolean).join(', ');
}

/** @template T @param {T[]} all @param {(one: T) => string} keyOf @returns {T[][]} in the order of the keys */
function grouped(all, keyOf) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return [...groups].sort(([a], [b]) => inOrder(a, b)).map(([, group]) => group);
}

/** Racks of sites, in them the domains, in them the nodes, all in order of name.
 * @param {Node[]} nodes @returns {Rack[]} */
export const racksOf = (nodes) => grouped(nodes, (node) => `${node.site}\n${node.rack ?? ''}`).map((rack) => ({
  site: rack[0].site, rack: rack[0].rack,
  domains: grouped(rack, (node) => node.domain ?? '').map((within) => ({
    name: within[0].domain ?? '', nodes: within.sort((a, b) => inOrder(a.name, b.name)) })) }));
