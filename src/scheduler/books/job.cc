#include "scheduler/books/job.h"

#include <algorithm>
#include <bit>

#include "scheduler/speed.h"

namespace millrace::scheduler {
namespace {

std::chrono::microseconds stretched(std::chrono::microseconds length, double by) {
  if (by <= 1.0) return length;
  return std::chrono::microseconds(static_cast<std::int64_t>(static_cast<double>(length.count()) * by) + 1);
}

}  // namespace

std::int64_t limit_class(const std::optional<std::chrono::seconds>& limit) {
  if (!limit) return INT64_MAX;
  constexpr std::int64_t kMinutesMax = std::int64_t{1} << 32;
  const std::int64_t minutes = std::clamp<std::int64_t>((limit->count() + 59) / 60, 1, kMinutesMax);
  const auto width = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(minutes)));
  const int dropped = std::max(width - 6, 0);
  const std::int64_t unit = std::int64_t{1} << dropped;
  return (minutes + unit - 1) / unit * unit * 60;
}

double stretch_of(const Workload& work, std::int32_t cap_milli) {
  if (!work.stretches || work.demand.accelerators == 0 || cap_milli >= work.accelerator_draw_milli)
    return 1.0;
  const double share =
      static_cast<double>(cap_milli) / static_cast<double>(std::max(work.accelerator_draw_milli, 1));
  return 1.0 / speed_under_cap(share);
}

TimePoint end_of(const Workload& work, TimePoint started, std::int32_t cap_milli) {
  if (work.limit) return started + stretched(*work.limit, stretch_of(work, cap_milli));
  return work.service ? kNever : kSomeDay;
}

TimePoint window_end(TimePoint now, std::int64_t limit_s) {
  if (limit_s == INT64_MAX) return kNever;
  return time_after(now, std::chrono::seconds(limit_s));
}

std::int64_t limit_under(const Job& job, std::int32_t cap_milli) {
  if (job.limit_s == INT64_MAX) return job.limit_s;
  const auto whole = stretched(std::chrono::seconds(job.limit_s), stretch_of(job.work, cap_milli));
  return std::chrono::ceil<std::chrono::seconds>(whole).count();
}

bool is_pausable(const Job& job, std::chrono::microseconds notice) {
  const bool holds_its_state = job.work.checkpoint_every && job.work.checkpoint_every->count() == 0;
  return holds_its_state && !job.work.service && notice >= job.work.grace;
}

TimePoint time_after(TimePoint begin, std::chrono::microseconds length) {
  return begin > kNever - length ? kNever : begin + length;
}

std::chrono::microseconds yields_after(const Job& job) {
  // To start and to stop takes time as well.
  constexpr std::chrono::minutes kWorthIt{5};
  const auto every = job.work.checkpoint_every;
  const bool saved = every && (job.work.preemptible || every->count() == 0);
  if (job.work.service || !saved) return std::chrono::microseconds::max();
  return *every + kWorthIt;
}

ScopeDraw against(std::span<const ScopeDraw> draws, const Budgeted& budget) {
  const auto its = std::ranges::find_if(draws, [&](const ScopeDraw& d) { return d.budget == &budget; });
  return its == draws.end() ? ScopeDraw{} : *its;
}

std::int64_t loss_of(const Job& job, TimePoint now, std::chrono::microseconds notice) {
  using std::chrono::milliseconds;
  if (is_pausable(job, notice)) return 0;
  std::int64_t lost_ms = std::chrono::duration_cast<milliseconds>(now - job.started).count();
  if (job.work.checkpoint_every && job.work.checkpoint_every->count() > 0) {
    lost_ms %= milliseconds(*job.work.checkpoint_every).count();
  }
  const std::int64_t milli = std::max<std::int64_t>(job.shape->request.accelerators_milli, 1);
  return lost_ms / 1000 * milli + lost_ms % 1000 * milli / 1000;
}

}  // namespace millrace::scheduler
