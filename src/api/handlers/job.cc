// jobs: submit, plan, list, show, why, cancel, log; and the queue
#include <algorithm>
#include <charconv>
#include <set>

#include "api/handlers/handlers.h"
#include "api/handlers/job_json.h"
#include "host/json.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;

namespace {

constexpr std::string_view kWaitSchema =
    R"({"type": "integer", "minimum": 0, "maximum": 10000, "default": 0})";

std::chrono::milliseconds wait_of(const Call& call) {
  return std::chrono::milliseconds(call.query_int("wait_ms", 0));
}

Naming naming_for(const Call& call) {
  const bool sees_all = identity::reach(call.principal.role, Action::kReadJobs) == identity::Reach::kAll;
  return sees_all ? Naming::kEverybody : Naming::kOwnTenant;
}

Reply job_reply(Services& services, const Call& call, int status, const platform::Job& job) {
  NodeLimits limits(services.jobs.view());
  return json_reply(status, job_json(job, naming_for(call), limits));
}

/// The job file in the body: its text, or its members beside our own.
Result<platform::JobSpec> spec_of(const json::object& body) {
  const auto text_at = [&](std::string_view name, std::string_view otherwise) {
    const auto* value = body.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string(otherwise);
  };
  if (!body.contains("command")) {
    const std::string format = text_at("format", "");
    return platform::parse_job(text_at("source", ""),
                               format == "toml"   ? platform::JobFormat::kToml
                               : format == "json" ? platform::JobFormat::kJson
                                                  : platform::JobFormat::kGuess,
                               text_at("file", "job"));
  }
  json::object file = body;
  for (const char* own : {"project", "workdir"}) file.erase(own);
  return platform::parse_job(json_text(file), platform::JobFormat::kJson, "job");
}

Result<platform::JobRequest> request_of(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  platform::JobRequest request;
  request.spec = TRY(spec_of(body));
  const auto* project = body.if_contains("project");
  request.project = project != nullptr ? std::string(project->as_string()) : call.principal.project;
  request.tenant = TRY(services.directory.project(request.project)).tenant;
  request.user = call.principal.principal_id;
  if (const auto* workdir = body.if_contains("workdir")) request.workdir = workdir->as_string();
  return request;
}

Result<Reply> submit_job(Services& services, const Call& call) {
  const auto request = TRY(request_of(services, call));
  return job_reply(services, call, 201, TRY(services.jobs.submit(request)));
}

Result<Reply> plan_job(Services& services, const Call& call) {
  const auto request = TRY(request_of(services, call));
  const auto plan = TRY(services.jobs.plan(request));
  return json_reply(200, json::object{{"spec", TRY(host::parse_json(plan.spec))},
                                      {"project", request.project},
                                      {"elements", std::int64_t(plan.elements)},
                                      {"tasks", plan.tasks},
                                      {"fitting_nodes", std::int64_t(plan.fitting_nodes)},
                                      {"nodes", std::int64_t(plan.nodes)},
                                      {"notes", json::array(plan.notes.begin(), plan.notes.end())}});
}

Result<Reply> list_jobs(Services& services, const Call& call) {
  const Reachable within = TRY(reachable(call, Action::kReadJobs));
  platform::JobFilter filter{.tenant = within.tenant, .project = within.project, .state = {}};
  if (const auto state = call.query_text("state"); !state.empty())
    filter.state = TRY(control::parse_work_state(state));
  const auto page = TRY(services.jobs.list(filter, limit_of(call), call.query_text("after")));
  NodeLimits limits(services.jobs.view());
  return page_reply(page, [&](const platform::Job& job) { return job_json(job, naming_for(call), limits); });
}

Result<Reply> show_job(Services& services, const Call& call) {
  const auto id = call.path_text("id");
  auto job = services.jobs.show(id);
  services.waits.until(wait_of(call), [&] {
    job = services.jobs.show(id);
    return !job || control::is_over(job->now.state);
  });
  return job_reply(services, call, 200, TRY(std::move(job)));
}

Result<Reply> show_spec(Services& services, const Call& call) {
  const auto record = TRY(services.jobs.record(call.path_text("id")));
  return json_reply(200, json::object{{"spec", TRY(host::parse_json(record.spec))}});
}

Result<Reply> cancel_job(Services& services, const Call& call) {
  return job_reply(services, call, 200, TRY(services.jobs.cancel(call.path_text("id"))));
}

Result<Reply> why_job(Services& services, const Call& call) {
  const auto job = TRY(services.jobs.show(call.path_text("id")));
  return json_reply(200, json::object{{"id", job.id},
                                      {"state", control::name_of(job.now.state)},
                                      {"reason_code", text_json(job.now.reason_code)},
                                      {"reason", reason_json(job.now, naming_for(call))},
                                      {"expected_start", time_json(job.now.expected_start)}});
}

struct LogPosition {
  std::int32_t task = 0;
  std::int64_t from = 0;
  std::int64_t run = -1;     // the run that `from` counts in; -1: whichever is last
  std::uint32_t of_run = 0;  // whose log it is; 0: the last
  std::size_t max = 0;
};

/// One look at a job's log.
struct LogLook {
  control::ReplicaLog piece;
  platform::Job job;
  std::uint32_t run = 0;  // whose log it is
  bool is_over() const { return run < job.now.run || control::is_over(job.now.state); }
  bool is_new() const { return piece.next > piece.from || is_over(); }
};

Result<LogLook> look_at_log(Services& services, std::string_view id, const LogPosition& position) {
  LogLook look;
  // The state first: what it wrote before it was over is then in the piece.
  look.job = TRY(services.jobs.show(id));
  look.run = position.of_run == 0 ? look.job.now.run : position.of_run;
  const bool other_run = position.run >= 0 && position.run != std::int64_t(look.run);
  const std::int64_t from = other_run ? 0 : position.from;
  auto piece = services.jobs.log(id, position.of_run, position.task, from, position.max);
  const bool none_yet = !piece && piece.error().code == ErrorCode::kNotFound && position.of_run == 0 &&
                        (look.job.now.run == 0 || !look.is_over());
  look.piece = none_yet ? control::ReplicaLog{0, "", 0} : TRY(std::move(piece));
  const bool may_go_on = !look.is_over() || look.piece.text.size() == position.max;
  if (may_go_on) {
    look.piece.text.resize(whole_characters(look.piece.text).size());
    look.piece.next = look.piece.from + std::int64_t(look.piece.text.size());
  }
  return look;
}

Result<Reply> show_job_log(Services& services, const Call& call) {
  const LogPosition position{.task = std::int32_t(call.query_int("task", 0)),
                             .from = call.query_int("from", 0),
                             .run = call.query_int("run", -1),
                             .of_run = std::uint32_t(call.query_int("of_run", 0)),
                             .max = std::size_t(call.query_int("max", 65'536))};
  auto look = look_at_log(services, call.path_text("id"), position);
  if (look && !look->is_new()) {
    services.waits.until(wait_of(call), [&] {
      look = look_at_log(services, call.path_text("id"), position);
      return !look || look->is_new();
    });
  }
  if (!look) return std::unexpected(look.error());
  return json_reply(200, json::object{{"from", look->piece.from},
                                      {"text", as_text(look->piece.text)},
                                      {"next", look->piece.next},
                                      {"run", std::int64_t(look->run)},
                                      {"tasks", look->job.now.places.size()},
                                      {"state", control::name_of(look->job.now.state)}});
}

Result<Reply> list_queue(Services& services, const Call& call) {
  const Reachable within = TRY(reachable(call, Action::kReadJobs));
  const bool with_running = call.query_text("state", "queued") == "live";
  std::uint64_t after = 0;
  if (const auto text = call.query_text("after"); !text.empty())
    std::from_chars(text.data(), text.data() + text.size(), after);
  std::vector<json::object> items;
  std::optional<std::string> next;
  std::int64_t position = 0;
  for (const control::ObservedWork& now : services.jobs.view().live()) {
    const bool queued = now.state == control::WorkState::kQueued;
    if (queued) ++position;
    if (now.id <= after || (!queued && !with_running)) continue;
    const auto wanted = services.jobs.wanted(now.id);
    if (!wanted && wanted.error().code == ErrorCode::kNotFound) continue;  // it ended in this moment
    if (!wanted) return std::unexpected(wanted.error());
    if (!within.tenant.empty() && wanted->tenant != within.tenant) continue;
    if (!within.project.empty() && wanted->project != within.project) continue;
    if (items.size() == limit_of(call)) {
      next = std::to_string(after);
      break;
    }
    items.push_back(queue_json(*wanted, now, queued ? position : 0, naming_for(call)));
    after = now.id;
  }
  return page_reply(items, next, [](const json::object& item) { return item; });
}

constexpr Parameter kById = {"id", kIdSchema, "Its id: 17, or 17_3 for an element of an array."};
constexpr Parameter kTenantFilter = {"tenant", kNameSchema, "Only those of this tenant."};
constexpr Parameter kProjectFilter = {"project", kNameSchema, "Only those of this project."};

void add_submit_routes(std::vector<Route>& routes) {
  routes.push_back(
      {.method = "POST",
       .path = "/api/v1/jobs",
       .id = "submitJob",
       .tag = "jobs",
       .summary = "Submit a job: a job file as text, or its keys as members",
       .access = needs(Action::kSubmitJobs, Scope::kOwnProject),
       .handler = submit_job,
       .body = "JobSubmit",
       .success = 201,
       .answer = "Job",
       .takes_idempotency_key = true,
       .changes_policy = false,
       .links = {"showJob", "cancelJob", "whyJob", "showJobLog", "showJobSpec", "listJobFiles"}});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/jobs/plan",
                    .id = "planJob",
                    .tag = "jobs",
                    .summary = "What a submission would be, with every default; nothing is submitted",
                    .access = needs(Action::kSubmitJobs, Scope::kOwnProject),
                    .handler = plan_job,
                    .body = "JobSubmit",
                    .answer = "JobPlan",
                    .changes_policy = false});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/jobs",
                    .id = "listJobs",
                    .tag = "jobs",
                    .summary = "The jobs the caller may see, the newest first; an array is one of them",
                    .access = needs(Action::kReadJobs, Scope::kReach),
                    .handler = list_jobs,
                    .query = page_parameters({kTenantFilter,
                                              kProjectFilter,
                                              {"state", R"({"$ref": "#/components/schemas/JobState"})",
                                               "Only those in this state."}}),
                    .answer = "JobPage"});
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/queue",
       .id = "listQueue",
       .tag = "jobs",
       .summary = "Work that waits, of every kind, in the order of submission",
       .access = needs(Action::kReadJobs, Scope::kReach),
       .handler = list_queue,
       .query = page_parameters(
           {kTenantFilter,
            kProjectFilter,
            {"state", R"({"enum": ["queued", "live"], "default": "queued"})", "live: also what runs."}}),
       .answer = "QueuePage"});
}

