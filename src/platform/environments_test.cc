#include "platform/environments.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "control/work_view_fake.h"
#include "host/fd.h"
#include "host/file.h"
#include "host/ssh_key.h"
#include "identity/environment_pass.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_store.h"

namespace millrace::platform {
namespace {

using namespace std::chrono_literals;
using control::WorkState;

class StepClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  MonotonicPoint monotonic() const override { return steady_; }
  void advance(std::chrono::seconds by) {
    now_ += by;
    steady_ += by;
  }
  /// As a person or a time server does.
  void set(std::chrono::seconds by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::seconds{1'800'000'000}};
  MonotonicPoint steady_{std::chrono::seconds{1000}};
};

class EnvironmentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-environments-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_TRUE(directory_.create_tenant("t"));
    ASSERT_TRUE(directory_.create_project("p", "t"));
    make();
  }
  void TearDown() override { ASSERT_TRUE(host::remove_tree(folder_)); }
  void make() {
    EnvironmentOptions options{
        .volumes = folder_ + "/volumes",
        .sockets = folder_ + "/run",
        .work_folder = folder_ + "/work",
        .make_folder = [](const std::string& path) { return host::make_dirs(path, 0700); },
        .check_image = nullptr,
        .is_ready =
            [this](const std::string& socket) {
              asked_.push_back(socket);
              return ready_;
            }};
    environments_ = std::make_unique<Environments>(
        options, EnvironmentPorts{faulty_, clock_, directory_, view_, numbers_, rng_});
  }
  static EnvironmentRequest request(std::string name, std::string kind = "jupyter") {
    EnvironmentRequest request{
        .name = std::move(name), .kind = std::move(kind), .tenant = "t", .project = "p", .user = "u"};
    if (request.kind == "shell") request.public_key = host::make_ssh_key_pair("me")->public_key;
    return request;
  }
  Environment create(std::string name, std::string kind = "jupyter") {
    auto made = environments_->create(request(std::move(name), std::move(kind)));
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  control::WantedWork work() const {
    const auto record = environments_->record("nb");
    const auto text = store_.get(control::work_key(control::kWantedPrefix, record->work));
    EXPECT_TRUE(text);
    return *control::parse_wanted(text->value);
  }
  /// What control would tell of the present work of "nb".
  void observe(WorkState state) {
    control::ObservedWork now;
    now.id = environments_->record("nb")->work;
    now.state = state;
    now.started_at = clock_.now();
    now.cpu_us = cpu_us_;
    view_.set(now);
    ASSERT_TRUE(environments_->policies());
    ASSERT_TRUE(environments_->tick());
  }
  /// It goes on, and has used so much of a core since.
  void work_for(std::chrono::seconds time, double cores) {
    auto now = *view_.find(environments_->record("nb")->work);
    clock_.advance(time);
    cpu_us_ += static_cast<std::int64_t>(cores * 1e6) * time.count();
    now.cpu_us = cpu_us_;
    view_.set(now);
    ASSERT_TRUE(environments_->tick());
  }
  EnvironmentStage stage() const { return environments_->show("nb")->stage; }

  std::string folder_;
  bool ready_ = true;
  std::vector<std::string> asked_;
  std::int64_t cpu_us_ = 0;
  StepClock clock_;
  SeededRng rng_{5};
  store::MemoryStore store_;
  store::FaultyStore faulty_{store_};
  identity::Pepper pepper_ = *identity::Pepper::create(std::array<std::uint8_t, 32>{1});
  identity::Directory directory_{store_, clock_, rng_, pepper_};
  control::FakeWorkView view_;
  WorkNumbers numbers_{store_, clock_};
  std::unique_ptr<Environments> environments_;
};

TEST_F(EnvironmentsTest, IsWorkOfItsOwnerThatFindsThePlatformAndItsVolume) {
  create("nb");
  const auto wanted = work();
  EXPECT_EQ(wanted.kind, control::WorkKind::kEnvironment);
  EXPECT_EQ(wanted.tenant, "t");
  EXPECT_EQ(wanted.project, "p");
  EXPECT_EQ(wanted.demand.cpu_milli, 1000);
  EXPECT_EQ(wanted.demand.memory_mib, 2048);
  EXPECT_FALSE(wanted.preemptible);
  EXPECT_EQ(wanted.program.env.at("OPENAI_BASE_URL"), "http://127.0.0.1:8080/v1");
  EXPECT_FALSE(wanted.program.host_network);
  ASSERT_EQ(wanted.program.mounts.size(), 2U);
  EXPECT_EQ(wanted.program.mounts[0].source, folder_ + "/volumes/p/nb");
  EXPECT_TRUE(host::exists(folder_ + "/volumes/p/nb"));
}

TEST_F(EnvironmentsTest, ItsKeyIsADevelopersOfItsProjectAndComesAsAFileOnly) {
  create("nb");
  const auto text = store_.get("secret/p/" + work().program.secrets.at(0).name);
  ASSERT_TRUE(text);
  const auto principal = directory_.authenticate(text->value);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->project, "p");
  EXPECT_EQ(principal->role, identity::Role::kDeveloper);
  EXPECT_EQ(control::to_json(work()).find(text->value), std::string::npos);
  EXPECT_EQ(to_json(*environments_->record("nb")).find(text->value), std::string::npos);
}

TEST_F(EnvironmentsTest, RecordsReadBackEqual) {
  create("nb", "shell");
  const auto record = *environments_->record("nb");
  EXPECT_EQ(*parse_environment_record(to_json(record)), record);
  EXPECT_TRUE(record.host_key.starts_with("ssh-ed25519 "));
  EXPECT_FALSE(parse_environment_record("{}"));
}

TEST_F(EnvironmentsTest, RefusesWhatCannotBeAHostNameOrRun) {
  for (const char* name : {"", "A", "a.b", "-a", "a-", "a_b", "a/b"}) {
    EXPECT_FALSE(environments_->create(request(name))) << name;
  }
  EXPECT_FALSE(environments_->create(request(std::string(64, 'a'))));
  EXPECT_FALSE(environments_->create(request("nb", "vm")));
  auto keyless = request("nb", "shell");
  keyless.public_key = "command=\"sh\" " + keyless.public_key;
  EXPECT_FALSE(environments_->create(keyless));
  EXPECT_FALSE(store_.get("environment/nb"));
  EXPECT_TRUE(directory_.keys({.tenant = "t", .project = ""}, 10)->data.empty()) << "a key was left behind";
}

TEST_F(EnvironmentsTest, ATakenNameIsRefused) {
  create("nb");
  EXPECT_EQ(environments_->create(request("nb")).error().code, ErrorCode::kConflict);
}

TEST_F(EnvironmentsTest, IsNotStoppedWithoutItsWork) {
  create("nb");
  observe(WorkState::kRunning);
  faulty_.reads.fail_once_after(1, ErrorCode::kUnavailable);
  EXPECT_FALSE(environments_->stop("nb", "enough"));
  EXPECT_EQ(faulty_.reads.failed(), 1);
  EXPECT_TRUE(environments_->record("nb")->wanted);
  ASSERT_TRUE(environments_->stop("nb", "enough"));
  EXPECT_TRUE(work().cancelled_at);
}

TEST_F(EnvironmentsTest, IsNeitherDeletedNorStartedAnewWhileNobodyCanTellWhetherItStillRuns) {
  create("nb");
  observe(WorkState::kRunning);
  view_.set_silent(true);
  EXPECT_FALSE(environments_->remove("nb", false));
  const auto before = environments_->record("nb")->work;
  (void)environments_->start("nb");  // it is wanted once it has stopped
  EXPECT_EQ(environments_->record("nb")->work, before);
  EXPECT_TRUE(work().cancelled_at);
  view_.set_silent(false);
  ASSERT_TRUE(environments_->stop("nb", "enough"));
  observe(WorkState::kCancelled);
  EXPECT_TRUE(environments_->remove("nb", false));
}

TEST_F(EnvironmentsTest, ItsStageFollowsItsWork) {
  create("nb");
  EXPECT_EQ(stage(), EnvironmentStage::kStarting);
  for (const auto& [state, shown] :
       std::map<WorkState, EnvironmentStage>{{WorkState::kQueued, EnvironmentStage::kQueued},
                                             {WorkState::kStarting, EnvironmentStage::kStarting},
                                             {WorkState::kRunning, EnvironmentStage::kRunning},
                                             {WorkState::kPausing, EnvironmentStage::kStopping},
                                             {WorkState::kFailed, EnvironmentStage::kFailed},
                                             {WorkState::kSucceeded, EnvironmentStage::kStopped}}) {
    observe(state);
    EXPECT_EQ(stage(), shown) << control::name_of(state);
  }
}

TEST_F(EnvironmentsTest, OneThatWaitsTellsTheCodeOfItsReason) {
  EXPECT_EQ(create("nb").reason_code, "submitted");
  control::ObservedWork now;
  now.id = environments_->record("nb")->work;
  now.reason_code = "never_fits";
  view_.set(now);
  EXPECT_EQ(environments_->show("nb")->reason_code, "never_fits");
  observe(WorkState::kRunning);
  EXPECT_EQ(environments_->show("nb")->reason_code, "");
}

TEST_F(EnvironmentsTest, GatewaysLearnTheSocketOnlyWhileItRuns) {
  create("nb");
  EXPECT_EQ(environments_->policies()->at(0).state, identity::EnvironmentState::kStarting);
  EXPECT_EQ(environments_->policies()->at(0).socket, "");
  observe(WorkState::kRunning);
  const auto policy = environments_->policies()->at(0);
  EXPECT_EQ(policy.state, identity::EnvironmentState::kRunning);
  EXPECT_TRUE(policy.socket.starts_with(folder_ + "/run/e-")) << policy.socket;
  EXPECT_EQ(work().program.mounts[1].source + "/env.sock", policy.socket);
}

TEST_F(EnvironmentsTest, StoppedAndOpenedAgainItIsNewWorkOnTheSameVolume) {
  create("nb");
  observe(WorkState::kRunning);
  const auto first = work();
  ASSERT_TRUE(environments_->stop("nb", "asked"));
  EXPECT_TRUE(work().cancelled_at);
  EXPECT_EQ(stage(), EnvironmentStage::kStopping);
  EXPECT_EQ(environments_->policies()->at(0).state, identity::EnvironmentState::kStopped);
  observe(WorkState::kCancelled);
  EXPECT_EQ(stage(), EnvironmentStage::kStopped);
  ASSERT_TRUE(environments_->open("nb", "k"));
  EXPECT_NE(work().id, first.id);
  EXPECT_EQ(work().program.mounts, first.program.mounts);
  EXPECT_FALSE(work().cancelled_at);
  EXPECT_FALSE(store_.get(control::work_key(control::kWantedPrefix, first.id)))
      << "what is over is kept for ever";
}

TEST_F(EnvironmentsTest, OneThatIsStillStoppingIsStartedOnceItHasStopped) {
  create("nb");
  observe(WorkState::kRunning);
  const auto first = work().id;
  ASSERT_TRUE(environments_->stop("nb", "asked"));
  ASSERT_TRUE(environments_->start("nb"));
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(work().id, first) << "two sandboxes would share the volume";
  observe(WorkState::kCancelled);
  ASSERT_TRUE(environments_->tick());
  EXPECT_NE(work().id, first);
  EXPECT_EQ(stage(), EnvironmentStage::kStarting);
}

TEST_F(EnvironmentsTest, StartingWhatRunsChangesNothing) {
  create("nb");
  const auto before = work();
  ASSERT_TRUE(environments_->start("nb"));
  EXPECT_EQ(work(), before);
}

TEST_F(EnvironmentsTest, ATokenIsSealedForItAlone) {
  create("nb");
  create("other");
  const auto opened = environments_->open("nb", "key_1");
  ASSERT_TRUE(opened);
  const auto secret = environments_->record("nb")->secret;
  const auto pass = identity::unseal(opened->token, identity::PassKind::kToken, secret, "nb", clock_.now());
  ASSERT_TRUE(pass);
  EXPECT_EQ(pass->key_id, "key_1");
  EXPECT_NE(environments_->record("other")->secret, secret);
}

TEST_F(EnvironmentsTest, IdleItIsWarnedThenStoppedAndItsVolumeStays) {
  create("nb");
  observe(WorkState::kRunning);
  clock_.advance(56min);
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(stage(), EnvironmentStage::kRunning);
  EXPECT_TRUE(environments_->show("nb")->stops_at) << "no warning";
  EXPECT_GT(environments_->policies()->at(0).stops_at_s, 0);
  clock_.advance(4min);
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(stage(), EnvironmentStage::kStopping);
  EXPECT_EQ(environments_->show("nb")->reason, "nobody used it for 60 minutes");
  EXPECT_TRUE(host::exists(folder_ + "/volumes/p/nb"));
}

TEST_F(EnvironmentsTest, AClockThatIsSetNeitherStopsItNorKeepsIt) {
  for (const auto step : {24h, -24h}) {
    create("nb");
    clock_.advance(3h);
    observe(WorkState::kRunning);
    clock_.advance(30min);
    clock_.set(step);
    ASSERT_TRUE(environments_->tick());
    EXPECT_EQ(stage(), EnvironmentStage::kRunning) << step;
    EXPECT_FALSE(environments_->show("nb")->stops_at);
    clock_.advance(26min);
    EXPECT_EQ(environments_->show("nb")->stops_at, clock_.now() + 4min);
    clock_.advance(4min);
    ASSERT_TRUE(environments_->tick());
    EXPECT_EQ(stage(), EnvironmentStage::kStopping) << step;
    observe(WorkState::kCancelled);
    ASSERT_TRUE(environments_->remove("nb", true));
  }
}

TEST_F(EnvironmentsTest, UseThatAGatewaySawKeepsIt) {
  create("nb");
  observe(WorkState::kRunning);
  clock_.advance(59min);
  environments_->report({{.name = "nb", .unused = 0ms, .connections = 2, .wake = false}});
  clock_.advance(2min);
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(stage(), EnvironmentStage::kRunning);
  EXPECT_FALSE(environments_->show("nb")->stops_at);
  EXPECT_EQ(environments_->show("nb")->connections, 2);
}

TEST_F(EnvironmentsTest, ItRunsOnceItCanBeReachedAndGatewaysKnow) {
  ready_ = false;
  create("nb");
  observe(WorkState::kRunning);
  EXPECT_EQ(stage(), EnvironmentStage::kStarting);
  EXPECT_EQ(environments_->policies()->at(0).state, identity::EnvironmentState::kStarting);
  EXPECT_EQ(asked_.back(), work().program.mounts[1].source + "/env.sock");
  ready_ = true;
  EXPECT_EQ(stage(), EnvironmentStage::kStarting) << "no gateway was told";
  EXPECT_EQ(environments_->policies()->at(0).state, identity::EnvironmentState::kRunning);
  EXPECT_EQ(stage(), EnvironmentStage::kRunning);
  asked_.clear();
  ready_ = false;
  EXPECT_EQ(environments_->policies()->at(0).state, identity::EnvironmentState::kRunning);
  EXPECT_TRUE(asked_.empty()) << "once is enough for a run";
  clock_.advance(1s);
  observe(WorkState::kRunning);  // started again
  EXPECT_EQ(stage(), EnvironmentStage::kStarting);
  clock_.advance(61min);
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(stage(), EnvironmentStage::kStopping) << "one that never can be reached is kept for ever";
}

TEST(Listening, IsWhatAcceptsConnections) {
  char name[] = "/tmp/millrace-listening-test-XXXXXX";
  const std::string folder = ::mkdtemp(name), path = folder + "/s";
  EXPECT_FALSE(is_listening(path));
  EXPECT_FALSE(is_listening(folder + std::string(200, 'x')));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  const host::Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_FALSE(is_listening(path)) << "bound, and left by an earlier run";
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_listening(path)) << "also while its queue is full";
  ASSERT_TRUE(host::remove_tree(folder));
}

