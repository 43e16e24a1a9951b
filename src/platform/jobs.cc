#include "platform/jobs.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/utf8.h"

namespace millrace::platform {
namespace {

using control::ObservedWork;
using control::WantedWork;

constexpr std::size_t kCancelTries = 100;

std::unexpected<Error> no_job(std::string_view id) {
  return failure(ErrorCode::kNotFound, fmt::format("there is no job '{}'", id.substr(0, 40)));
}

/// What control has not seen yet.
ObservedWork unseen(control::WorkloadId id) {
  ObservedWork work;
  work.id = id;
  work.reason_code = "submitted";
  work.reason = "waits for the control loop to take it up";
  return work;
}

}  // namespace

Jobs::Jobs(JobsOptions options, JobsPorts ports) : options_(std::move(options)), ports_(ports) {}

Result<Job> Jobs::submit(const JobRequest& request) {
  const Checked checked = TRY(check(request));
  const auto elements = static_cast<std::int64_t>(std::max<std::size_t>(request.spec.array.size(), 1));
  TRY_VOID(check_pending(request.project, elements));
  Submission submission{.number = TRY(ports_.numbers.take()),
                        .tenant = request.tenant,
                        .project = request.project,
                        .user = request.user,
                        .at = ports_.clock.now(),
                        .after = checked.after,
                        .workdir_archive = checked.archive};
  const auto all = wanted_of(request.spec, submission);
  JobRecord record{.number = submission.number,
                   .title = all.front().title,
                   .tenant = request.tenant,
                   .project = request.project,
                   .user = request.user,
                   .submitted_at = submission.at,
                   .array = request.spec.array,
                   .workdir = request.workdir,
                   .spec = to_json(request.spec)};
  store::Transaction change;
  change.expect.push_back({job_key(record.number), 0});
  change.put.push_back({job_key(record.number), to_json(record)});
  for (const WantedWork& work : all) {
    change.put.push_back({control::work_key(control::kWantedPrefix, work.id), control::to_json(work)});
    change.expect.push_back({change.put.back().key, 0});
  }
  TRY_VOID(ports_.store.commit(std::move(change)));
  return job_of(std::move(record), std::nullopt);
}

ObservedWork Jobs::observed(control::WorkloadId id) const {
  auto found = ports_.view.find(id);
  return found ? std::move(*found) : unseen(id);
}

Job Jobs::job_of(JobRecord record, const std::optional<std::uint32_t>& index) const {
  Job job;
  job.id = to_text({record.number, index});
  job.is_array = record.is_array() && !index;
  if (job.is_array) {
    std::vector<ObservedWork> elements;
    for (const auto id : record.ids()) elements.push_back(observed(id));
    ArraySum sum = sum_of(elements);
    job.counts = sum.counts;
    for (const std::size_t at : sum.failed) job.failed.push_back(to_text({record.number, record.array[at]}));
    job.failed_more = sum.failed_more;
    job.now = std::move(sum.whole);
  } else {
    job.now = observed(control::workload_id(record.number, index.value_or(0)));
  }
  job.record = std::move(record);
  return job;
}

Result<std::pair<JobRecord, JobId>> Jobs::find(std::string_view id) const {
  const auto parsed = parse_job_id(id);
  if (!parsed) return no_job(id);
  const auto stored = ports_.store.get(job_key(parsed->number));
  if (!stored && stored.error().code == ErrorCode::kNotFound) return no_job(id);
  if (!stored) return std::unexpected(stored.error());
  JobRecord record = TRY(parse_job_record(stored->value));
  if (parsed->index && !std::ranges::binary_search(record.array, *parsed->index)) return no_job(id);
  return std::pair{std::move(record), *parsed};
}

Result<JobRecord> Jobs::record(std::string_view id) const { return TRY(find(id)).first; }

Result<WantedWork> Jobs::wanted(control::WorkloadId id) const {
  return control::parse_wanted(TRY(ports_.store.get(control::work_key(control::kWantedPrefix, id))).value);
}

Result<Job> Jobs::show(std::string_view id) const {
  auto [record, parsed] = TRY(find(id));
  return job_of(std::move(record), parsed.index);
}

Result<identity::Page<Job>> Jobs::list(const JobFilter& filter, std::size_t limit,
                                       std::string_view after) const {
  identity::Page<Job> page;
  std::string last;
  if (const auto from = parse_job_id(after)) last = job_key(from->number);
  for (;;) {
    const auto records = TRY(ports_.store.list(kJobPrefix, last, identity::kScanRecords));
    for (const store::Record& stored : records) {
      JobRecord record = TRY(parse_job_record(stored.value));
      if (!filter.tenant.empty() && record.tenant != filter.tenant) continue;
      if (!filter.project.empty() && record.project != filter.project) continue;
      Job job = job_of(std::move(record), std::nullopt);
      if (filter.state && job.now.state != *filter.state) continue;
      if (page.data.size() == std::max<std::size_t>(limit, 1)) {
        page.next = page.data.back().id;
        return page;
      }
      page.data.push_back(std::move(job));
    }
    if (records.size() < identity::kScanRecords) return page;
    last = records.back().key;
  }
}

Result<Job> Jobs::cancel(std::string_view id) {
  const auto [record, parsed] = TRY(find(id));
  std::vector<control::WorkloadId> ids = record.ids();
  if (parsed.index) ids = {control::workload_id(record.number, *parsed.index)};
  for (std::size_t tries = 0; tries < kCancelTries; ++tries) {
    store::Transaction change;
    for (const auto work_id : ids) {
      if (control::is_over(observed(work_id).state)) continue;
      const auto stored = ports_.store.get(control::work_key(control::kWantedPrefix, work_id));
      if (!stored && stored.error().code == ErrorCode::kNotFound) continue;
      if (!stored) return std::unexpected(stored.error());
      WantedWork work = TRY(control::parse_wanted(stored->value));
      if (work.cancelled_at) continue;
      work.cancelled_at = ports_.clock.now();
      change.expect.push_back({stored->key, stored->revision});
      change.put.push_back({stored->key, control::to_json(work)});
    }
    if (change.put.empty()) return job_of(record, parsed.index);
    const auto done = ports_.store.commit(std::move(change));
    if (done) return job_of(record, parsed.index);
    if (done.error().code != ErrorCode::kConflict) return std::unexpected(done.error());
  }
  return failure(ErrorCode::kConflict, fmt::format("job {} is changed all the time; try again", id));
}

Result<std::string> Jobs::element_name(std::string_view id) const {
  const auto [record, parsed] = TRY(find(id));
  if (!record.is_array() || parsed.index) return to_text(parsed);
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("job {} is an array: name one element of it, such as {}_{}", id, id, record.array.front()));
}

Result<control::ReplicaLog> Jobs::log(std::string_view id, std::uint32_t run, std::int32_t task,
                                      std::int64_t from, std::size_t max) const {
  const auto name = TRY(element_name(id));
  const JobId parsed = parse_job_id(name).value_or(JobId{});
  return ports_.view.work_log(control::workload_id(parsed.number, parsed.index.value_or(0)), run, task, from,
                              max);
}

Result<OutputList> Jobs::outputs(std::string_view id, std::string_view after, std::size_t limit) const {
  const auto name = TRY(element_name(id));
  return list_output(fmt::format("{}/{}/output", options_.work_folder, name), after, limit);
}

Result<std::string> Jobs::output(std::string_view id, std::string_view path, std::int64_t from,
                                 std::size_t max) const {
  const auto name = TRY(element_name(id));
  return read_output(fmt::format("{}/{}/output", options_.work_folder, name), path, from, max);
}

}  // namespace millrace::platform
