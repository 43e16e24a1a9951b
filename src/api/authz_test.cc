// Every route with every role, against a table written by hand: what a role may do is decided twice.
#include <fmt/format.h>

#include <array>
#include <map>

#include "api/api_test_world.h"
#include "host/file.h"
#include "host/sha256.h"

namespace millrace::api {
namespace {

// In the order platform-admin, operator, auditor, tenant-admin, developer, viewer.
// y: allowed. n: 403. h: hidden, 404. `own` acts on the caller's own project (or tenant), `sibling` on another
// project of the same tenant, `other` on another tenant; "" where the route knows no owner.
struct Row {
  std::string_view own, sibling, other;
};

const std::map<std::string_view, Row>& expectations_of_work() {
  static const std::map<std::string_view, Row> kTable = {
      {"showTenantComputeQuota", {"yyyynn", "", "yyyhhh"}},
      {"setTenantComputeQuota", {"ynnnnn", "", "ynnnnn"}},
      {"showProjectComputeQuota", {"yyyyyy", "yyyyhh", "yyyhhh"}},
      {"setProjectComputeQuota", {"ynnynn", "ynnynn", "ynnhnn"}},
      {"listSecrets", {"ynyyyn", "ynyyhn", "ynyhhn"}},
      {"putSecret", {"ynnyyn", "ynnyhn", "ynnhhn"}},
      {"deleteSecret", {"ynnyyn", "ynnyhn", "ynnhhn"}},
      {"submitJob", {"yynyyn", "hhnhhn", "hhnhhn"}},
      {"planJob", {"yynyyn", "hhnhhn", "hhnhhn"}},
      {"listJobs", {"yyyyyy", "", ""}},
      {"showJob", {"yyyyyy", "yyyyhh", "yyyhhh"}},
      {"showJobSpec", {"yynyyn", "yynyhn", "yynhhn"}},
      {"cancelJob", {"yynyyn", "yynyhn", "yynhhn"}},
      {"whyJob", {"yyyyyy", "yyyyhh", "yyyhhh"}},
      {"showJobLog", {"yynyyn", "yynyhn", "yynhhn"}},
      {"listJobFiles", {"yynyyn", "yynyhn", "yynhhn"}},
      {"readJobFile", {"yynyyn", "yynyhn", "yynhhn"}},
      {"putBlob", {"yynyyn", "hhnhhn", "hhnhhn"}},
      {"showBlob", {"yynyyn", "hhnhhn", "hhnhhn"}},
      {"listQueue", {"yyyyyy", "", ""}},
      {"listNodes", {"yyyyyy", "", ""}},
      {"showNode", {"yyyyyy", "", ""}},
      {"cordonNode", {"yynnnn", "", ""}},
      {"drainNode", {"yynnnn", "", ""}},
      {"undrainNode", {"yynnnn", "", ""}},
      {"showSitePower", {"yyyyyy", "", ""}},
      {"listSiteEvents", {"yyyyyy", "", ""}},
      {"createSiteEvent", {"yynnnn", "", ""}},
      {"deleteSiteEvent", {"yynnnn", "", ""}},
  };
  return kTable;
}

const std::map<std::string_view, Row>& expectations() {
  static const std::map<std::string_view, Row> kTable = {
      {"whoami", {"yyyyyy", "", ""}},
      {"status", {"yyynnn", "", ""}},
      {"live", {"yyynnn", "", ""}},
      {"metrics", {"yyynnn", "", ""}},
      {"listTenants", {"yyyyyy", "", ""}},
      {"createTenant", {"ynnnnn", "", ""}},
      {"showTenant", {"yyyyyy", "", "yyyhhh"}},
      {"listProjects", {"yyyyyy", "", ""}},
      {"createProject", {"ynnynn", "", "ynnhnn"}},
      {"showProject", {"yyyyyy", "yyyyhh", "yyyhhh"}},
      {"listKeys", {"yyyyyn", "", ""}},
      {"createKey", {"ynnynn", "ynnynn", "ynnhnn"}},
      {"showKey", {"yyyyyn", "yyyyhn", "yyyhhn"}},
      {"revokeKey", {"ynnynn", "ynnynn", "ynnhnn"}},
      {"showTenantQuota", {"yyyynn", "", "yyyhhh"}},
      {"setTenantQuota", {"ynnnnn", "", "ynnnnn"}},
      {"showProjectQuota", {"yyyyyy", "yyyyhh", "yyyhhh"}},
      {"setProjectQuota", {"ynnynn", "ynnynn", "ynnhnn"}},
      {"listModels", {"yyyyyy", "", ""}},
      {"importModel", {"yynnnn", "", ""}},
      {"showModel", {"yyyyyy", "", ""}},
      {"deleteModel", {"yynnnn", "", ""}},
      {"listEndpoints", {"yyyyyy", "", ""}},
      {"createEndpoint", {"yynnnn", "", ""}},
      {"showEndpoint", {"yyyyyy", "", ""}},
      {"changeEndpoint", {"yynnnn", "", ""}},
      {"deleteEndpoint", {"yynnnn", "", ""}},
      {"listReplicas", {"yyyyyy", "", ""}},
      {"showReplicaLog", {"yynnnn", "", ""}},
      {"listEnvironments", {"yyyyyy", "", ""}},
      {"createEnvironment", {"yynyyn", "yynyhn", "yynhhn"}},
      {"showEnvironment", {"yyyyyy", "yyyyhh", "yyyhhh"}},
      {"startEnvironment", {"yynyyn", "yynyhn", "yynhhn"}},
      {"stopEnvironment", {"yynyyn", "yynyhn", "yynhhn"}},
      {"openEnvironment", {"yynyyn", "hhnhhn", "hhnhhn"}},
      {"deleteEnvironment", {"yynyyn", "yynyhn", "yynhhn"}},
      {"listPrices", {"yyyyyy", "", ""}},
      {"listPriceVersions", {"yyyyyy", "", ""}},
      {"setPrice", {"ynnnnn", "", ""}},
      {"showMachinePrice", {"yyyyyy", "", ""}},
      {"listMachinePriceVersions", {"yyyyyy", "", ""}},
      {"setMachinePrice", {"ynnnnn", "", ""}},
      {"sumUsage", {"yyyyyy", "", ""}},
      {"listUsage", {"yyyyyy", "", ""}},
      {"listEnergy", {"yyynnn", "", ""}},
  };
  return kTable;
}

const std::map<std::string_view, std::string>& bodies() {
  static const std::map<std::string_view, std::string> kBodies = {
      {"createTenant", R"({"name": "gamma"})"},
      {"createProject", R"({"name": "fresh", "tenant": "TENANT"})"},
      {"createKey", R"({"project": "PROJECT", "role": "viewer"})"},
      {"setTenantQuota", R"({"unlimited": true})"},
      {"setProjectQuota", R"({"unlimited": true})"},
      {"importModel", R"({"source": "/m.gguf", "name": "fresh"})"},
      {"createEndpoint", R"({"name": "fresh", "upstream_url": "http://127.0.0.1:1/v1"})"},
      {"changeEndpoint", R"({"replicas": 2})"},
      {"createEnvironment", R"({"name": "fresh", "kind": "jupyter", "project": "PROJECT"})"},
      {"setTenantComputeQuota", R"({"cpus": 4})"},
      {"setProjectComputeQuota", R"({"cpus": 4})"},
      {"putSecret", R"({"text": "x"})"},
      {"submitJob", R"({"command": ["true"], "project": "PROJECT"})"},
      {"planJob", R"({"command": ["true"], "project": "PROJECT"})"},
      {"createSiteEvent", R"({"budget_w": 100, "for_s": 60})"},
      {"setPrice", R"({"input_eur_per_mtok": 1, "output_eur_per_mtok": 2})"},
      {"setMachinePrice", R"({"core_eur_per_hour": 0.02})"},
  };
  return kBodies;
}

struct Target {
  std::string tenant, project, key;
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  if (const auto at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
  return text;
}

const std::string kFolder = "a tar";

/// What routes act on that belongs to a project: a job with a file and a log, a secret, a sent folder.
std::string prepare_project(World& world, const std::string& tenant, const std::string& project) {
  platform::JobRequest request;
  request.spec.command = {"true"};
  request.tenant = tenant;
  request.project = project;
  request.user = "u";
  const auto job = world.jobs.submit(request);
  EXPECT_TRUE(job);
  EXPECT_TRUE(world.secrets.put(project, "kept", "x"));
  const auto sent = world.archives.put(project, host::sha256_hex(kFolder), 0,
                                       static_cast<std::int64_t>(kFolder.size()), kFolder);
  EXPECT_TRUE(sent);
  const std::string output = fmt::format("{}/jobs/{}/output", world.folder, job->id);
  EXPECT_TRUE(host::make_dirs(output));
  EXPECT_TRUE(host::write_file_atomic(output + "/file", "x"));
  return job->id;
}

/// The path parameters that say nothing about an owner.
std::string with_plain_names(World& world, const Route& route, std::string path) {
  if (path.contains("site/events/")) {
    platform::SiteEventRequest request;
    request.until = world.clock.now() + std::chrono::hours(1);
    request.budget_milli = 500;
    return replaced(path, "{id}", world.wishes.create_event(request)->id);
  }
  const bool is_node = path.contains("/nodes/");
  path = replaced(replaced(path, "{id}", "chat-0"), "{name}",
                  path.contains("models") ? "m"
                  : is_node               ? "n1"
                                          : "chat");
  return replaced(replaced(path, "{model}", "m"), "{sha256}", host::sha256_hex(kFolder)) +
         (route.id == "readJobFile" ? "?path=file" : "");
}

Reply send_bytes(World& world, const std::string& target, const std::string& role) {
  RawRequest request;
  request.method = "PUT";
  request.path = target.substr(0, target.find('?'));
  request.query = target.substr(target.find('?') + 1);
  request.authorization = "Bearer " + world.keys.at(role);
  request.content_type = kBytesType;
  request.body = kFolder;
  return world.call_raw(std::move(request));
}

/// A fresh world for each call, so that what one role did does not change what the next one sees.
int status_of(const Route& route, const std::string& role, const Target& target) {
  World world;
  world.have_model("m");
  platform::EndpointRequest chat;
  chat.name = "chat";
  chat.model = "m";
  EXPECT_TRUE(world.endpoints.create(chat));
  const std::string job = prepare_project(world, target.tenant, target.project);
  std::string path = replaced(std::string(route.path), "{secret}", "kept");
  switch (route.access->scope) {
    case Scope::kPathTenant:
      path = replaced(path, "{name}", target.tenant);
      break;
    case Scope::kPathProject:
      path = replaced(path, "{name}", target.project);
      break;
    case Scope::kPathEnvironment: {
      const auto made = world.environments.create(
          {.name = "nb", .kind = "jupyter", .tenant = target.tenant, .project = target.project});
      EXPECT_TRUE(made);
      if (route.id == "deleteEnvironment")
        world.environment_view.set(made->record.work, control::WorkState::kCancelled);
      path = replaced(path, "{name}", "nb");
      break;
    }
    case Scope::kPathKey:
      path = replaced(path, "{id}", world.key_ids.at(target.key));
      break;
    case Scope::kPathJob:
      path = replaced(path, "{id}", job);
      break;
    default:
      break;
  }
  path = with_plain_names(world, route, path);
  if (path.contains("/blobs/")) path += "?project=" + target.project;
  if (route.body == kBytes) return send_bytes(world, path, role).status;
  if (route.id == "deleteModel") EXPECT_TRUE(world.endpoints.remove("chat"));
  std::string body;
  if (const auto found = bodies().find(route.id); found != bodies().end()) body = found->second;
  body = replaced(replaced(body, "TENANT", target.tenant), "PROJECT", target.project);
  return world.call(std::string(route.method), path, role, body).status;
}

void expect_row(const Route& route, std::string_view row, const Target& target) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string role(identity::name_of(identity::all_roles()[i]));
    const int wanted = row[i] == 'y' ? route.success : row[i] == 'n' ? 403 : 404;
    EXPECT_EQ(status_of(route, role, target), wanted)
        << route.id << " as " << role << " on " << target.project;
  }
}

TEST(Authorisation, every_route_answers_every_role_as_the_table_says) {
  for (const Route& route : all_routes()) {
    if (route.access->open) continue;
    const auto& table = expectations().contains(route.id) ? expectations() : expectations_of_work();
    const auto row = table.find(route.id);
    ASSERT_NE(row, table.end()) << "route " << route.id << " has no row in the table of this test";
    expect_row(route, row->second.own, {"alpha", "a1", "viewer"});
    expect_row(route, row->second.sibling, {"alpha", "a2", "a2-developer"});
    expect_row(route, row->second.other, {"beta", "b1", "beta-viewer"});
  }
}

TEST(Authorisation, nothing_is_answered_without_a_valid_key) {
  World world;
  for (const Route& route : all_routes()) {
    for (const std::string authorization : {"", "Bearer ", "Bearer mr_wrong", "Basic abc"}) {
      RawRequest request;
      request.method = route.method;
      request.path =
          replaced(replaced(replaced(std::string(route.path), "{name}", "a1"), "{id}", "x"), "{model}", "m");
      request.path = replaced(replaced(request.path, "{secret}", "s"), "{sha256}", std::string(64, 'a'));
      request.authorization = authorization;
      const Reply reply = world.call_raw(request);
      if (route.access->open) {
        EXPECT_EQ(reply.status, 200) << route.id;
      } else {
        EXPECT_EQ(reply.status, 401) << route.id;
      }
    }
  }
}

TEST(Authorisation, what_lies_beyond_reach_looks_like_what_does_not_exist) {
  World world;
  for (const std::string path : {"/api/v1/projects/", "/api/v1/quotas/projects/", "/api/v1/tenants/"}) {
    const std::string other = path.contains("tenants") ? "beta" : "b1";
    auto hidden = world.expect(404, "GET", path + other, "tenant-admin").as_object();
    auto missing = world.expect(404, "GET", path + "nowhere", "tenant-admin").as_object();
    hidden.erase("instance");
    missing.erase("instance");
    EXPECT_EQ(hidden, missing);
  }
}

TEST(Authorisation, lists_show_only_what_the_caller_reaches) {
  World world;
  const auto names = [&](const std::string& target, const std::string& as, std::string_view member) {
    std::vector<std::string> found;
    for (const auto& item : world.expect(200, "GET", target, as).at("data").as_array()) {
      found.emplace_back(item.at(member).as_string());
    }
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("/api/v1/tenants", "operator", "name"), (Names{"alpha", "beta"}));
  EXPECT_EQ(names("/api/v1/tenants", "developer", "name"), (Names{"alpha"}));
  EXPECT_EQ(names("/api/v1/projects", "auditor", "name"), (Names{"a1", "a2", "b1"}));
  EXPECT_EQ(names("/api/v1/projects", "tenant-admin", "name"), (Names{"a1", "a2"}));
  EXPECT_EQ(names("/api/v1/projects", "viewer", "name"), (Names{"a1"}));
  for (const auto& project : names("/api/v1/keys?limit=1000", "developer", "project"))
    EXPECT_EQ(project, "a1");
  for (const auto& tenant : names("/api/v1/keys?limit=1000", "tenant-admin", "tenant"))
    EXPECT_EQ(tenant, "alpha");
  EXPECT_EQ(names("/api/v1/keys?tenant=beta&limit=1000", "operator", "id").size(), 6u);
  (void)world.expect(404, "GET", "/api/v1/keys?tenant=beta", "tenant-admin");
  (void)world.expect(404, "GET", "/api/v1/usage?project=b1", "developer");
}

TEST(Authorisation, nobody_hands_out_more_than_they_have) {
  World world;
  for (const std::string role : {"platform-admin", "operator", "auditor"}) {
    (void)world.expect(403, "POST", "/api/v1/keys", "tenant-admin",
                       R"({"project":"a1","role":")" + role + "\"}");
  }
  (void)world.expect(201, "POST", "/api/v1/keys", "tenant-admin",
                     R"({"project":"a1","role":"tenant-admin"})");
}

TEST(Authorisation, a_revoked_or_expired_key_opens_nothing) {
  World world;
  const auto soon = to_rfc3339(world.clock.now() + std::chrono::seconds(60));
  const auto created = world.expect(201, "POST", "/api/v1/keys", "platform-admin",
                                    R"({"project":"a1","expires":")" + soon + "\"}");
  world.keys["fresh"] = created.at("key").as_string();
  (void)world.expect(200, "GET", "/api/v1/whoami", "fresh");
  world.clock.advance(std::chrono::seconds(61));
  (void)world.expect(401, "GET", "/api/v1/whoami", "fresh");
  (void)world.expect(200, "GET", "/api/v1/whoami", "developer");
  (void)world.expect(200, "DELETE", "/api/v1/keys/" + world.key_ids["developer"], "tenant-admin");
  (void)world.expect(401, "GET", "/api/v1/whoami", "developer");
}

}  // namespace
}  // namespace millrace::api