TEST_F(EnvironmentsTest, WhatItComputesCountsAsUse) {
  create("nb");
  observe(WorkState::kRunning);
  for (int i = 0; i < 150; ++i) work_for(30s, 0.5);
  EXPECT_EQ(stage(), EnvironmentStage::kRunning);
  EXPECT_FALSE(environments_->show("nb")->stops_at);
  EXPECT_FALSE(environments_->show("nb")->used_at) << "nobody did";
  for (int i = 0; i < 118; ++i) work_for(30s, 0.02);  // what a server takes that only waits
  EXPECT_EQ(stage(), EnvironmentStage::kRunning);
  EXPECT_TRUE(environments_->show("nb")->stops_at);
  work_for(60s, 0.02);
  EXPECT_EQ(stage(), EnvironmentStage::kStopping);
}

TEST_F(EnvironmentsTest, AServerThatWasAwayDoesNotStopWhatItDidNotWatch) {
  create("nb");
  observe(WorkState::kRunning);
  clock_.advance(5h);
  make();
  ASSERT_TRUE(environments_->policies());
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(stage(), EnvironmentStage::kRunning);
}

TEST_F(EnvironmentsTest, SomebodyWhoLooksAtItWakesIt) {
  create("nb");
  observe(WorkState::kFailed);
  environments_->report({{.name = "nb", .unused = 0ms, .connections = 0, .wake = true},
                         {.name = "gone", .unused = 0ms, .connections = 0, .wake = true}});
  ASSERT_TRUE(environments_->tick());
  EXPECT_EQ(stage(), EnvironmentStage::kStarting);
}

