#include "apps/site_status.h"

#include <unistd.h>

#include "host/file.h"
#include "host/json.h"

namespace millrace::apps {
namespace {

void add_processes(const Installation& installation, const control::ReplicaView& replicas,
                   api::SiteStatus& status) {
  const auto add = [&](std::string role, std::int64_t pid, std::string state, std::string name) {
    if (pid > 0) status.processes.push_back({std::move(role), pid, std::move(state), std::move(name)});
  };
  add("up", running(installation, "watch").value_or(0), "running", "");
  add("server", ::getpid(), "running", "");
  add("gateway", running(installation, "gateway").value_or(0), "running", "");
  for (const auto& replica : replicas.observed()) {
    add("supervise", replica.supervisor_pid, "running", replica.id);
    add("engine", replica.engine_pid, control::name_of(replica.state), replica.id);
  }
}

std::optional<std::string> gateway_url(const Installation& installation) {
  const auto text = host::read_file(installation.gateway_file(), 64 * 1024);
  if (!text) return std::nullopt;
  const auto value = host::parse_json(*text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto* url = value->as_object().if_contains("url");
  if (url == nullptr || !url->is_string()) return std::nullopt;
  return std::string(url->as_string());
}

void add_urls(const Installation& installation, api::SiteStatus& status) {
  const auto url = gateway_url(installation);
  if (!url) return;
  const std::string& base = *url;
  status.urls = {
      {"api", base}, {"openai", base + "/v1"}, {"anthropic", base}, {"console", base + "/console/"}};
}

/// The first endpoint that was made for text, and the first for embeddings.
void add_defaults(const platform::Endpoints& endpoints, api::SiteStatus& status) {
  constexpr std::size_t kPage = 1000;
  const auto page = endpoints.list(kPage);
  if (!page) return;
  const platform::Endpoint* text = nullptr;
  const platform::Endpoint* embed = nullptr;
  const auto first = [](const platform::Endpoint*& best, const platform::Endpoint& candidate) {
    if (best == nullptr || candidate.created_at < best->created_at) best = &candidate;
  };
  for (const auto& endpoint : page->data) {
    if (!endpoint.embeds) first(text, endpoint);
    if (endpoint.embeds || endpoint.upstream_embeds) first(embed, endpoint);
  }
  if (text != nullptr) status.default_model = text->name;
  if (embed != nullptr) status.default_embed_model = embed->name;
}

}  // namespace

api::SiteStatus site_status(const Installation& installation, const host::Config& config,
                            const host::OpenFiles& files, const control::ReplicaView& replicas,
                            const platform::Endpoints& endpoints) {
  api::SiteStatus status;
  status.home = installation.home;
  status.site = config.site.name;
  status.zone = config.site.zone;
  status.limits = {{"open_files", files.soft}, {"open_files_hard", files.hard}};
  add_processes(installation, replicas, status);
  add_urls(installation, status);
  add_defaults(endpoints, status);
  return status;
}

}  // namespace millrace::apps
