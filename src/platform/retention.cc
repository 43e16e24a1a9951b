#include "platform/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/file.h"
#include "identity/page.h"
#include "platform/job_record.h"

namespace millrace::platform {
namespace {

constexpr std::size_t kErasedAtOnce = 3000;

/// When the last element ended; nullopt while one has not.
std::optional<TimePoint> end_of(const JobRecord& record, control::WorkView& view) {
  TimePoint last = record.submitted_at;
  for (const auto id : record.ids()) {
    const auto work = view.find(id);
    if (!work || !control::is_over(work->state)) return std::nullopt;
    last = std::max(last, work->ended_at.value_or(last));
  }
  return last;
}

Result<void> forget(store::Store& store, const std::string& work_folder, const JobRecord& record) {
  const auto ids = record.ids();
  for (const auto id : ids) {
    const JobId name{.number = record.number,
                     .index = record.is_array() ? std::optional(control::index_of(id)) : std::nullopt};
    TRY_VOID(host::remove_tree(fmt::format("{}/{}", work_folder, to_text(name))));
  }
  // The job's own record last: as long as it is there, the rest is found.
  store::Transaction change;
  for (const auto id : ids) {
    change.erase.push_back(control::work_key(control::kWantedPrefix, id));
    change.erase.push_back(control::work_key(control::kEndedPrefix, id));
    if (change.erase.size() >= kErasedAtOnce) {
      TRY_VOID(store.commit(std::move(change)));
      change = {};
    }
  }
  change.erase.push_back(job_key(record.number));
  TRY_VOID(store.commit(std::move(change)));
  return {};
}

}  // namespace

std::vector<std::uint64_t> to_forget(const std::vector<KeptJob>& jobs, const RetentionPolicy& policy,
                                     TimePoint now) {
  std::vector<KeptJob> over;
  std::ranges::copy_if(jobs, std::back_inserter(over),
                       [](const KeptJob& job) { return job.ended_at.has_value(); });
  std::ranges::sort(over, [](const KeptJob& a, const KeptJob& b) {
    return a.ended_at != b.ended_at ? *a.ended_at > *b.ended_at : a.number > b.number;
  });
  std::vector<std::uint64_t> numbers;
  for (std::size_t at = 0; at < over.size(); ++at) {
    if (at >= policy.most || *over[at].ended_at + policy.keep <= now) numbers.push_back(over[at].number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Result<Swept> sweep_jobs(store::Store& store, control::WorkView& view, WorkArchives& archives,
                         const std::string& work_folder, const RetentionPolicy& policy, const Clock& clock) {
  std::vector<KeptJob> jobs;
  std::set<std::string> needed;
  std::string last;
  for (;;) {
    const auto records = TRY(store.list(kJobPrefix, last, identity::kScanRecords));
    for (const store::Record& stored : records) {
      const JobRecord record = TRY(parse_job_record(stored.value));
      jobs.push_back({record.number, end_of(record, view)});
      const bool needs = !jobs.back().ended_at && !record.workdir.empty();
      if (needs) needed.insert(record.project + "/" + record.workdir);
    }
    if (records.size() < identity::kScanRecords) break;
    last = records.back().key;
  }
  Swept swept;
  std::optional<Error> fault;
  for (const std::uint64_t number : to_forget(jobs, policy, clock.now())) {
    const auto stored = store.get(job_key(number));
    if (!stored) continue;
    const auto done = forget(store, work_folder, TRY(parse_job_record(stored->value)));
    if (done) ++swept.jobs;
    if (!done && !fault) fault = done.error();
  }
  swept.archives = TRY(archives.sweep(needed));
  if (fault) return std::unexpected(*fault);
  return swept;
}

}  // namespace millrace::platform
