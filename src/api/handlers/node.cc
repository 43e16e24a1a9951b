// nodes, and what operators want of them
#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using control::NodeStatus;
using identity::Action;

namespace {

json::value watts(const std::optional<std::int64_t>& milliwatts) {
  return milliwatts ? json::value(double(*milliwatts) / 1e3) : json::value();
}

/// What runs there, as far as the caller may know of it.
json::array visible_work(Services& services, const Call& call, const NodeStatus& node) {
  json::array names;
  const bool sees_all = identity::reach(call.principal.role, Action::kReadJobs) == identity::Reach::kAll;
  for (const std::string& name : node.work) {
    if (!sees_all) {
      const auto job = services.jobs.record(name);
      if (!job || !identity::permits(call.principal, Action::kReadJobs, {job->tenant, job->project}))
        continue;
    }
    names.emplace_back(name);
  }
  return names;
}

json::object node_json(Services& services, const Call& call, const NodeStatus& node,
                       const platform::NodeWish& wish) {
  json::array accelerators;
  for (const auto& accelerator : node.accelerators) {
    accelerators.push_back(json::object{
        {"id", accelerator.id}, {"kind", accelerator.kind}, {"used", double(accelerator.used_milli) / 1e3}});
  }
  return {{"name", node.name},
          {"site", node.site},
          {"zone", text_json(node.zone)},
          {"rack", text_json(node.rack)},
          {"rail", text_json(node.rail)},
          {"domain", text_json(node.domain)},
          {"kind", text_json(node.kind)},
          {"health", node.health},
          {"cordoned", wish.cordoned},
          {"draining", wish.drain},
          {"accelerators", std::move(accelerators)},
          {"cpus", double(node.cpu_milli) / 1e3},
          {"cpus_used", double(node.cpu_used_milli) / 1e3},
          {"memory_bytes", node.memory_mib << 20},
          {"memory_used_bytes", node.memory_used_mib << 20},
          {"idle_w", double(node.idle_mw) / 1e3},
          {"draw_w", double(node.draw_mw) / 1e3},
          {"budget_w", watts(node.budget_mw)},
          {"limits_kind", text_json(node.limits_kind)},
          {"limits_why", text_json(node.limits_why)},
          {"work", visible_work(services, call, node)}};
}

Result<Reply> list_nodes(Services& services, const Call& call) {
  json::array all;
  for (const NodeStatus& node : services.jobs.view().nodes()) {
    all.push_back(node_json(services, call, node, TRY(services.wishes.wish(node.name))));
  }
  return json_reply(200, json::object{{"data", std::move(all)}});
}

Result<Reply> show_node(Services& services, const Call& call) {
  const auto node = TRY(services.wishes.node(call.path_text("name")));
  return json_reply(200, node_json(services, call, node, TRY(services.wishes.wish(node.name))));
}

Result<Reply> wish_reply(Services& services, const Call& call, const platform::NodeWish& wish) {
  TRY_VOID(services.wishes.set_wish(call.path_text("name"), wish));
  return show_node(services, call);
}

Result<Reply> cordon(Services& services, const Call& call) {
  return wish_reply(services, call, {.cordoned = true, .drain = false});
}
Result<Reply> drain(Services& services, const Call& call) {
  return wish_reply(services, call, {.cordoned = true, .drain = true});
}
Result<Reply> undrain(Services& services, const Call& call) { return wish_reply(services, call, {}); }

void add_wish_route(std::vector<Route>& routes, std::string_view path, std::string_view id,
                    std::string_view summary, Handler handler) {
  routes.push_back({.method = "POST",
                    .path = path,
                    .id = id,
                    .tag = "nodes",
                    .summary = summary,
                    .access = needs(Action::kManageNodes, Scope::kShared),
                    .handler = handler,
                    .path_parameters = {{"name", kIdSchema, "Its name."}},
                    .answer = "Node",
                    .changes_policy = false});
}

}  // namespace

void add_node_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/nodes",
                    .id = "listNodes",
                    .tag = "nodes",
                    .summary = "The nodes, all of them: what they have, what of it is used, health and power",
                    .access = needs(Action::kReadNodes, Scope::kShared),
                    .handler = list_nodes,
                    .answer = "NodeList"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/nodes/{name}",
                    .id = "showNode",
                    .tag = "nodes",
                    .summary = "One node",
                    .access = needs(Action::kReadNodes, Scope::kShared),
                    .handler = show_node,
                    .path_parameters = {{"name", kIdSchema, "Its name."}},
                    .answer = "Node"});
  add_wish_route(routes, "/api/v1/nodes/{name}/cordon", "cordonNode", "Let a node take no new work", cordon);
  add_wish_route(routes, "/api/v1/nodes/{name}/drain", "drainNode",
                 "Let a node take no new work, and what runs there leave", drain);
  add_wish_route(routes, "/api/v1/nodes/{name}/undrain", "undrainNode", "Let a node take work again",
                 undrain);
}

}  // namespace millrace::api
