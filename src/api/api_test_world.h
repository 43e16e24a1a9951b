// A control API over memory, for tests: two tenants, a key for each role, and a check of every answer against the
// OpenAPI document.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/dispatcher.h"
#include "api/services.h"
#include "control/work_view_fake.h"
#include "store/memory/memory_store.h"
#include "store/memory/memory_usage.h"

namespace millrace::api {

class TestClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::microseconds(micros_.load())); }
  MonotonicPoint monotonic() const override {
    return MonotonicPoint(std::chrono::microseconds(micros_.load()));
  }
  void advance(std::chrono::microseconds by) { micros_ += by.count(); }

 private:
  std::atomic<std::int64_t> micros_{1'795'000'000'000'000};  // in November 2026
};

class TestModels final : public platform::Models {
 public:
  Result<platform::Model> import(const platform::ImportRequest& request) override;
  Result<platform::Model> show(std::string_view name) const override;
  Result<platform::Page<platform::Model>> list(std::size_t limit, std::string_view after) const override;
  Result<void> remove(std::string_view name) override;
  Result<std::string> file_of(std::string_view name) const override;
  Result<platform::Model> wait(std::string_view name, std::chrono::milliseconds timeout) const override;

  std::map<std::string, platform::Model, std::less<>> all;
};

class TestReplicas final : public control::ReplicaView {
 public:
  std::vector<control::ReplicaStatus> observed() const override { return all; }
  std::vector<control::ServiceStatus> services() const override { return scaled; }
  Result<control::ReplicaLog> log(const std::string& replica, std::int64_t from, std::size_t max) override;

  std::vector<control::ReplicaStatus> all;
  std::vector<control::ServiceStatus> scaled;
};

class TestPublisher final : public PolicyPublisher {
 public:
  Result<AckReport> publish_and_wait(std::chrono::milliseconds) override {
    ++published;
    return report;
  }
  AckReport report;
  std::atomic<int> published = 0;  // the server calls from each of its threads
};

/// Tenants alpha (projects a1, a2) and beta (project b1), without limits on machines. Keys by role in alpha/a1 ("developer"), and "beta-..." in
/// beta/b1.
class World {
 public:
  World();
  ~World();

  /// Calls and checks the answer against the document: status, content type and body.
  Reply call(const std::string& method, const std::string& target, const std::string& as,
             const std::string& body = "", std::optional<std::string> idempotency_key = std::nullopt);
  /// The body of an answer of that status; a failed test otherwise.
  boost::json::value expect(int status, const std::string& method, const std::string& target,
                            const std::string& as, const std::string& body = "");
  Reply call_raw(RawRequest request);
  void check_answer(const RawRequest& request, const Reply& reply);
  /// Submits a job by that key; its id.
  std::string job(const std::string& as, const std::string& more = "");
  /// A model that is there and ready.
  void have_model(const std::string& name) {
    models.all[name].name = name;
    models.all[name].state = platform::ModelState::kReady;
  }

  TestClock clock;
  SeededRng rng{7};
  store::MemoryStore store;
  store::MemoryUsageTable usage;
  identity::Pepper pepper;
  identity::Directory directory;
  TestModels models;
  platform::Endpoints endpoints;
  ledger::PriceBook prices;
  ledger::SiteEnergy energy;
  control::FakeWorkView environment_view;
  platform::WorkNumbers environment_numbers;
  platform::Environments environments;
  TestReplicas replicas;
  std::string folder;  // of archives and output; removed at the end
  control::FakeWorkView view;
  identity::Secrets secrets;
  platform::WorkNumbers numbers;
  platform::WorkArchives archives;
  platform::Jobs jobs;
  platform::SiteWishes wishes;
  TestPublisher publisher;
  Live live;
  Services services;
  std::unique_ptr<Dispatcher> dispatcher;
  std::map<std::string, std::string> keys;  // texts
  std::map<std::string, std::string> key_ids;
  boost::json::object document;

 private:
  void add_key(const std::string& name, const std::string& project, identity::Role role);
};

}  // namespace millrace::api
