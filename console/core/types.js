// @ts-check
// The shapes of the control API that the console reads (its OpenAPI document is the authority). Types only.

/** @typedef {{key_id: string, principal_id: string, tenant: string, project: string, role: string,
 *   actions: Record<string, 'project'|'tenant'|'all'>}} Whoami */
/** @typedef {{at: string, gateways: number, requests_per_s: number, tokens_per_s: number, input_tokens_per_s: number,
 *   output_tokens_per_s: number, active_requests: number, active_streams: number, power_w: number|null,
 *   co2e_g_per_h: number|null, basis: string, replicas_ready: number}} Live */
/** @typedef {{requests_per_minute?: number, tokens_per_minute?: number, concurrency?: number,
 *   tokens_per_month?: number, eur_per_month?: number}} Limits */
/** @typedef {({unlimited?: true} & Limits)|null} Quota */
/** @typedef {{quota: Quota, inherited: boolean}} QuotaState */
/** @typedef {{name: string, created_at: string}} Tenant */
/** @typedef {{name: string, tenant: string, created_at: string}} Project */
/** @typedef {{id: string, prefix: string, tenant: string, project: string, role: string, limits: Limits,
 *   created_at: string, expires: string|null, revoked_at: string|null, state: 'active'|'expired'|'revoked'}} Key */
/** @typedef {{name: string, source: string, state: 'importing'|'ready'|'failed', sha256: string|null,
 *   size_bytes: number, progress_bytes: number, licence: string|null, error: string|null, architecture: string|null,
 *   quantisation: string|null, parameters: number, context_length: number|null, created_at: string}} Model */
/** @typedef {{name: string, state: string, reason: string|null, engine: string, model: string|null, replicas: number,
 *   ready_replicas: number, min_replicas: number|null, max_replicas: number|null, waiting_requests: number, embeds: boolean, upstream_url: string|null, upstream_model: string|null,
 *   created_at: string}} Endpoint */
/** @typedef {{id: string, endpoint: string, model: string, state: string, reason: string|null, pid: number|null,
 *   slots: number, context_tokens: number|null, cpus: number[], limits_kind: string|null,
 *   memory_limit_bytes: number|null, restarts: number, started_at: string|null, retry_at: string|null}} Replica */
/** @typedef {{from: number, text: string, next: number}} LogPiece */
/** @typedef {{model: string, version: number, input_eur_per_mtok: number, output_eur_per_mtok: number,
 *   effective_from: string}} Price */
/** @typedef {{version: number, accelerator_eur_per_hour: number, core_eur_per_hour: number,
 *   effective_from: string|null}} MachinePrice */
/** @typedef {{name: string, requests: number, input_tokens: number, cached_tokens: number, output_tokens: number,
 *   reasoning_tokens: number, accelerator_s: number, cpu_s: number, energy_j: number, co2e_g: number,
 *   cost_eur: number}} UsageSum */
/** @typedef {{from: string, to: string, site_j: number, attributed_j: number, idle_j: number, basis: string}} EnergyInterval */
/** @typedef {{energy_j: number|null, co2e_g: number|null, cost_eur: number|null, site: string, zone: string,
 *   basis: string}} Footprint */
/** @typedef {{prompt_tokens: number, completion_tokens: number, total_tokens: number, millrace?: Footprint}} AnswerUsage */

/** @typedef {'queued'|'starting'|'running'|'pausing'|'succeeded'|'failed'|'cancelled'|'timed_out'|'lost'} WorkState */
/** @typedef {{number: number, nodes: string[], started_at: string, ended_at: string, outcome: string,
 *   reason: string|null}} JobRun */
/** @typedef {{id: string, name: string, tenant: string, project: string, user: string, submitted_at: string,
 *   state: WorkState, reason_code: string|null, reason: string|null, expected_start: string|null, stopping: boolean,
 *   exit_code: number|null, attempts: number, nodes: string[], limits_kind: string|null, runs: JobRun[], started_at: string|null, ended_at: string|null,
 *   accelerator_s: number, cpu_s: number, energy_j: number|null, co2e_g: number|null, cost_microeur: number,
 *   basis: string, array: string|null, elements: number, counts: Record<string, number>|null}} Job */
/** @typedef {{id: string, kind: 'job'|'environment'|'service', name: string, tenant: string, project: string,
 *   position: number|null, state: WorkState, priority_class: string, submitted_at: string, tasks: number, cpus: number,
 *   memory_bytes: number, accelerators: number, nodes: string[], started_at: string|null, reason_code: string|null,
 *   reason: string|null, expected_start: string|null}} QueueItem */
/** @typedef {{from: number, text: string, next: number, run: number, tasks: number, state: WorkState}} JobLogPiece */
/** @typedef {{path: string, size_bytes: number, executable: boolean, link: string|null, modified_at: string}} JobFile */
/** @typedef {{id: string, kind: string, used: number}} Accelerator */
/** @typedef {{name: string, site: string, zone: string|null, rack: string|null, rail: string|null, domain: string|null, kind: string|null,
 *   health: 'ready'|'cordoned'|'draining'|'down', cordoned: boolean, draining: boolean, accelerators: Accelerator[],
 *   cpus: number, cpus_used: number, memory_bytes: number, memory_used_bytes: number, idle_w: number, draw_w: number,
 *   budget_w: number|null, work: string[]}} Node */
/** @typedef {{site: string, zone: string|null, draw_w: number, budget_w: number|null, budget_until: string|null,
 *   infeasible: boolean, nodes_to_switch_off: string[]}} SitePower */
/** @typedef {{id: string, site: string, from: string, until: string, budget_w: number|null,
 *   budget_percent: number|null}} SiteEvent */
/** @typedef {{unlimited?: true, accelerators?: number, cpus?: number, memory_bytes?: number, borrow?: boolean,
 *   share?: number}|null} ComputeQuota */
/** @typedef {{quota: ComputeQuota, inherited: boolean}} ComputeQuotaState */
/** @typedef {{name: string, kind: 'jupyter'|'shell', tenant: string, project: string, host: string,
 *   state: 'stopped'|'queued'|'starting'|'running'|'stopping'|'failed', reason: string|null, cpus: number,
 *   memory_mib: number, accelerators: number, accelerator_kind: string|null, idle_s: number, created_at: string,
 *   started_at: string|null, used_at: string|null, stops_at: string|null, connections: number, key_id: string,
 *   ssh_host_key: string|null, work: string|null}} Environment */

export {};
