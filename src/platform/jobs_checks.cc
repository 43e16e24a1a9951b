// What must hold before a job is taken.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "core/amount.h"
#include "platform/jobs.h"

namespace millrace::platform {
namespace {

constexpr std::chrono::seconds kCountEvery{1};

std::unexpected<Error> bad(std::string_view key, std::string_view what) {
  return failure(ErrorCode::kInvalidArgument, fmt::format("{}: {}", key, what));
}

constexpr std::string_view kWritable = ":rw";

/// The folder of a rule of [jobs] mounts that lets jobs write; empty for another.
std::string_view writable_folder(std::string_view rule) {
  return rule.ends_with(kWritable) ? rule.substr(0, rule.size() - kWritable.size()) : std::string_view{};
}

// Of a folder that no job may write, everything below may be mounted. At or below a writable one only it itself, whatever
// other rule is above: whoever can write in it could put a symbolic link there and have the next job mount what it leads to.
bool may_mount(const std::vector<std::string>& rules, const JobMount& mount) {
  bool readable = false, below_writable = false;
  for (const std::string_view rule : rules) {
    const std::string_view folder = writable_folder(rule);
    if (folder.empty()) {
      readable |= is_at_or_below(mount.source, rule);
    } else {
      if (mount.source == folder) return true;
      below_writable |= is_at_or_below(mount.source, folder);
    }
  }
  return readable && !below_writable && !mount.writable;
}

bool fits(const control::NodeStatus& node, const JobSpec& spec) {
  const bool right_kind =
      spec.accelerator_kind.empty() ||
      std::ranges::any_of(node.accelerators, [&](const control::AcceleratorStatus& accelerator) {
        return std::ranges::find(spec.accelerator_kind, accelerator.kind) != spec.accelerator_kind.end();
      });
  const bool right_zone = spec.zones.empty() || std::ranges::find(spec.zones, node.zone) != spec.zones.end();
  return right_kind && right_zone && node.cpu_milli >= spec.cpu_milli && node.memory_mib >= spec.memory_mib &&
         node.accelerators.size() >= static_cast<std::size_t>(spec.accelerators);
}

/// A node without a rack is one of its own.
std::size_t racks_it_fits_on(const std::vector<control::NodeStatus>& nodes, const JobSpec& spec) {
  std::set<std::pair<std::string, std::string>> racks;
  for (const auto& node : nodes) {
    if (fits(node, spec)) racks.emplace(node.rack, node.rack.empty() ? node.name : std::string());
  }
  return racks.size();
}

}  // namespace

Result<std::vector<std::string>> parse_mounts(std::string_view text) {
  std::vector<std::string> mounts;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (part.empty()) continue;
    const std::string_view folder = part.ends_with(kWritable) ? writable_folder(part) : part;
    if (!is_clean_path(folder)) {
      return bad("jobs.mounts",
                 fmt::format("want absolute paths such as /srv/data or /srv/out:rw, found '{}'", part));
    }
    mounts.emplace_back(part);
  }
  for (const std::string_view rule : mounts) {
    const std::string_view open = writable_folder(rule);
    for (const std::string_view other : mounts) {
      const std::string_view folder = other.ends_with(kWritable) ? writable_folder(other) : other;
      if (open.empty() || folder == open || !is_at_or_below(folder, open)) continue;
      return bad(
          "jobs.mounts",
          fmt::format("{} lies in {}, where jobs may write: one could put a symbolic link in its place",
                      folder, open));
    }
  }
  return mounts;
}

Result<void> Jobs::check_quota(const JobRequest& request) const {
  const auto quota = TRY(ports_.directory.compute_quota_in_force(request.tenant));
  if (quota != identity::kNoCompute) return {};
  return failure(
      ErrorCode::kDenied,
      fmt::format("tenant {} has no quota of machines, so nothing may run; whoever runs this site gives "
                  "one: millrace quota set --tenant {} --cpus N --memory SIZE --accelerators N",
                  request.tenant, request.tenant));
}

Result<void> Jobs::check_secrets(const JobRequest& request) const {
  for (const JobSecret& secret : request.spec.secrets) {
    if (TRY(ports_.secrets.exists(request.project, secret.name))) continue;
    return bad("secret.name",
               fmt::format("project {} has no secret '{}'; set it with: millrace secret set {}",
                           request.project, secret.name, secret.name));
  }
  return {};
}

Result<void> Jobs::check_mounts(const JobRequest& request) const {
  for (const JobMount& mount : request.spec.mounts) {
    if (may_mount(options_.mounts, mount)) continue;
    return bad(
        "mount.source",
        fmt::format("{} may not be mounted{}; whoever runs this site allows folders with [jobs] mounts in "
                    "config.toml{}",
                    mount.source, mount.writable ? " to write in" : "",
                    options_.mounts.empty()
                        ? ": none is"
                        : fmt::format(": these are: {}", fmt::join(options_.mounts, ", "))));
  }
  return {};
}

/// The one that everybody gets who names none is not refused: it may be there by the time that the job starts.
Result<void> Jobs::check_image(const std::string& image) const {
  if (!options_.check_image || image == JobSpec().image) return {};
  const auto usable = options_.check_image(image);
  if (usable || usable.error().code != ErrorCode::kNotFound) return usable;
  return bad("image", usable.error().message);
}

