#include <fmt/format.h>

#include <cstdlib>

#include "api/api_test_world.h"
#include "api/document/openapi.h"
#include "api/uri.h"
#include "host/file.h"

namespace millrace::api {

namespace json = boost::json;

Result<platform::Model> TestModels::import(const platform::ImportRequest& request) {
  platform::Model model;
  model.name = request.name.empty() ? "derived" : request.name;
  model.source = request.source;
  if (all.contains(model.name)) return failure(ErrorCode::kConflict, "the name is taken");
  all[model.name] = model;
  return model;
}

Result<platform::Model> TestModels::show(std::string_view name) const {
  const auto found = all.find(name);
  if (found == all.end()) return failure(ErrorCode::kNotFound, "there is no such model");
  return found->second;
}

Result<platform::Page<platform::Model>> TestModels::list(std::size_t limit, std::string_view after) const {
  platform::Page<platform::Model> page;
  for (auto model = all.upper_bound(after); model != all.end(); ++model) {
    if (page.data.size() == limit) {
      page.next = page.data.back().name;
      break;
    }
    page.data.push_back(model->second);
  }
  return page;
}

Result<void> TestModels::remove(std::string_view name) {
  (void)TRY(show(name));
  all.erase(all.find(name));
  return {};
}

Result<std::string> TestModels::file_of(std::string_view name) const {
  (void)TRY(show(name));
  return "/models/" + std::string(name);
}

Result<platform::Model> TestModels::wait(std::string_view name, std::chrono::milliseconds) const {
  return show(name);
}

Result<control::ReplicaLog> TestReplicas::log(const std::string& replica, std::int64_t from,
                                              std::size_t max) {
  if (replica != "chat-0") return failure(ErrorCode::kNotFound, "there is no such replica");
  const std::string text = "line one\n\xFF line two\n";
  const auto start = std::size_t(std::clamp<std::int64_t>(from, 0, std::int64_t(text.size())));
  const std::string piece = text.substr(start, max);
  return control::ReplicaLog{std::int64_t(start), piece, std::int64_t(start + piece.size())};
}

namespace {

identity::Pepper test_pepper() {
  const std::array<std::uint8_t, identity::Pepper::kBytes> secret{1, 2, 3};
  return *identity::Pepper::create(secret);
}

std::string make_folder() {
  char name[] = "/tmp/millrace-api-test-XXXXXX";
  EXPECT_NE(::mkdtemp(name), nullptr);
  return name;
}

}  // namespace

World::World()
    : pepper(test_pepper()),
      directory(store, clock, rng, pepper),
      endpoints(store, clock, models),
      prices(store),
      energy(store, usage),
      environment_numbers(store, clock),
      environments({}, {store, clock, directory, environment_view, environment_numbers, rng}),
      folder(make_folder()),
      secrets(store),
      numbers(store, clock),
      archives({.folder = folder + "/archives"}, clock),
      jobs({.work_folder = folder + "/jobs"}, {store, clock, directory, secrets, view, archives, numbers}),
      wishes(store, clock, rng, view),
      live(clock),
      services{.clock = clock,
               .directory = directory,
               .models = models,
               .endpoints = endpoints,
               .environments = environments,
               .replicas = replicas,
               .jobs = jobs,
               .archives = archives,
               .wishes = wishes,
               .secrets = secrets,
               .prices = prices,
               .usage = usage,
               .energy = energy,
               .intensity_g_per_kwh = 20,
               .publisher = publisher,
               .live = live,
               .status =
                   [] {
                     return SiteStatus{"/home",
                                       "local",
                                       "FR",
                                       {{"server", 4711, "running", ""}},
                                       {{"api", "http://x"}},
                                       {{"open_files", 20000}},
                                       "chat",
                                       ""};
                   },
               .is_ready = nullptr,
               .log = nullptr,
               .version = "1.2.3"} {
  dispatcher = std::move(Dispatcher::create(services, all_routes(), Console({}), "").value());
  document = json::parse(services.openapi).as_object();
  EXPECT_TRUE(directory.create_tenant("alpha") && directory.create_tenant("beta"));
  EXPECT_TRUE(directory.create_project("a1", "alpha") && directory.create_project("a2", "alpha"));
  EXPECT_TRUE(directory.create_project("b1", "beta"));
  for (const identity::Role role : identity::all_roles()) {
    add_key(std::string(identity::name_of(role)), "a1", role);
    add_key("beta-" + std::string(identity::name_of(role)), "b1", role);
  }
  add_key("a2-developer", "a2", identity::Role::kDeveloper);
  for (const char* tenant : {"alpha", "beta"})
    EXPECT_TRUE(directory.set_tenant_compute_quota(tenant, identity::ComputeQuota{}));
  control::NodeStatus node;
  node.name = "n1";
  node.health = "ready";
  node.site = "local";
  view.set_nodes({node});
  control::SitePower site;
  site.site = "local";
  view.set_power({site});
}

World::~World() { EXPECT_TRUE(host::remove_tree(folder)); }

std::string World::job(const std::string& as, const std::string& more) {
  const auto made = expect(201, "POST", "/api/v1/jobs", as, R"({"command": ["true"])" + more + "}");
  return std::string(made.at("id").as_string());
}

void World::add_key(const std::string& name, const std::string& project, identity::Role role) {
  identity::KeyRequest request;
  request.project = project;
  request.role = role;
  const auto created = directory.create_key(request);
  ASSERT_TRUE(created) << created.error().message;
  keys[name] = created->text;
  key_ids[name] = created->key.id;
}

Reply World::call(const std::string& method, const std::string& target, const std::string& as,
                  const std::string& body, std::optional<std::string> idempotency_key) {
  RawRequest request;
  request.method = method;
  request.path = target.substr(0, target.find('?'));
  if (target.contains('?')) request.query = target.substr(target.find('?') + 1);
  if (!as.empty()) request.authorization = "Bearer " + keys.at(as);
  if (!body.empty()) request.content_type = "application/json";
  request.body = body;
  request.idempotency_key = std::move(idempotency_key);
  return call_raw(std::move(request));
}

Reply World::call_raw(RawRequest request) {
  request.request_id = "req_1";
  Reply reply = dispatcher->handle(request);
  check_answer(request, reply);
  return reply;
}

json::value World::expect(int status, const std::string& method, const std::string& target,
                          const std::string& as, const std::string& body) {
  const Reply reply = call(method, target, as, body);
  EXPECT_EQ(reply.status, status) << method << ' ' << target << " as " << as << ": " << reply.body;
  return reply.body.empty() ? json::value() : json::parse(reply.body);
}

void World::check_answer(const RawRequest& request, const Reply& reply) {
  SCOPED_TRACE(fmt::format("{} {} -> {} {}", request.method, request.path, reply.status, reply.body));
  const auto routes = all_routes();
  const auto segments = path_segments(request.path);
  const Match match = segments ? find_route(routes, request.method, *segments) : Match{};
  if (!match.route || !match.route->documented) return;
  std::string method(match.route->method);
  for (char& c : method) c = char(std::tolower(c));
  const json::object& responses =
      document.at("paths").at(match.route->path).at(method).at("responses").as_object();
  const auto* response = responses.if_contains(std::to_string(reply.status));
  ASSERT_NE(response, nullptr) << "status is not documented";
  if (const auto* ref = response->as_object().if_contains("$ref")) {
    const auto name = std::string(ref->as_string()).substr(std::string("#/components/responses/").size());
    response = &document.at("components").at("responses").at(name);
  }
  const auto* content = response->as_object().if_contains("content");
  ASSERT_EQ(content == nullptr, reply.content_type.empty());
  if (!content) return;
  const std::string type = reply.content_type.substr(0, reply.content_type.find(';'));
  const auto* media = content->as_object().if_contains(type);
  ASSERT_NE(media, nullptr) << "content type " << type << " is not documented";
  if (!type.ends_with("json")) return;
  const Schemas schemas = Schemas::create(api_schemas()).value();
  json::value body = json::parse(reply.body);
  const auto fits = schemas.check(media->at("schema"), body);
  EXPECT_TRUE(fits) << fits.error().message;
}

}  // namespace millrace::api
