#include "platform/jobs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <thread>

#include "control/work_view_fake.h"
#include "host/file.h"
#include "host/sha256.h"
#include "host/system_clock.h"
#include "host/system_rng.h"
#include "platform/retention.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"

namespace millrace::platform {
namespace {

using control::ObservedWork;
using control::WantedWork;
using control::workload_id;
using control::WorkState;
using std::chrono::hours;
using std::chrono::seconds;

class JobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-jobs-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_TRUE(directory_.create_tenant("alpha") && directory_.create_project("a1", "alpha"));
    ASSERT_TRUE(directory_.create_project("a2", "alpha"));
    ASSERT_TRUE(directory_.set_tenant_compute_quota("alpha", identity::ComputeQuota{}));
    archives_.emplace(WorkArchivesOptions{.folder = folder_ + "/archives"}, clock_);
    make_jobs({});
  }
  void TearDown() override { ASSERT_TRUE(host::remove_tree(folder_)); }

  void make_jobs(JobsOptions options) {
    options.work_folder = folder_ + "/jobs";
    jobs_.emplace(std::move(options),
                  JobsPorts{faulty_, clock_, directory_, secrets_, view_, *archives_, numbers_});
  }
  JobRequest request(std::string_view file, std::string project = "a1") {
    auto spec = parse_job(file, JobFormat::kToml, "job.toml");
    EXPECT_TRUE(spec) << spec.error().message;
    return {.spec = spec.value_or(JobSpec{}),
            .tenant = "alpha",
            .project = std::move(project),
            .user = "principal_1",
            .workdir = ""};
  }
  Job submit(std::string_view file, std::string project = "a1") {
    auto job = jobs_->submit(request(file, std::move(project)));
    EXPECT_TRUE(job) << job.error().message;
    return job.value_or(Job{});
  }
  Error refused(std::string_view file) {
    const auto job = jobs_->submit(request(file));
    EXPECT_FALSE(job);
    return job ? Error{} : job.error();
  }
  WantedWork wanted(control::WorkloadId id) {
    const auto record = store_.get(control::work_key(control::kWantedPrefix, id));
    EXPECT_TRUE(record);
    auto work = record ? control::parse_wanted(record->value) : Result<WantedWork>(WantedWork{});
    EXPECT_TRUE(work) << work.error().message;
    return *work;
  }
  std::string send_archive(const std::string& bytes, const std::string& project = "a1") {
    const auto sha = host::sha256_hex(bytes);
    const auto state = archives_->put(project, sha, 0, static_cast<std::int64_t>(bytes.size()), bytes);
    EXPECT_TRUE(state && state->complete);
    return sha;
  }

  std::string folder_;
  store::MemoryStore store_;
  store::FaultyStore faulty_{store_};
  host::SystemClock clock_;
  host::SystemRng rng_;
  identity::Pepper pepper_ = *identity::Pepper::create(std::array<std::uint8_t, 32>{1, 2, 3});
  identity::Directory directory_{store_, clock_, rng_, pepper_};
  identity::Secrets secrets_{store_};
  control::FakeWorkView view_;
  WorkNumbers numbers_{store_, clock_};
  std::optional<WorkArchives> archives_;
  std::optional<Jobs> jobs_;
};

TEST_F(JobsTest, ASubmissionIsWhatControlReads) {
  const Job job = submit("command = ['true']\nname = 'first'\nretries = 2\n");
  EXPECT_EQ(job.id, "1");
  EXPECT_EQ(job.now.state, WorkState::kQueued);
  EXPECT_EQ(job.now.reason_code, "submitted");
  const WantedWork work = wanted(workload_id(1));
  EXPECT_EQ(work.name, "1");
  EXPECT_EQ(work.title, "first");
  EXPECT_EQ(work.tenant, "alpha");
  EXPECT_EQ(work.project, "a1");
  EXPECT_EQ(work.user, "principal_1");
  EXPECT_EQ(work.retries, 2u);
  EXPECT_EQ(submit("command = ['true']").id, "2");
}