TEST_F(EnvironmentsTest, DeletedItsKeyIsRevokedAndItsVolumeGoesOnlyWhenAskedTo) {
  create("nb");
  observe(WorkState::kRunning);
  EXPECT_EQ(environments_->remove("nb", false).error().code, ErrorCode::kConflict) << "it runs";
  observe(WorkState::kCancelled);
  const auto key = environments_->record("nb")->key_id;
  const auto secret = "secret/p/" + work().program.secrets.at(0).name;
  ASSERT_TRUE(environments_->remove("nb", false));
  EXPECT_TRUE(directory_.key(key)->revoked_at);
  EXPECT_FALSE(store_.get(secret));
  EXPECT_TRUE(store_.list("work/", {}, 10)->empty());
  EXPECT_TRUE(host::exists(folder_ + "/volumes/p/nb"));
  create("nb");
  observe(WorkState::kCancelled);
  ASSERT_TRUE(environments_->remove("nb", true));
  EXPECT_FALSE(host::exists(folder_ + "/volumes/p/nb"));
}

TEST_F(EnvironmentsTest, AListIsCutToAProject) {
  create("nb");
  ASSERT_TRUE(directory_.create_project("q", "t"));
  auto other = request("other");
  other.project = "q";
  ASSERT_TRUE(environments_->create(other));
  EXPECT_EQ(environments_->list({}, 10, "")->data.size(), 2U);
  EXPECT_EQ(environments_->list({.tenant = "t", .project = "q"}, 10, "")->data.at(0).record.name, "other");
  EXPECT_TRUE(environments_->list({.tenant = "x", .project = ""}, 10, "")->data.empty());
}

}  // namespace
}  // namespace millrace::platform
