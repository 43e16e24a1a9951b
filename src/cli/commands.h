// Commands: one function for each; they talk to the API and print. Every one returns the exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"

namespace millrace::cli {

/// The limits that keys and quotas take on the command line; absent is no limit.
struct LimitOptions {
  std::optional<std::int64_t> requests_per_minute, tokens_per_minute, concurrency, tokens_per_month;
  std::optional<double> eur_per_month;
  bool any() const;
  boost::json::object to_json() const;
};

struct EndpointOptions {
  std::string name, model, upstream, upstream_model, upstream_key_file;
  std::optional<std::int64_t> replicas, min_replicas, max_replicas, context, slots, threads, idle_s,
      first_token_ms, start_timeout_s;
  std::string routing, spread;
  bool embeds = false, upstream_embeds = false, wait = true;
};
struct KeyOptions {
  std::string project, role = "developer", expires, id;
  LimitOptions limits;
};
struct ComputeOptions {
  std::optional<double> accelerators, cpus, share;
  std::string memory;  // "64GiB"
  std::optional<bool> borrow;
  bool any() const;
  Result<boost::json::object> to_json() const;
};
struct QuotaOptions {
  std::string tenant, project;
  bool unlimited = false, replace = false;
  LimitOptions limits;
  ComputeOptions compute;
};
/// Of a model, or of machines.
struct PriceOptions {
  std::string model;
  std::optional<double> input_eur_per_mtok, output_eur_per_mtok;
  std::optional<double> accelerator_eur_per_hour, core_eur_per_hour;
  bool all = false;
};
struct UsageOptions {
  std::string by = "model", from, to;
};
struct ModelOptions {
  std::string source, name, sha256;
};
struct ChatOptions {
  std::string model, text, system;
  std::optional<std::int64_t> max_tokens;
};
struct EnvironmentOptions {
  std::string name, kind = "jupyter", project, memory, accelerator_kind, idle, public_key_file, identity_file;
  std::optional<double> cpus;
  std::int64_t accelerators = 0;
  bool wait = true, volume = false, print = false;
  std::vector<std::string> command;  // of open, for a shell
  std::string program;               // this one, for ssh to call
};
/// A job on the command line; empty or absent leaves the default to the server.
struct RunOptions {
  std::vector<std::string> command, env;
  std::string name, image, memory, accelerator_kind, time_limit, priority_class, log_max, scratch, disk,
      project;
  std::string workdir;
  std::optional<double> cpus;
  std::string accelerators;
  std::optional<std::int64_t> nodes, tasks_per_node;
  bool host_network = false, no_workdir = false;
};
struct SubmitOptions {
  std::string file, project, workdir;
  bool dry_run = false, no_workdir = false;
};
struct JobListOptions {
  std::string state, project;
  std::int64_t limit = 100;
};
struct JobOptions {
  std::vector<std::string> ids;
  std::string id, to;
  std::int64_t task = 0, run = 0;
  bool follow = false;
};
struct EventOptions {
  std::string budget, duration, notice, site, id;
};
struct SecretOptions {
  std::string name, from_file, project;
};
struct LogOptions {
  std::string name;
  bool follow = false;
};

int show_env(const Client& client, bool json);
int environment_create(const Client& client, const EnvironmentOptions& options, bool json);
int environment_list(const Client& client, const EnvironmentOptions& options, bool json);
int environment_show(const Client& client, const std::string& name, bool json);
int environment_open(const Client& client, const EnvironmentOptions& options, bool json);
int environment_stop(const Client& client, const EnvironmentOptions& options, bool json);
int environment_delete(const Client& client, const EnvironmentOptions& options, bool json);
int environment_proxy(const Client& client, const std::string& name);
int show_status(const Client& client, bool json);

int endpoint_create(const Client& client, const EndpointOptions& options, bool json);
/// Changes what the options name, and waits until it is so.
int endpoint_update(const Client& client, const EndpointOptions& options, bool json);
int endpoint_list(const Client& client, bool json);
int endpoint_show(const Client& client, const std::string& name, bool json);
int endpoint_delete(const Client& client, const std::string& name, bool json);

int tenant_create(const Client& client, const std::string& name, bool json);
int tenant_list(const Client& client, bool json);
int project_create(const Client& client, const std::string& name, const std::string& tenant, bool json);
int project_list(const Client& client, bool json);
int key_create(const Client& client, const KeyOptions& options, bool json);
int key_list(const Client& client, bool json);
int key_revoke(const Client& client, const std::string& id, bool json);
int quota_set(const Client& client, const QuotaOptions& options, bool json);
int quota_show(const Client& client, const QuotaOptions& options, bool json);

int price_set(const Client& client, const PriceOptions& options, bool json);
/// `all`: versions of the past too.
int price_list(const Client& client, bool all, bool json);
int usage_sum(const Client& client, const UsageOptions& options, bool json);
int usage_records(const Client& client, const UsageOptions& options, bool json);
int usage_energy(const Client& client, const UsageOptions& options, bool json);

int model_import(const Client& client, const ModelOptions& options, bool json);
int model_list(const Client& client, bool json);
int model_show(const Client& client, const std::string& name, bool json);
int model_delete(const Client& client, const std::string& name, bool json);

int run_job(const Client& client, const RunOptions& options, bool json);
int job_submit(const Client& client, const SubmitOptions& options, bool json);
int job_list(const Client& client, const JobListOptions& options, bool json);
int job_show(const Client& client, const std::string& id, bool json);
int job_logs(const Client& client, const JobOptions& options, bool json);
int job_cancel(const Client& client, const JobOptions& options, bool json);
int job_wait(const Client& client, const JobOptions& options, bool json);
int job_why(const Client& client, const std::string& id, bool json);
int job_artifacts(const Client& client, const JobOptions& options, bool json);
int queue_list(const Client& client, bool json);

int node_list(const Client& client, bool json);
int node_show(const Client& client, const std::string& name, bool json);
/// `wish`: "cordon", "drain" or "undrain".
int node_wish(const Client& client, const std::string& name, const std::string& wish, bool json);
int top(const Client& client, bool json);
int site_event(const Client& client, const EventOptions& options, bool json);
int site_events(const Client& client, bool json);
int site_event_cancel(const Client& client, const std::string& id, bool json);
int secret_set(const Client& client, const SecretOptions& options, bool json);
int secret_list(const Client& client, const SecretOptions& options, bool json);
int secret_delete(const Client& client, const SecretOptions& options, bool json);

int chat(const Client& client, const ChatOptions& options, bool json);
int logs(const Client& client, const LogOptions& options, bool json);

}  // namespace millrace::cli
