#include "twin/sim/gantt_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "twin/sim/inputs.h"

namespace millrace::twin {

bool GanttKeeper::Kept::larger_than(const Kept& other) const {
  return std::tie(accelerators_milli, work_us, other.id) >
         std::tie(other.accelerators_milli, other.work_us, id);
}

GanttKeeper::Kept* GanttKeeper::find(const Job& job) {
  if (job.gantt >= kept_.size() || kept_[job.gantt].id != job.id) return nullptr;
  return &kept_[job.gantt];
}

void GanttKeeper::open(Kept& kept, const Job& job, VirtualTime now) {
  if (kept.stretches.size() < kStretches)
    kept.stretches.push_back({.from = now, .capped = job.cap_milli < job.trace.utilisation_milli});
}

void GanttKeeper::begin(Job& job, VirtualTime now) {
  if (Kept* kept = find(job)) {
    open(*kept, job, now);
    return;
  }
  if (job.trace.demand.accelerators == 0 || job.first_start != now) return;
  Kept candidate{.accelerators_milli = job.accelerators_milli(),
                 .work_us = job.trace.work.count(),
                 .id = job.id,
                 .account = job.trace.account,
                 .arrival = job.arrival,
                 .stretches = {}};
  if (kept_.size() < kJobs) {
    job.gantt = static_cast<std::uint32_t>(kept_.size());
    kept_.push_back(std::move(candidate));
  } else {
    const auto least =
        std::ranges::min_element(kept_, [](const Kept& a, const Kept& b) { return b.larger_than(a); });
    if (!candidate.larger_than(*least)) return;
    job.gantt = static_cast<std::uint32_t>(least - kept_.begin());
    *least = std::move(candidate);
  }
  open(kept_[job.gantt], job, now);
}

void GanttKeeper::cap(const Job& job, VirtualTime now) {
  Kept* kept = find(job);
  if (kept == nullptr) return;
  end(job, now);
  open(*kept, job, now);
}

void GanttKeeper::end(const Job& job, VirtualTime now) {
  Kept* kept = find(job);
  if (kept != nullptr && !kept->stretches.empty() && kept->stretches.back().to == kNoTime)
    kept->stretches.back().to = now;
}

std::vector<GanttJob> GanttKeeper::jobs(VirtualTime now, const std::vector<std::string>& accounts) const {
  std::vector<Kept> sorted = kept_;
  std::ranges::sort(sorted, [](const Kept& a, const Kept& b) { return a.larger_than(b); });
  std::vector<GanttJob> all;
  for (const Kept& kept : sorted) {
    GanttJob job;
    job.name = fmt::format("job-{}", kept.id);
    job.account = accounts[kept.account];
    job.accelerators = (kept.accelerators_milli + 999) / 1000;
    job.arrival = to_time(kept.arrival);
    for (const Stretch& stretch : kept.stretches) {
      job.stretches.push_back({.from = to_time(stretch.from),
                               .to = to_time(stretch.to == kNoTime ? now : stretch.to),
                               .capped = stretch.capped});
    }
    all.push_back(std::move(job));
  }
  return all;
}

}  // namespace millrace::twin
