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
 *   since: string}} Price */
/** @typedef {{name: string, requests: number, input_tokens: number, cached_tokens: number, output_tokens: number,
 *   energy_j: number, co2e_g: number, cost_eur: number}} UsageSum */
/** @typedef {{from: string, to: string, site_j: number, attributed_j: number, idle_j: number, basis: string}} EnergyInterval */
/** @typedef {{energy_j: number|null, co2e_g: number|null, cost_eur: number|null, site: string, zone: string,
 *   basis: string}} Footprint */
/** @typedef {{prompt_tokens: number, completion_tokens: number, total_tokens: number, millrace?: Footprint}} AnswerUsage */

export {};