void add_one_job_routes(std::vector<Route>& routes) {
  routes.push_back({.method = "GET",
                    .path = "/api/v1/jobs/{id}",
                    .id = "showJob",
                    .tag = "jobs",
                    .summary = "One job, or one element of an array",
                    .access = needs(Action::kReadJobs, Scope::kPathJob),
                    .handler = show_job,
                    .path_parameters = {kById},
                    .query = {{"wait_ms", kWaitSchema, "Wait at most so long for it to be over."}},
                    .answer = "Job"});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/jobs/{id}/spec",
                    .id = "showJobSpec",
                    .tag = "jobs",
                    .summary = "What was submitted, as a job file with every default",
                    .access = needs(Action::kReadJobOutput, Scope::kPathJob),
                    .handler = show_spec,
                    .path_parameters = {kById},
                    .answer = "JobSource"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/jobs/{id}/cancel",
                    .id = "cancelJob",
                    .tag = "jobs",
                    .summary = "End a job; of an array, all elements that are not over",
                    .access = needs(Action::kManageJobs, Scope::kPathJob),
                    .handler = cancel_job,
                    .path_parameters = {kById},
                    .answer = "Job",
                    .errors = {409},
                    .changes_policy = false});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/jobs/{id}/why",
                    .id = "whyJob",
                    .tag = "jobs",
                    .summary = "Why it is in its state, in the scheduler's words, and when it is to start",
                    .access = needs(Action::kReadJobs, Scope::kPathJob),
                    .handler = why_job,
                    .path_parameters = {kById},
                    .answer = "JobWhy"});
}

