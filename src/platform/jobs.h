// Jobs: from a spec to records that control reads, and from what control observes back to what an owner is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/work_view.h"
#include "core/clock.h"
#include "core/result.h"
#include "identity/directory.h"
#include "identity/page.h"
#include "identity/secrets.h"
#include "platform/job_files.h"
#include "platform/job_record.h"
#include "platform/job_spec.h"
#include "platform/job_sum.h"
#include "platform/work_archives.h"
#include "platform/work_numbers.h"
#include "store/store.h"

namespace millrace::platform {

/// A job, or one element of an array.
struct Job {
  std::string id;  // "17", "17_3"
  JobRecord record;
  bool is_array = false;            // the whole of one
  StateCounts counts{};             // of an array's elements
  std::vector<std::string> failed;  // of an array: ids as ArraySum's `failed`
  std::int64_t failed_more = 0;     // so many besides
  control::ObservedWork now;        // of an array: the sum
};

struct JobRequest {
  JobSpec spec;
  std::string tenant, project, user;
  std::string workdir;  // SHA-256 of an archive that the project has sent; empty: none
};

/// What a submission would do.
struct JobPlan {
  std::string spec;  // to_json, with every default
  std::size_t elements = 1;
  std::int64_t tasks = 1;  // of one element
  std::size_t fitting_nodes = 0,
              nodes = 0;           // where a task has room while nothing else runs; all that are known
  std::vector<std::string> notes;  // for people
};

struct JobFilter {
  std::string tenant, project;  // empty: all
  std::optional<control::WorkState> state;
};

struct JobsOptions {
  std::string work_folder = {};          // HOME/work: as control's
  std::vector<std::string> mounts = {};  // host folders that jobs may mount: "/srv/data", "/srv/out:rw"
  /// Why an image cannot be used, kNotFound for one that is not there; success if it can. None: not asked.
  std::function<Result<void>(const std::string& image)> check_image = {};
  std::int64_t pending_per_project = 20'000;  // elements that are not over
  std::int64_t pending_total = 100'000;
};

/// "/srv/data, /srv/out:rw" to its parts. kInvalidArgument for one that is no absolute path, or lies in
/// another that is writable.
Result<std::vector<std::string>> parse_mounts(std::string_view text);

/// What Jobs works on; all is borrowed and outlives it.
struct JobsPorts {
  store::Store& store;
  const Clock& clock;
  const identity::Directory& directory;
  const identity::Secrets& secrets;
  control::WorkView& view;
  WorkArchives& archives;
  WorkNumbers& numbers;
};

/// Every method is safe from any thread, and durable on return. Ids are texts that anybody may have written: kNotFound for
/// one that is none.
class Jobs {
 public:
  Jobs(JobsOptions options, JobsPorts ports);

  /// One transaction. kInvalidArgument naming the key that cannot be; kNotFound for an archive that is not there; kDenied
  /// where the tenant has no quota of machines; kExhausted where too much waits already.
  Result<Job> submit(const JobRequest& request);
  /// All checks of submit, and nothing done.
  Result<JobPlan> plan(const JobRequest& request);

  Result<Job> show(std::string_view id) const;
  /// The newest first; `after` and `next` are ids.
  Result<identity::Page<Job>> list(const JobFilter& filter, std::size_t limit, std::string_view after) const;
  /// What was submitted, and whose it is; of an element, that of its array.
  Result<JobRecord> record(std::string_view id) const;
  /// What control is told of any work, jobs or others.
  Result<control::WantedWork> wanted(control::WorkloadId id) const;

  /// Wants it ended, whatever it does now; of an array, all elements that are not over. Again, or when it is over: success.
  Result<Job> cancel(std::string_view id);

  /// `run` 0: the last. kInvalidArgument for the whole of an array.
  Result<control::ReplicaLog> log(std::string_view id, std::uint32_t run, std::int32_t task,
                                  std::int64_t from, std::size_t max) const;
  Result<OutputList> outputs(std::string_view id, std::string_view after, std::size_t limit) const;
  Result<std::string> output(std::string_view id, std::string_view path, std::int64_t from,
                             std::size_t max) const;

  control::WorkView& view() const { return ports_.view; }

 private:
  struct Checked {
    std::vector<control::WorkloadId> after;
    std::string archive;
  };
  Result<Checked> check(const JobRequest& request);
  Result<void> check_quota(const JobRequest& request) const;
  Result<void> check_secrets(const JobRequest& request) const;
  Result<void> check_mounts(const JobRequest& request) const;
  Result<void> check_image(const std::string& image) const;
  Result<std::vector<control::WorkloadId>> ids_of_after(const JobRequest& request) const;
  Result<void> check_pending(const std::string& project, std::int64_t more);
  Result<void> count_pending();
  control::ObservedWork observed(control::WorkloadId id) const;
  Job job_of(JobRecord record, const std::optional<std::uint32_t>& index) const;
  Result<std::pair<JobRecord, JobId>> find(std::string_view id) const;
  Result<std::string> element_name(std::string_view id) const;

  const JobsOptions options_;
  const JobsPorts ports_;
  std::mutex mutex_;
  std::optional<MonotonicPoint> counted_at_;       // guarded by mutex_
  std::map<std::string, std::int64_t> pending_;    // guarded by mutex_: elements by project
  std::map<std::uint64_t, std::string> projects_;  // guarded by mutex_: of the numbers counted last
  std::int64_t pending_total_ = 0;                 // guarded by mutex_
};

}  // namespace millrace::platform