TEST_F(JobsTest, AnArrayIsWrittenInOneTransaction) {
  std::vector<std::size_t> puts;
  store_.subscribe(
      [&](store::Revision, const store::Transaction& change) { puts.push_back(change.put.size()); });
  const Job job = submit("command = ['true']\narray = '0-9'\n");
  EXPECT_TRUE(job.is_array);
  EXPECT_EQ(puts, (std::vector<std::size_t>{1, 11})) << "the number, then the job and its ten elements";
  EXPECT_EQ(wanted(workload_id(1, 9)).name, "1_9");
  EXPECT_EQ(jobs_->show("1_9")->id, "1_9");
  EXPECT_EQ(jobs_->show("1_10").error().code, ErrorCode::kNotFound);
}

TEST_F(JobsTest, NumbersAreGivenOnceWhoeverAsks) {
  WorkNumbers other(store_, clock_);
  std::set<std::uint64_t> seen;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  for (WorkNumbers* numbers : {&numbers_, &numbers_, &other}) {
    threads.emplace_back([&, numbers] {
      for (int i = 0; i < 300; ++i) {
        const auto number = numbers->take();
        ASSERT_TRUE(number);
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(seen.insert(*number).second) << *number;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(seen.size(), 900u);
}

TEST_F(JobsTest, WithoutAQuotaOfMachinesNothingIsTaken) {
  ASSERT_TRUE(directory_.set_tenant_compute_quota("alpha", std::nullopt));
  const auto error = refused("command = ['true']");
  EXPECT_EQ(error.code, ErrorCode::kDenied);
  EXPECT_TRUE(error.message.contains("millrace quota set --tenant alpha")) << error.message;
  EXPECT_TRUE(store_.list("work/", "", 10)->empty());
}

TEST_F(JobsTest, WhatAJobNeedsMustBeThere) {
  EXPECT_TRUE(
      refused("command = ['a']\n[[secret]]\nname = 'key'\n").message.contains("millrace secret set key"));
  ASSERT_TRUE(secrets_.put("a2", "key", "x"));
  EXPECT_TRUE(refused("command = ['a']\n[[secret]]\nname = 'key'\n").message.contains("project a1"));
  ASSERT_TRUE(secrets_.put("a1", "key", "topsecret"));
  (void)submit("command = ['a']\n[[secret]]\nname = 'key'\n");
  EXPECT_FALSE(
      store_.get(control::work_key(control::kWantedPrefix, workload_id(1)))->value.contains("topsecret"));
  EXPECT_TRUE(refused("command = ['a']\ndeadline = 2020-01-01\n").message.starts_with("deadline: "));
  JobRequest with_folder = request("command = ['a']");
  with_folder.workdir = std::string(64, 'a');
  EXPECT_EQ(jobs_->submit(with_folder).error().code, ErrorCode::kNotFound);
  with_folder.workdir = send_archive("tar", "a2");
  EXPECT_EQ(jobs_->submit(with_folder).error().code, ErrorCode::kNotFound) << "another project sent it";
  with_folder.workdir = send_archive("tar");
  const auto job = jobs_->submit(with_folder);
  ASSERT_TRUE(job) << job.error().message;
  const auto archive = wanted(workload_id(job->record.number)).program.workdir_archive;
  EXPECT_EQ(host::read_file(archive), "tar");
}

TEST_F(JobsTest, OnlyFoldersThatTheSiteAllowsAreMounted) {
  const auto mount = [](std::string_view source, std::string_view mode) {
    return fmt::format("command = ['a']\n[[mount]]\nsource = '{}'\npath = '/m'\nmode = '{}'\n", source, mode);
  };
  EXPECT_TRUE(refused(mount("/etc", "ro")).message.starts_with("mount.source: /etc may not be mounted"));
  make_jobs({.work_folder = "", .mounts = {"/srv/data", "/srv/out:rw"}});
  for (const auto& [source, mode] : std::vector<std::pair<std::string, std::string>>{{"/srv/database", "ro"},
                                                                                     {"/srv", "ro"},
                                                                                     {"/srv/data", "rw"},
                                                                                     {"/srv/out/below", "ro"},
                                                                                     {"/", "ro"}}) {
    const auto spec = parse_job(mount(source, mode), JobFormat::kToml, "j");
    if (!spec) continue;  // "/" is refused before
    const auto job =
        jobs_->submit({.spec = *spec, .tenant = "alpha", .project = "a1", .user = "u", .workdir = ""});
    EXPECT_FALSE(job) << source << " " << mode;
  }
  (void)submit(mount("/srv/data", "ro"));
  (void)submit(mount("/srv/data/below/it", "ro"));
  (void)submit(mount("/srv/out", "rw"));
  (void)submit(mount("/srv/out", "ro"));
}

TEST_F(JobsTest, BelowAFolderThatJobsMayWriteNothingIsMountedWhateverIsAllowedAboveIt) {
  make_jobs({.work_folder = "", .mounts = {"/srv/share", "/srv/share/out:rw", "/srv/both:rw", "/srv/both"}});
  const auto may = [&](std::string_view source, std::string_view mode) {
    const auto spec = parse_job(
        fmt::format("command = ['a']\n[[mount]]\nsource = '{}'\npath = '/m'\nmode = '{}'\n", source, mode),
        JobFormat::kToml, "j");
    EXPECT_TRUE(spec) << source;
    return jobs_->submit({.spec = *spec, .tenant = "alpha", .project = "a1", .user = "u", .workdir = ""})
        .has_value();
  };
  for (const char* source : {"/srv/share/out/x", "/srv/share/out/x/y", "/srv/both/x"}) {
    EXPECT_FALSE(may(source, "ro")) << source;
    EXPECT_FALSE(may(source, "rw")) << source;
  }
  for (const char* source :
       {"/srv/share", "/srv/share/in", "/srv/share/outer/x", "/srv/share/out", "/srv/both"})
    EXPECT_TRUE(may(source, "ro")) << source;
  EXPECT_TRUE(may("/srv/share/out", "rw"));
  EXPECT_FALSE(may("/srv/share", "rw"));
}

TEST(Mounts, AreReadFromASetting) {
  EXPECT_EQ(parse_mounts(" /srv/data, /srv/out:rw ,"),
            (std::vector<std::string>{"/srv/data", "/srv/out:rw"}));
  EXPECT_EQ(parse_mounts(""), std::vector<std::string>{});
  for (const char* text : {"data", "/", "/a/../b", "/a,b", "/a//b", "/a/./b", ":rw", "/:rw"})
    EXPECT_FALSE(parse_mounts(text)) << text;
  for (const char* text : {"/a:rw, /a/b", "/a/b/c:rw, /a:rw"}) EXPECT_FALSE(parse_mounts(text)) << text;
  EXPECT_TRUE(parse_mounts("/a, /a/b:rw, /a/c, /a/b"));
}

TEST_F(JobsTest, AfterNamesJobsOfTheSameProject) {
  (void)submit("command = ['a']\narray = '0-2'\n");
  (void)submit("command = ['a']");
  (void)submit("command = ['a']", "a2");
  const Job job = submit("command = ['a']\nafter = ['1', '2', '1_1']\n");
  EXPECT_EQ(wanted(workload_id(job.record.number)).after,
            (std::vector{workload_id(1, 0), workload_id(1, 1), workload_id(1, 2), workload_id(2)}));
  EXPECT_EQ(refused("command = ['a']\nafter = ['3']\n").message, "after: there is no job '3' in project a1");
  EXPECT_EQ(refused("command = ['a']\nafter = ['99']\n").message,
            "after: there is no job '99' in project a1");
  (void)refused("command = ['a']\nafter = ['1_3']\n");
  (void)refused("command = ['a']\nafter = ['2_0']\n");
}

TEST_F(JobsTest, WhatWaitsIsBounded) {
  make_jobs({.work_folder = "", .mounts = {}, .pending_per_project = 5, .pending_total = 7});
  (void)submit("command = ['a']\narray = '0-3'\n");
  (void)submit("command = ['a']");
  EXPECT_EQ(refused("command = ['a']").code, ErrorCode::kExhausted);
  (void)submit("command = ['a']\narray = '0-1'\n", "a2");
  EXPECT_EQ(jobs_->submit(request("command = ['a']", "a2")).error().code, ErrorCode::kExhausted)
      << "of all together";
}

TEST_F(JobsTest, WhatWaitsIsCountedAlsoIfItsRecordCannotBeReadOnce) {
  (void)submit("command = ['a']");
  view_.set(workload_id(1), WorkState::kRunning);
  for (int good = 0;; ++good) {
    make_jobs({.work_folder = "", .mounts = {}, .pending_per_project = 1});
    faulty_.reads.fail_once_after(good, ErrorCode::kUnavailable);
    const int failed = faulty_.reads.failed();
    EXPECT_FALSE(jobs_->submit(request("command = ['a']")));
    if (faulty_.reads.failed() == failed) break;
    EXPECT_EQ(refused("command = ['a']").code, ErrorCode::kExhausted);
  }
}

TEST_F(JobsTest, CancellingIsAWishThatStands) {
  (void)submit("command = ['a']\narray = '0-2'\n");
  view_.set(workload_id(1, 0), WorkState::kSucceeded);
  view_.set(workload_id(1, 1), WorkState::kRunning);
  ASSERT_TRUE(jobs_->cancel("1_2"));
  const auto at = wanted(workload_id(1, 2)).cancelled_at;
  ASSERT_TRUE(at);
  EXPECT_FALSE(wanted(workload_id(1, 1)).cancelled_at);
  ASSERT_TRUE(jobs_->cancel("1"));
  EXPECT_TRUE(wanted(workload_id(1, 1)).cancelled_at);
  EXPECT_FALSE(wanted(workload_id(1, 0)).cancelled_at) << "it is over";
  EXPECT_EQ(wanted(workload_id(1, 2)).cancelled_at, at) << "the first time is kept";
  EXPECT_EQ(jobs_->cancel("7").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(jobs_->cancel("x").error().code, ErrorCode::kNotFound);
}

TEST_F(JobsTest, TheListIsNewestFirstAndPagesJoin) {
  for (int i = 0; i < 7; ++i) (void)submit("command = ['a']", i % 2 == 0 ? "a1" : "a2");
  view_.set(workload_id(3), WorkState::kRunning);
  std::vector<std::string> seen;
  std::string after;
  do {
    const auto page = jobs_->list({}, 3, after);
    ASSERT_TRUE(page);
    for (const Job& job : page->data) seen.push_back(job.id);
    after = page->next.value_or("");
  } while (!after.empty());
  EXPECT_EQ(seen, (std::vector<std::string>{"7", "6", "5", "4", "3", "2", "1"}));
  EXPECT_EQ(jobs_->list({.tenant = "alpha", .project = "a2", .state = {}}, 10, "")->data.size(), 3u);
  EXPECT_TRUE(jobs_->list({.tenant = "beta", .project = "", .state = {}}, 10, "")->data.empty());
  const auto running = jobs_->list({.tenant = "", .project = "", .state = WorkState::kRunning}, 10, "");
  ASSERT_EQ(running->data.size(), 1u);
  EXPECT_EQ(running->data.front().id, "3");
}

TEST_F(JobsTest, TheLogIsOfOneElement) {
  (void)submit("command = ['a']\narray = '4-5'\n");
  view_.append_log(workload_id(1, 4), 0, "hello");
  EXPECT_EQ(jobs_->log("1_4", 0, 0, 1, 3)->text, "ell");
  const auto refusal = jobs_->log("1", 0, 0, 0, 10);
  EXPECT_EQ(refusal.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(refusal.error().message.contains("such as 1_4"));
}

TEST_F(JobsTest, AnImageThatIsNotThereIsRefusedBeforeAnythingIsSubmitted) {
  make_jobs({.check_image = [](const std::string& image) -> Result<void> {
    if (image == "torch") return {};
    return failure(ErrorCode::kNotFound, fmt::format("there is no image '{}'; there is: torch", image));
  }});
  const std::string wrong = "command = ['a']\nimage = 'toch'\n";
  const auto fault = refused(wrong);
  EXPECT_EQ(fault.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(fault.message, "image: there is no image 'toch'; there is: torch");
  const auto plan = jobs_->plan(request(wrong));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, fault.message);
  EXPECT_TRUE(jobs_->list({}, 10, "")->data.empty());
  EXPECT_EQ(submit("command = ['a']\nimage = 'torch'\n").id, "1");
}

TEST_F(JobsTest, TheDefaultImageMayComeLaterAndAPlanSaysSo) {
  make_jobs({.check_image = [](const std::string&) -> Result<void> {
    return failure(ErrorCode::kNotFound, "there is no image 'base'");
  }});
  EXPECT_EQ(submit("command = ['a']\n").id, "1");
  const auto plan = jobs_->plan(request("command = ['a']\ntime_limit = '1h'\n"));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->notes.at(1), "there is no image 'base'; until then it fails at its start");
}

TEST_F(JobsTest, APlanTellsWhatWouldBeAndChangesNothing) {
  control::NodeStatus node;
  node.name = "n1";
  node.cpu_milli = 4000;
  node.memory_mib = 8192;
  node.accelerators = {{"a0", "fake", 0}, {"a1", "fake", 0}};
  view_.set_nodes({node});
  const auto before = store_.list("", "", 1000)->size();
  const auto fits =
      jobs_->plan(request("command = ['a']\naccelerators = 2\narray = '0-9'\ntime_limit = '1h'\n"));
  ASSERT_TRUE(fits) << fits.error().message;
  EXPECT_EQ(fits->elements, 10u);
  EXPECT_EQ(fits->fitting_nodes, 1u);
  EXPECT_TRUE(fits->notes.empty());
  const auto waits =
      jobs_->plan(request("command = ['a']\naccelerators = 3\nnodes = 2\ntime_limit = '1h'\n"));
  ASSERT_EQ(waits->notes.size(), 1u);
  EXPECT_TRUE(waits->notes.front().contains("0 of the 1 nodes")) << waits->notes.front();
  node.rack = "r0";
  auto beside = node;
  beside.name = "n2";
  view_.set_nodes({node, beside});
  const auto apart = jobs_->plan(request("command = ['a']\nnodes = 2\nspread = 'rack'\ntime_limit = '1h'\n"));
  ASSERT_EQ(apart->notes.size(), 1u);
  EXPECT_EQ(apart->notes.front(), "its 2 tasks want a rack each, and nodes of 1 have room: it will wait");
  EXPECT_EQ(store_.list("", "", 1000)->size(), before);
}

TEST_F(JobsTest, WhatIsLongOverIsForgottenWithItsFolder) {
  (void)submit("command = ['a']\narray = '0-1'\n");
  (void)submit("command = ['a']");
  (void)submit("command = ['a']");
  const auto end = [&](control::WorkloadId id, hours ago) {
    ObservedWork work;
    work.id = id;
    work.state = WorkState::kFailed;
    work.ended_at = clock_.now() - ago;
    view_.set(work);
  };
  end(workload_id(1, 0), hours(900));
  end(workload_id(2), hours(900));
  view_.set(workload_id(1, 1), WorkState::kRunning);
  for (const char* name : {"1_0", "1_1", "2", "3"})
    ASSERT_TRUE(host::make_dirs(folder_ + "/jobs/" + name + "/output"));
  // Submitted just now, so nothing ended before: the end counts, not the submission.
  const auto sweep = [&] {
    return sweep_jobs(store_, view_, *archives_, folder_ + "/jobs", {.keep = hours(720), .most = 100},
                      clock_);
  };
  // An end before the submission is the submission's time.
  EXPECT_EQ(sweep()->jobs, 0u);
  const auto later =
      sweep_jobs(store_, view_, *archives_, folder_ + "/jobs", {.keep = seconds(0), .most = 100}, clock_);
  ASSERT_TRUE(later) << later.error().message;
  EXPECT_EQ(later->jobs, 1u);
  EXPECT_FALSE(host::exists(folder_ + "/jobs/2"));
  EXPECT_TRUE(host::exists(folder_ + "/jobs/1_0")) << "an element of it runs";
  EXPECT_EQ(jobs_->show("2").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_.get(control::work_key(control::kWantedPrefix, workload_id(2))).error().code,
            ErrorCode::kNotFound);
  EXPECT_TRUE(jobs_->show("1") && jobs_->show("3"));
}

TEST(Retention, ForgetsByAgeAndByNumberButNothingThatIsNotOver) {
  const TimePoint now = *parse_rfc3339("2026-11-28");
  const std::vector<KeptJob> jobs = {{1, now - hours(50)},
                                     {2, std::nullopt},
                                     {3, now - hours(10)},
                                     {4, now - hours(20)},
                                     {5, now - hours(1)}};
  using Numbers = std::vector<std::uint64_t>;
  EXPECT_EQ(to_forget(jobs, {.keep = hours(48), .most = 100}, now), (Numbers{1}));
  EXPECT_EQ(to_forget(jobs, {.keep = hours(48), .most = 2}, now), (Numbers{1, 4}));
  EXPECT_EQ(to_forget(jobs, {.keep = hours(0), .most = 0}, now), (Numbers{1, 3, 4, 5}));
  EXPECT_EQ(to_forget(jobs, {.keep = hours(50), .most = 100}, now), (Numbers{1})) << "at its age exactly";
}

TEST(ArraySum, TakesTheBusiestStateThenTheWorstEnd) {
  const auto state = [](std::vector<WorkState> states) {
    std::vector<ObservedWork> all;
    for (const WorkState each : states) all.emplace_back().state = each;
    return sum_of(all).whole.state;
  };
  using enum WorkState;
  EXPECT_EQ(state({kQueued, kSucceeded}), kQueued);
  EXPECT_EQ(state({kQueued, kRunning, kFailed}), kRunning);
  EXPECT_EQ(state({kSucceeded, kSucceeded}), kSucceeded);
  EXPECT_EQ(state({kSucceeded, kCancelled, kTimedOut}), kTimedOut);
  EXPECT_EQ(state({kLost, kFailed}), kFailed);
}

TEST(ArraySum, AddsFiguresAndIsAsGoodAsItsWorstBasis) {
  std::vector<ObservedWork> elements(3);
  const TimePoint now = *parse_rfc3339("2026-11-28");
  elements[0].state = WorkState::kSucceeded;
  elements[0].run = 1;
  elements[0].exit_code = 0;
  elements[0].energy_uj = 5;
  elements[0].basis = "measured";
  elements[0].cpu_us = 10;
  elements[0].started_at = now;
  elements[0].ended_at = now + hours(2);
  elements[1] = elements[0];
  elements[1].state = WorkState::kFailed;
  elements[1].exit_code = 7;
  elements[1].basis = "modelled";
  elements[1].ended_at = now + hours(3);
  elements[2].state = WorkState::kCancelled;
  const ArraySum sum = sum_of(elements);
  EXPECT_EQ(sum.whole.energy_uj, 10);
  EXPECT_EQ(sum.whole.co2e_ug, std::nullopt);
  EXPECT_EQ(sum.whole.cpu_us, 20);
  EXPECT_EQ(sum.whole.basis, "modelled");
  EXPECT_EQ(sum.whole.exit_code, 7);
  EXPECT_EQ(sum.whole.started_at, now);
  EXPECT_EQ(sum.whole.ended_at, now + hours(3));
  EXPECT_EQ(sum.counts[static_cast<std::size_t>(WorkState::kCancelled)], 1);
  elements[1].state = WorkState::kRunning;
  EXPECT_EQ(sum_of(elements).whole.exit_code, std::nullopt);
  EXPECT_EQ(sum_of(elements).whole.ended_at, std::nullopt);
  EXPECT_EQ(sum_of({elements[0]}).whole.exit_code, 0);
}

TEST(ArraySum, TellsTheFirstThatFailedAndHowManyMore) {
  std::vector<ObservedWork> elements(40);
  EXPECT_TRUE(sum_of(elements).failed.empty());
  elements[3].state = WorkState::kCancelled;
  elements[7].state = WorkState::kTimedOut;
  elements[9].state = WorkState::kLost;
  EXPECT_EQ(sum_of(elements).failed, (std::vector<std::size_t>{7, 9}));
  EXPECT_EQ(sum_of(elements).failed_more, 0);
  for (std::size_t at = 10; at < 30; ++at) elements[at].state = WorkState::kFailed;
  EXPECT_EQ(sum_of(elements).failed.size(), kFailedShown);
  EXPECT_EQ(sum_of(elements).failed_more, 22 - std::int64_t{kFailedShown});
}

TEST(JobId, IsReadAsItWasWritten) {
  for (const char* text : {"1", "17_0", "8796093022207_1048575"}) {
    const auto id = parse_job_id(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(to_text(*id), text);
  }
  for (const char* text :
       {"", "0", "01", "-1", "1_", "_1", "1_01", "1_1048576", "1x", "1_2_3", "8796093022208"})
    EXPECT_FALSE(parse_job_id(text)) << text;
}

}  // namespace
}  // namespace millrace::platform