void add_log_route(std::vector<Route>& routes) {
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/jobs/{id}/log",
       .id = "showJobLog",
       .tag = "jobs",
       .summary = "A piece of what a task wrote in its last run, or in an earlier one",
       .access = needs(Action::kReadJobOutput, Scope::kPathJob),
       .handler = show_job_log,
       .path_parameters = {kById},
       .query =
           {{"task", R"({"type": "integer", "minimum": 0, "maximum": 9999, "default": 0})",
             "Which task of a gang."},
            {"from",
             R"({"type": "integer", "minimum": -1099511627776, "maximum": 9007199254740991, "default": 0})",
             "Offset in bytes; below 0 from the end."},
            {"run", R"({"type": "integer", "minimum": 0, "maximum": 4294967295})",
             "The run that `from` counts in; where another is the last, the answer begins at its 0."},
            {"of_run", R"({"type": "integer", "minimum": 1, "maximum": 4294967295})",
             "Whose log, from 1; absent: the last run's."},
            {"max", R"({"type": "integer", "minimum": 16, "maximum": 1048576, "default": 65536})",
             "Bytes, at most."},
            {"wait_ms", kWaitSchema, "Wait at most so long for something new."}},
       .answer = "JobLog"});
}

}  // namespace

void add_job_routes(std::vector<Route>& routes) {
  add_submit_routes(routes);
  add_one_job_routes(routes);
  add_log_route(routes);
}

}  // namespace millrace::api