Result<std::vector<control::WorkloadId>> Jobs::ids_of_after(const JobRequest& request) const {
  std::vector<control::WorkloadId> all;
  for (const std::string& id : request.spec.after) {
    const auto found = find(id);
    if (!found && found.error().code != ErrorCode::kNotFound) return std::unexpected(found.error());
    // That of another project looks like one that does not exist.
    if (!found || found->first.project != request.project) {
      return bad("after", fmt::format("there is no job '{}' in project {}", id, request.project));
    }
    const auto& [record, parsed] = *found;
    const auto ids = record.ids();
    if (parsed.index) all.push_back(control::workload_id(record.number, *parsed.index));
    if (!parsed.index) all.insert(all.end(), ids.begin(), ids.end());
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  if (all.size() <= kArrayMax) return all;
  return bad("after",
             fmt::format("these are {} elements, at most {} can be waited for", all.size(), kArrayMax));
}

Result<Jobs::Checked> Jobs::check(const JobRequest& request) {
  TRY_VOID(check_quota(request));
  const TimePoint now = ports_.clock.now();
  const JobSpec& spec = request.spec;
  if (spec.deadline && *spec.deadline <= now + spec.time_limit.value_or(std::chrono::seconds(0))) {
    return bad("deadline", fmt::format("{} is over before the job could end", to_rfc3339(*spec.deadline)));
  }
  TRY_VOID(check_secrets(request));
  TRY_VOID(check_mounts(request));
  TRY_VOID(check_image(spec.image));
  Checked checked{.after = TRY(ids_of_after(request)), .archive = ""};
  if (!request.workdir.empty()) {
    checked.archive = TRY(ports_.archives.file_of(request.project, request.workdir));
  }
  const std::size_t elements = std::max<std::size_t>(spec.array.size(), 1);
  const std::size_t bytes = to_json(spec).size() + 24 * checked.after.size() + 1024;
  if (bytes > kArrayBytesMax / elements) {
    return bad("array",
               fmt::format("{} elements of {} bytes each are too much: give them less environment and "
                           "arguments, and more in files",
                           elements, bytes));
  }
  return checked;
}

Result<JobPlan> Jobs::plan(const JobRequest& request) {
  TRY_VOID(check(request));
  const JobSpec& spec = request.spec;
  JobPlan plan;
  plan.spec = to_json(spec);
  plan.elements = std::max<std::size_t>(spec.array.size(), 1);
  plan.tasks = std::int64_t{spec.nodes} * spec.tasks_per_node;
  const auto nodes = ports_.view.nodes();
  plan.nodes = nodes.size();
  plan.fitting_nodes = static_cast<std::size_t>(
      std::ranges::count_if(nodes, [&](const control::NodeStatus& node) { return fits(node, spec); }));
  if (plan.fitting_nodes < static_cast<std::size_t>(spec.nodes)) {
    plan.notes.push_back(fmt::format(
        "{} of the {} nodes have room for a task (cpus {}, memory {}, accelerators {}) "
        "even while nothing else runs, and {} are needed: it will wait",
        plan.fitting_nodes, plan.nodes, static_cast<double>(spec.cpu_milli) / 1000,
        format_size(spec.memory_mib << 20), spec.accelerators * spec.accelerator_milli / 1000.0, spec.nodes));
  }
  if (const auto racks = racks_it_fits_on(nodes, spec);
      spec.spread == scheduler::Spread::kRack && racks < static_cast<std::size_t>(plan.tasks)) {
    plan.notes.push_back(fmt::format("its {} tasks want a rack each, and nodes of {} have room: it will wait",
                                     plan.tasks, racks));
  }
  if (options_.check_image) {
    if (const auto usable = options_.check_image(spec.image); !usable)
      plan.notes.push_back(usable.error().message + "; until then it fails at its start");
  }
  if (!spec.time_limit) {
    plan.notes.emplace_back(
        "without a time_limit it may have to wait where a shorter job would fit in between");
  }
  return plan;
}

Result<void> Jobs::check_pending(const std::string& project, std::int64_t more) {
  const std::lock_guard lock(mutex_);
  const MonotonicPoint now = ports_.clock.monotonic();
  if (!counted_at_ || now - *counted_at_ >= kCountEvery) {
    TRY_VOID(count_pending());
    counted_at_ = now;
  }
  std::int64_t& mine = pending_[project];
  const auto full = [&](std::string_view whose, std::int64_t waiting, std::int64_t most) {
    return failure(ErrorCode::kExhausted,
                   fmt::format("{} has {} jobs that are not over, and may have {}: wait for some to end, or "
                               "cancel some",
                               whose, waiting, most));
  };
  if (mine + more > options_.pending_per_project)
    return full("project " + project, mine, options_.pending_per_project);
  if (pending_total_ + more > options_.pending_total)
    return full("this installation", pending_total_, options_.pending_total);
  mine += more;
  pending_total_ += more;
  return {};
}

Result<void> Jobs::count_pending() {
  pending_.clear();
  pending_total_ = 0;
  std::map<std::uint64_t, std::string> projects;
  for (const control::ObservedWork& work : ports_.view.live()) {
    const std::uint64_t number = control::number_of(work.id);
    auto known = projects.find(number);
    if (known == projects.end()) {
      const auto before = projects_.find(number);
      std::string project;
      if (before != projects_.end()) {
        project = before->second;
      } else if (const auto stored = TRY(ports_.store.find(job_key(number)))) {
        // Environments and services have no such record; they count in the total alone.
        if (const auto record = parse_job_record(stored->value)) project = record->project;
      }
      known = projects.emplace(number, std::move(project)).first;
    }
    ++pending_[known->second];
    ++pending_total_;
  }
  projects_ = std::move(projects);
  return {};
}

}  // namespace millrace::platform
