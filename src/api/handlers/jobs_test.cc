// Jobs, their files, nodes, the site's power, quotas of the machines and secrets, over the API.
#include <fmt/format.h>

#include <thread>

#include "api/api_test_world.h"
#include "host/file.h"
#include "host/sha256.h"

namespace millrace::api {
namespace {

namespace json = boost::json;
using control::ObservedWork;
using control::workload_id;
using control::WorkState;
const std::string kAdmin = "platform-admin";

Reply send(World& world, const std::string& as, const std::string& target, const std::string& bytes) {
  RawRequest request;
  request.method = "PUT";
  request.path = target.substr(0, target.find('?'));
  if (target.contains('?')) request.query = target.substr(target.find('?') + 1);
  request.authorization = "Bearer " + world.keys.at(as);
  request.content_type = "application/octet-stream";
  request.body = bytes;
  return world.call_raw(std::move(request));
}

TEST(JobsApi, a_job_is_submitted_by_members_or_as_a_file) {
  World world;
  const auto made =
      world.expect(201, "POST", "/api/v1/jobs", "developer",
                   R"({"command": ["python3", "x.py"], "memory": "2GiB", "accelerators": 0.5})");
  EXPECT_EQ(made.at("id"), "1");
  EXPECT_EQ(made.at("state"), "queued");
  EXPECT_EQ(made.at("name"), "python3");
  EXPECT_EQ(made.at("project"), "a1");
  EXPECT_TRUE(made.at("array").is_null());
  EXPECT_EQ(world.jobs.wanted(workload_id(1))->demand.accelerator_milli, 500);
  const json::value file = {{"source", "command = ['true']\nname = 'second'\narray = '0-3'\n"},
                            {"format", "toml"},
                            {"file", "job.toml"}};
  const auto array = world.expect(201, "POST", "/api/v1/jobs", "developer", json::serialize(file));
  EXPECT_EQ(array.at("array"), "0-3");
  EXPECT_EQ(array.at("elements"), 4);
  EXPECT_EQ(array.at("counts"), (json::object{{"queued", 4}}));
  EXPECT_EQ(array.at("failed_elements"), json::array());
  EXPECT_TRUE(made.at("failed_elements").is_null());
  world.view.set(workload_id(2, 3), WorkState::kLost);
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/2", "viewer").at("failed_elements"), json::array{"2_3"});
  EXPECT_EQ(world.publisher.published, 0) << "no gateway needs to know of a job";
}

TEST(JobsApi, a_fault_in_a_file_names_line_and_key) {
  World world;
  const json::value file = {{"source", "command = ['true']\n\ncpu = 2\n"}, {"file", "job.toml"}};
  const auto problem = world.expect(422, "POST", "/api/v1/jobs", "developer", json::serialize(file));
  EXPECT_EQ(problem.at("detail"), "job.toml:3: cpu: there is no such key; did you mean 'cpus'?");
  const auto member =
      world.expect(422, "POST", "/api/v1/jobs", "developer", R"({"command": ["a"], "memry": "1GiB"})");
  EXPECT_EQ(member.at("detail"), "job:1: memry: there is no such key; did you mean 'memory'?");
  const auto none = world.expect(422, "POST", "/api/v1/jobs", "developer", R"({"cpus": 1})");
  EXPECT_TRUE(std::string_view(none.at("detail").as_string()).contains("command"));
  (void)world.expect(422, "POST", "/api/v1/jobs", "developer", R"({"command": ["a"], "source": "x"})");
}

TEST(JobsApi, the_same_idempotency_key_submits_once) {
  World world;
  const std::string body = R"({"command": ["true"]})";
  const auto first = world.call("POST", "/api/v1/jobs", "developer", body, "k1");
  const auto second = world.call("POST", "/api/v1/jobs", "developer", body, "k1");
  EXPECT_EQ(first.body, second.body);
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs", "developer").at("data").as_array().size(), 1u);
}

TEST(JobsApi, a_plan_submits_nothing) {
  World world;
  const auto plan = world.expect(200, "POST", "/api/v1/jobs/plan", "developer",
                                 R"({"command": ["true"], "array": "0-9", "nodes": 2})");
  EXPECT_EQ(plan.at("elements"), 10);
  EXPECT_EQ(plan.at("tasks"), 2);
  EXPECT_EQ(plan.at("spec").at("memory"), "1GiB") << "defaults are told";
  EXPECT_FALSE(plan.at("notes").as_array().empty());
  EXPECT_TRUE(world.expect(200, "GET", "/api/v1/jobs", "developer").at("data").as_array().empty());
}

TEST(JobsApi, figures_are_as_scripts_read_them) {
  World world;
  (void)world.job("developer");
  ObservedWork work;
  work.id = workload_id(1);
  work.state = WorkState::kFailed;
  work.run = 2;
  work.exit_code = 137;
  work.places = {{"n2", 1}, {"n1", 1}, {"n2", 2}};
  work.accelerator_ms = 2500;
  work.cpu_us = 1'500'000;
  work.energy_uj = 3'000'000;
  work.cost_microeur = 12;
  work.basis = "modelled";
  work.started_at = world.clock.now();
  work.ended_at = world.clock.now();
  work.runs = {{.number = 1,
                .nodes = {"n1"},
                .started_at = world.clock.now(),
                .ended_at = world.clock.now(),
                .outcome = "paused",
                .reason = "stopped for 2, which has a higher priority"},
               {.number = 2,
                .nodes = {"n1", "n2"},
                .started_at = world.clock.now(),
                .ended_at = world.clock.now(),
                .outcome = "succeeded",
                .reason = ""}};
  world.view.set(work);
  const auto job = world.expect(200, "GET", "/api/v1/jobs/1", "viewer");
  ASSERT_EQ(job.at("runs").as_array().size(), 2u);
  const auto& paused = job.at("runs").as_array()[0];
  EXPECT_EQ(paused.at("number"), 1);
  EXPECT_EQ(paused.at("nodes"), (json::array{"n1"}));
  EXPECT_EQ(paused.at("outcome"), "paused");
  EXPECT_EQ(paused.at("reason"), "stopped for 2, which has a higher priority");
  EXPECT_EQ(paused.at("started_at"), json::value(to_rfc3339(world.clock.now())));
  EXPECT_TRUE(job.at("runs").as_array()[1].at("reason").is_null());
  EXPECT_EQ(job.at("state"), "failed");
  EXPECT_EQ(job.at("attempts"), 2);
  EXPECT_EQ(job.at("exit_code"), 137);
  EXPECT_EQ(job.at("nodes"), (json::array{"n1", "n2"}));
  EXPECT_EQ(job.at("accelerator_s"), 2.5);
  EXPECT_EQ(job.at("cpu_s"), 1.5);
  EXPECT_EQ(job.at("energy_j"), 3.0);
  EXPECT_TRUE(job.at("co2e_g").is_null());
  EXPECT_EQ(job.at("cost_microeur"), 12);
  EXPECT_EQ(job.at("basis"), "modelled");
}

TEST(JobsApi, what_runs_again_has_no_exit_code_and_no_end_yet) {
  World world;
  (void)world.job("developer");
  ObservedWork work;
  work.id = workload_id(1);
  work.run = 1;
  work.exit_code = 3;
  work.started_at = work.ended_at = world.clock.now();
  for (const WorkState state :
       {WorkState::kQueued, WorkState::kStarting, WorkState::kRunning, WorkState::kPausing}) {
    work.state = state;
    world.view.set(work);
    const auto job = world.expect(200, "GET", "/api/v1/jobs/1", "viewer");
    EXPECT_TRUE(job.at("exit_code").is_null()) << control::name_of(state);
    EXPECT_TRUE(job.at("ended_at").is_null()) << control::name_of(state);
  }
  work.state = WorkState::kFailed;
  world.view.set(work);
  const auto job = world.expect(200, "GET", "/api/v1/jobs/1", "viewer");
  EXPECT_EQ(job.at("exit_code"), 3);
  EXPECT_EQ(job.at("ended_at"), json::value(to_rfc3339(world.clock.now())));
}

TEST(JobsApi, a_job_tells_what_held_it_to_its_limits_where_it_ran) {
  World world;
  EXPECT_TRUE(world.expect(201, "POST", "/api/v1/jobs", "developer", R"({"command": ["true"]})")
                  .at("limits_kind")
                  .is_null())
      << "before a run";
  auto node = world.view.nodes().front();
  node.limits_kind = "cgroup-v2";
  auto other = node;
  other.name = "n2";
  other.limits_kind = "rlimits";
  other.limits_why = "not root";
  world.view.set_nodes({node, other});
  const auto kind_on = [&](std::vector<control::NamedPlace> places) {
    ObservedWork work;
    work.id = workload_id(1);
    work.state = WorkState::kSucceeded;
    work.places = std::move(places);
    world.view.set(work);
    const auto job = world.expect(200, "GET", "/api/v1/jobs/1", "viewer");
    EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs", "viewer").at("data").at(0), job);
    return job.at("limits_kind");
  };
  EXPECT_EQ(kind_on({{"n1", 1}}), "cgroup-v2");
  EXPECT_EQ(kind_on({{"n2", 1}, {"n1", 1}}), "rlimits") << "the weakest of them";
  EXPECT_TRUE(kind_on({{"gone", 1}}).is_null());
  const auto status = world.expect(200, "GET", "/api/v1/status", kAdmin);
  EXPECT_EQ(status.at("limits_kind"), "rlimits") << "the node that is the exception";
  EXPECT_EQ(status.at("limits_why"), "not root");
  world.view.set_nodes({});
  EXPECT_TRUE(world.expect(200, "GET", "/api/v1/status", kAdmin).at("limits_kind").is_null());
}

TEST(JobsApi, why_tells_the_schedulers_reason_and_promise) {
  World world;
  (void)world.job("developer");
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/1/why", "developer").at("reason_code"), "submitted");
  ObservedWork work;
  work.id = workload_id(1);
  work.reason_code = "no_room";
  work.reason = "no node has 8 free accelerators";
  work.expected_start = world.clock.now();
  world.view.set(work);
  const auto why = world.expect(200, "GET", "/api/v1/jobs/1/why", "viewer");
  EXPECT_EQ(why.at("reason"), "no node has 8 free accelerators");
  EXPECT_EQ(why.at("expected_start"), json::value(to_rfc3339(world.clock.now())));
}

TEST(JobsApi, only_who_sees_all_work_is_told_whose_is_in_the_way) {
  World world;
  (void)world.job("developer");
  ObservedWork work;
  work.id = workload_id(1);
  work.reason_code = "promised";
  work.reason = "what is free is promised to other work";
  work.full_reason = "what is free is promised to 7";
  work.runs = {{.number = 1,
                .nodes = {},
                .started_at = world.clock.now(),
                .ended_at = world.clock.now(),
                .outcome = "paused",
                .reason = "stopped for other work",
                .full_reason = "stopped for 8"}};
  world.view.set(work);
  const auto expect_told = [&](const std::string& as, const std::string& reason, const std::string& of_run) {
    EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/1/why", as).at("reason"), json::value(reason)) << as;
    const auto job = world.expect(200, "GET", "/api/v1/jobs/1", as);
    EXPECT_EQ(job.at("reason"), json::value(reason)) << as;
    EXPECT_EQ(job.at("runs").at(0).at("reason"), json::value(of_run)) << as;
    EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs", as).at("data").at(0).at("reason"), json::value(reason))
        << as;
    EXPECT_EQ(world.expect(200, "GET", "/api/v1/queue", as).at("data").at(0).at("reason"),
              json::value(reason))
        << as;
  };
  for (const char* as : {"viewer", "developer", "tenant-admin"})
    expect_told(as, "what is free is promised to other work", "stopped for other work");
  for (const char* as : {"operator", "auditor", "platform-admin"})
    expect_told(as, "what is free is promised to 7", "stopped for 8");
}

TEST(JobsApi, lists_page_and_filter_within_reach) {
  World world;
  for (int i = 0; i < 3; ++i) (void)world.job("developer");
  (void)world.job("a2-developer");
  (void)world.job("beta-developer");
  world.view.set(workload_id(2), WorkState::kRunning);
  const auto ids = [&](const std::string& query, const std::string& as) {
    std::vector<std::string> found;
    for (const auto& job : world.expect(200, "GET", "/api/v1/jobs" + query, as).at("data").as_array())
      found.emplace_back(job.at("id").as_string());
    return found;
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(ids("", "viewer"), (Ids{"3", "2", "1"}));
  EXPECT_EQ(ids("", "tenant-admin"), (Ids{"4", "3", "2", "1"}));
  EXPECT_EQ(ids("", "auditor"), (Ids{"5", "4", "3", "2", "1"}));
  EXPECT_EQ(ids("?state=running", "auditor"), (Ids{"2"}));
  EXPECT_EQ(ids("?limit=2&after=4", "auditor"), (Ids{"3", "2"}));
  EXPECT_EQ(ids("?project=b1", "operator"), (Ids{"5"}));
  (void)world.expect(404, "GET", "/api/v1/jobs?project=b1", "developer");
  (void)world.expect(400, "GET", "/api/v1/jobs?state=asleep", "developer");
}

TEST(JobsApi, a_job_of_another_tenant_looks_like_none) {
  World world;
  const auto id = world.job("beta-developer");
  for (const std::string part : {"", "/why", "/log", "/artifacts", "/spec"}) {
    auto hidden =
        world.expect(404, "GET", fmt::format("/api/v1/jobs/{}{}", id, part), "developer").as_object();
    auto missing = world.expect(404, "GET", "/api/v1/jobs/99" + part, "developer").as_object();
    hidden.erase("instance");
    missing.erase("instance");
    EXPECT_EQ(hidden, missing);
  }
  (void)world.expect(404, "POST", "/api/v1/jobs/" + id + "/cancel", "developer");
  (void)world.expect(404, "POST", "/api/v1/jobs", "developer", R"({"command": ["a"], "project": "b1"})");
  const auto own = world.job("developer");
  const auto refused = world.expect(422, "POST", "/api/v1/jobs", "developer",
                                    R"({"command": ["a"], "after": [")" + id + R"(", ")" + own + R"("]})");
  EXPECT_TRUE(std::string_view(refused.at("detail").as_string()).contains("there is no job '" + id + "'"));
}

TEST(JobsApi, the_log_is_whole_characters_until_the_job_is_over) {
  World world;
  (void)world.job("developer");
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/1/log", "developer").at("text"), "");
  world.view.set(workload_id(1), WorkState::kRunning);
  world.view.append_log(workload_id(1), 0, "gr\xC3");
  const auto first = world.expect(200, "GET", "/api/v1/jobs/1/log", "developer");
  EXPECT_EQ(first.at("text"), "gr");
  EXPECT_EQ(first.at("next"), 2);
  world.view.append_log(workload_id(1), 0,
                        "\xBC\xC3\x9F"
                        "e\n\xE2\x82");
  const auto second = world.expect(200, "GET", "/api/v1/jobs/1/log?from=2", "developer");
  EXPECT_EQ(second.at("text"), "üße\n");
  world.view.set(workload_id(1), WorkState::kSucceeded);
  const auto last = world.expect(200, "GET", "/api/v1/jobs/1/log?from=8", "developer");
  EXPECT_EQ(last.at("text"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "nothing comes that could complete it";
  EXPECT_EQ(last.at("state"), "succeeded");
}

TEST(JobsApi, the_log_of_a_later_run_begins_anew) {
  World world;
  (void)world.job("developer");
  ObservedWork work;
  work.id = workload_id(1);
  work.state = WorkState::kRunning;
  work.run = 2;
  world.view.set(work);
  world.view.append_log(workload_id(1), 0, "second run\n");
  const auto piece = world.expect(200, "GET", "/api/v1/jobs/1/log?from=5&run=1", "developer");
  EXPECT_EQ(piece.at("from"), 0);
  EXPECT_EQ(piece.at("run"), 2);
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/1/log?from=5&run=2", "developer").at("text"), "d run\n");
}

TEST(JobsApi, who_waits_for_a_log_or_an_end_is_told_when_it_comes) {
  World world;
  (void)world.job("developer");
  world.view.set(workload_id(1), WorkState::kRunning);
  std::jthread writer([&] { world.view.append_log(workload_id(1), 0, "late\n"); });
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/1/log?wait_ms=10000", "developer").at("text"), "late\n");
  writer = std::jthread([&] { world.view.set(workload_id(1), WorkState::kSucceeded); });
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/jobs/1?wait_ms=10000", "developer").at("state"), "succeeded");
}

TEST(JobsApi, cancelling_is_answered_at_once) {
  World world;
  (void)world.job("developer", R"(, "array": "0-2")");
  world.view.set(workload_id(1, 1), WorkState::kRunning);
  (void)world.expect(200, "POST", "/api/v1/jobs/1_1/cancel", "developer");
  EXPECT_TRUE(world.jobs.wanted(workload_id(1, 1))->cancelled_at);
  EXPECT_FALSE(world.jobs.wanted(workload_id(1, 0))->cancelled_at);
  (void)world.expect(200, "POST", "/api/v1/jobs/1/cancel", "operator");
  EXPECT_TRUE(world.jobs.wanted(workload_id(1, 0))->cancelled_at);
}

TEST(JobsApi, the_queue_tells_positions_without_telling_names_of_others) {
  World world;
  for (const char* as : {"beta-developer", "developer", "developer"}) (void)world.job(as);
  for (std::uint64_t i = 1; i <= 3; ++i) world.view.set(workload_id(i), WorkState::kQueued);
  world.view.set(workload_id(2), WorkState::kRunning);
  const auto queue = world.expect(200, "GET", "/api/v1/queue", "developer").at("data").as_array();
  ASSERT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue[0].at("id"), "3");
  EXPECT_EQ(queue[0].at("position"), 2);
  const auto live = world.expect(200, "GET", "/api/v1/queue?state=live&limit=2", kAdmin);
  EXPECT_EQ(live.at("data").as_array().size(), 2u);
  EXPECT_TRUE(live.at("data").at(1).at("position").is_null());
  const auto rest = world.expect(
      200, "GET", "/api/v1/queue?state=live&after=" + std::string(live.at("next").as_string()), kAdmin);
  EXPECT_EQ(rest.at("data").as_array().size(), 1u);
}

TEST(JobFiles, a_folder_is_sent_in_pieces_and_used) {
  World world;
  const std::string bytes = "0123456789";
  const auto sha = host::sha256_hex(bytes);
  const std::string path = "/api/v1/blobs/" + sha;
  (void)world.expect(404, "GET", path, "developer");
  EXPECT_EQ(json::parse(send(world, "developer", path + "?size=10", "0123").body).at("complete"), false);
  EXPECT_EQ(world.expect(200, "GET", path, "developer").at("received_bytes"), 4);
  const auto done = send(world, "developer", path + "?offset=4&size=10", "456789");
  EXPECT_EQ(json::parse(done.body).at("complete"), true) << done.body;
  (void)world.job("developer", R"(, "workdir": ")" + sha + '"');
  EXPECT_EQ(host::read_file(world.jobs.wanted(workload_id(1))->program.workdir_archive), bytes);
  (void)world.expect(404, "GET", path, "a2-developer");
  EXPECT_EQ(send(world, "viewer", path, bytes).status, 403);
  EXPECT_EQ(send(world, "developer", path + "?project=b1", bytes).status, 404);
  EXPECT_EQ(send(world, "developer", "/api/v1/blobs/" + std::string(64, 'a'), "x").status, 422);
  EXPECT_EQ(send(world, "developer", path, std::string(kBytesMax + 1, 'x')).status, 413);
  (void)world.expect(415, "PUT", path, "developer", "{}");
}

TEST(JobFiles, what_a_job_left_is_listed_and_read) {
  World world;
  (void)world.job("developer");
  const std::string output = world.folder + "/jobs/1/output";
  EXPECT_TRUE(
      world.expect(200, "GET", "/api/v1/jobs/1/artifacts", "developer").at("data").as_array().empty());
  ASSERT_TRUE(host::make_dirs(output + "/a"));
  ASSERT_TRUE(host::write_file_atomic(output + "/a/b.bin", std::string("\0\xFFx", 3)));
  const auto list = world.expect(200, "GET", "/api/v1/jobs/1/artifacts", "developer");
  EXPECT_EQ(list.at("data").at(0).at("path"), "a/b.bin");
  EXPECT_EQ(list.at("data").at(0).at("size_bytes"), 3);
  const auto bytes = world.call("GET", "/api/v1/jobs/1/artifacts/content?path=a%2Fb.bin&from=1", "developer");
  EXPECT_EQ(bytes.status, 200);
  EXPECT_EQ(bytes.body, "\xFFx");
  (void)world.expect(404, "GET", "/api/v1/jobs/1/artifacts/content?path=..%2Fx", "developer");
  (void)world.expect(403, "GET", "/api/v1/jobs/1/artifacts", "auditor");
}

TEST(Nodes, wishes_are_kept_and_work_is_shown_as_far_as_the_caller_sees_it) {
  World world;
  (void)world.job("developer");
  (void)world.job("beta-developer");
  auto node = world.view.nodes().front();
  node.work = {"1", "2"};
  node.draw_mw = 1500;
  node.limits_kind = "rlimits";
  node.limits_why = "no control group";
  world.view.set_nodes({node});
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/nodes/n1", "operator").at("work"), (json::array{"1", "2"}));
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/nodes/n1", "developer").at("work"), (json::array{"1"}));
  EXPECT_EQ(world.expect(200, "POST", "/api/v1/nodes/n1/drain", "operator").at("draining"), true);
  EXPECT_EQ(world.expect(200, "POST", "/api/v1/nodes/n1/cordon", "operator").at("draining"), false);
  const auto nodes = world.expect(200, "GET", "/api/v1/nodes", "viewer").at("data");
  EXPECT_EQ(nodes.at(0).at("cordoned"), true);
  EXPECT_EQ(nodes.at(0).at("draw_w"), 1.5);
  EXPECT_EQ(nodes.at(0).at("limits_kind"), "rlimits");
  EXPECT_EQ(nodes.at(0).at("limits_why"), "no control group");
  EXPECT_EQ(world.expect(200, "POST", "/api/v1/nodes/n1/undrain", "operator").at("cordoned"), false);
  (void)world.expect(404, "POST", "/api/v1/nodes/n2/drain", "operator");
}

TEST(Site, an_event_is_made_listed_and_ended) {
  World world;
  const auto made = world.expect(201, "POST", "/api/v1/site/events", "operator",
                                 R"({"budget_percent": 60, "for_s": 3600, "notice_s": 300})");
  EXPECT_EQ(made.at("from"), json::value(to_rfc3339(world.clock.now() + std::chrono::seconds(300))));
  EXPECT_EQ(made.at("until"), json::value(to_rfc3339(world.clock.now() + std::chrono::seconds(3900))));
  EXPECT_EQ(made.at("budget_percent"), 60.0);
  EXPECT_TRUE(made.at("budget_w").is_null());
  EXPECT_EQ(world.expect(200, "GET", "/api/v1/site/events", "viewer").at("data").as_array().size(), 1u);
  const std::string path = "/api/v1/site/events/" + std::string(made.at("id").as_string());
  (void)world.expect(403, "DELETE", path, "developer");
  (void)world.expect(204, "DELETE", path, "operator");
  (void)world.expect(404, "DELETE", path, "operator");
  (void)world.expect(422, "POST", "/api/v1/site/events", "operator", R"({"for_s": 60})");
  (void)world.expect(422, "POST", "/api/v1/site/events", "operator",
                     R"({"for_s": 60, "budget_w": 5, "budget_percent": 5})");
}

TEST(Site, power_tells_budget_and_what_cannot_be) {
  World world;
  auto site = world.view.power().front();
  site.draw_mw = 2'000'500;
  site.budget_mw = 1'000'000;
  site.infeasible = true;
  site.nodes_to_switch_off = {"n1"};
  world.view.set_power({site});
  const auto power = world.expect(200, "GET", "/api/v1/site/power", "developer").at("data").at(0);
  EXPECT_EQ(power.at("draw_w"), 2000.5);
  EXPECT_EQ(power.at("budget_w"), 1000.0);
  EXPECT_EQ(power.at("nodes_to_switch_off"), (json::array{"n1"}));
}

TEST(ComputeQuotas, start_at_nothing_and_are_inherited_by_projects) {
  World world;
  ASSERT_TRUE(world.directory.set_tenant_compute_quota("alpha", std::nullopt));
  const std::string tenant = "/api/v1/quotas/tenants/alpha/compute",
                    project = "/api/v1/quotas/projects/a1/compute";
  EXPECT_TRUE(world.expect(200, "GET", tenant, kAdmin).at("quota").is_null());
  EXPECT_EQ(world.expect(403, "POST", "/api/v1/jobs", "developer", R"({"command": ["a"]})").at("code"),
            "denied");
  ASSERT_TRUE(world.directory.set_tenant_quota("alpha", identity::Limits{}));
  const auto followed = world.expect(200, "GET", tenant, kAdmin);
  EXPECT_EQ(followed.at("quota"), (json::object{{"unlimited", true}}));
  EXPECT_EQ(followed.at("inherited"), true);
  const auto set = world.expect(
      200, "PUT", tenant, kAdmin,
      R"({"accelerators": 1.5, "cpus": 8, "memory_bytes": 1073741824, "share": 2, "borrow": false})");
  EXPECT_EQ(set.at("quota").at("accelerators"), 1.5);
  EXPECT_EQ(set.at("quota").at("memory_bytes"), 1 << 30);
  EXPECT_EQ(set.at("inherited"), false);
  EXPECT_EQ(world.expect(200, "GET", project, "viewer").at("inherited"), true);
  EXPECT_EQ(world.expect(200, "PUT", project, "tenant-admin", R"({"share": 0.5})").at("quota").at("share"),
            0.5);
  EXPECT_EQ(world.directory.compute_quotas()->at(1).quota.weight_milli, 500);
  EXPECT_EQ(world.expect(200, "PUT", project, kAdmin, "null").at("inherited"), true);
  (void)world.expect(422, "PUT", tenant, kAdmin, R"({"share": 0})");
  (void)world.expect(422, "PUT", tenant, kAdmin, "{}");
}

TEST(SecretsApi, never_show_their_text) {
  World world;
  const std::string path = "/api/v1/projects/a1/secrets";
  EXPECT_EQ(world.expect(200, "PUT", path + "/HF_TOKEN", "developer", R"({"text": "topsecret"})").at("bytes"),
            9);
  for (const std::string as : {"developer", "tenant-admin", "platform-admin"}) {
    const auto listed = world.call("GET", path, as);
    EXPECT_TRUE(listed.body.contains("HF_TOKEN"));
    EXPECT_FALSE(listed.body.contains("topsecret"));
  }
  (void)world.job("developer", R"(, "secret": [{"name": "HF_TOKEN"}])");
  EXPECT_FALSE(world.call("GET", "/api/v1/jobs/1/spec", "developer").body.contains("topsecret"));
  (void)world.expect(204, "DELETE", path + "/HF_TOKEN", "developer");
  (void)world.expect(404, "DELETE", path + "/HF_TOKEN", "developer");
}

}  // namespace
}  // namespace millrace::api
